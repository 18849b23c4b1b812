import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { encodeLabels, type Labels, labelsOf, labelValue } from '../model/labels.ts';
import type { QueryResult, ResultSeries } from '../model/query-result.ts';
import { parseTenant } from '../model/tenant.ts';
import { HOUR, MINUTE, type Millis, type TimeRange } from '../model/time.ts';
import { seededRandom } from '../numeric/seeded-random.ts';
import { evaluatorOver } from '../promql/run.ts';
import type { TenantStorage } from '../storage/storage.ts';
import { OUTCOME } from '../storage/write.ts';
import { pick, type Random } from '../testing/fuzz/mutate.ts';
import { memoryTenant } from '../testing/memory-storage.ts';
import type { Question } from '../testing/promql/compare-answers.ts';
import { randomQuestion } from '../testing/promql/random-query.ts';
import { type ShopHour, shopHour } from '../testing/promql/shop-hour.ts';
import { PROPERTY_RUNS } from '../testing/property-runs.ts';
import { openTsdb, type Tsdb } from './open-tsdb.ts';

/** Stores that are filled, and what is asked of each. One is as good as another: every other is of around midnight. */
const WORLDS = Math.ceil(PROPERTY_RUNS / 60);
const FIRST_WORLD = 4;
const QUESTIONS = 40;
const TIMEOUT_MS = 600_000;

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'foresail-queries-on-disk-'));
});
afterEach(() => rm(dir, { recursive: true }));

/** Where the samples of a series are when its queries begin. */
const PLACES = ['disk', 'disk', 'memory', 'both', 'both', 'late', 'imported', 'imported over'] as const;

interface Part {
  readonly labels: Labels;
  readonly times: Float64Array;
  readonly values: Float64Array;
}

function picked({ labels, times, values }: Part, keeps: (i: number) => boolean): Part {
  const kept = [...times.keys()].filter(keeps);
  const out = new Float64Array(kept.length);
  // As memory: a staleness marker may not survive passing through a number.
  kept.forEach((from, to) => {
    out.set(values.subarray(from, from + 1), to);
  });
  return { labels, times: Float64Array.from(kept, (i) => times[i]!), values: out };
}

/** Some series are kept as demands are. */
async function refOf(tenant: TenantStorage, labels: Labels): Promise<number> {
  const isDemand = labels.some(([name, value]) => name === 'instance' && value === 'b:80');
  const [answer] = await tenant.ref([encodeLabels(labels)], isDemand ? 'demand' : 'raw');
  if (answer?.kind !== 'ref') throw new Error('no reference');
  return answer.ref;
}

/** A tenant of the store, and what it must have. */
interface Both {
  readonly store: TenantStorage;
  model: TenantStorage;
  readonly hour: ShopHour;
  readonly taken: Part[];
  readonly deleted: { readonly name: string; readonly range: TimeRange }[];
}

/** Writes to the store, and what it took to the model. */
async function write({ store, model, taken }: Both, part: Part): Promise<void> {
  const { labels, times, values } = part;
  if (times.length === 0) return;
  const refs = new Uint32Array(times.length).fill(await refOf(store, labels));
  const outcomes = await store.write({ refs, times, values });
  const kept = picked(part, (i) => outcomes[i] === OUTCOME.appended);
  taken.push(kept);
  await model.backfill([kept]);
}

async function attachHistograms(of: TenantStorage, hour: ShopHour, keeps: (labels: Labels, time: Millis) => boolean) {
  for (const { labels, histograms } of hour.series) {
    const kept = histograms.filter(({ time }) => keeps(labels, time));
    if (kept.length === 0) continue;
    const ref = await refOf(of, labels);
    await of.attach({ exemplars: [], histograms: kept.map((each) => ({ ...each, ref, start: 0 })) });
  }
  await of.commit();
}

/** Around midnight: two days' partitions. */
function shifted({ start, end, series }: ShopHour, by: Millis): ShopHour {
  const moved = series.map((each) => ({
    ...each,
    times: each.times.map((time) => time + by),
    histograms: each.histograms.map((histogram) => ({ ...histogram, time: histogram.time + by })),
  }));
  return { start: start + by, end: end + by, series: moved };
}

/** Deletes of the store, and makes the model anew of what is left. */
async function deleted(tsdb: Tsdb, id: string, of: Both, random: Random): Promise<void> {
  const name = pick(random, ['temperature', 'up', 'http_requests_total', 'mixed', 'latency', 'odd']);
  const start = of.hour.start + Math.floor(random() * HOUR);
  const range = { start, end: start + Math.floor(random() * HOUR) };
  of.deleted.push({ name, range });
  const goes = (labels: Labels, time: Millis) =>
    of.deleted.some(
      (gone) => labelValue(labels, '__name__') === gone.name && time >= gone.range.start && time <= gone.range.end,
    );
  await tsdb.deleteSeries(parseTenant(id), [[{ name: '__name__', op: '=', value: name }]], range);
  const left = of.taken.map((part) => picked(part, (i) => !goes(part.labels, part.times[i]!)));
  of.taken.splice(0, of.taken.length, ...left);
  of.model = memoryTenant();
  await of.model.backfill(left.filter(({ times }) => times.length > 0));
  await attachHistograms(of.model, of.hour, (labels, time) => !goes(labels, time));
}

async function fill(tsdb: Tsdb, clock: { now: Millis }, tenants: readonly Both[], random: Random): Promise<void> {
  const later: (() => Promise<void>)[] = [];
  for (const of of tenants) {
    const { store, model, hour, taken } = of;
    clock.now = hour.end;
    for (const { labels, times, values } of hour.series) {
      const all: Part = { labels, times: Float64Array.from(times), values };
      const from = Math.floor(random() * times.length);
      const to = from + Math.floor(random() * (times.length - from));
      const inside = (i: number) => i >= from && i < to;
      const place = pick(random, PLACES);
      const put = (keeps: (i: number) => boolean) => write(of, picked(all, keeps));
      if (place === 'disk') await put(() => true);
      else if (place === 'memory') later.push(() => put(() => true));
      else if (place === 'both') {
        await put((i) => i < from);
        later.push(() => put((i) => i >= from));
      } else if (place === 'late') {
        await put((i) => i < from && i % 5 !== 1);
        later.push(
          () => put((i) => i >= from && i % 7 !== 3),
          () => put((i) => i % 5 === 1 || i % 7 === 3),
        );
      } else {
        if (place === 'imported over') await put((i) => !inside(i));
        const run = picked(all, (i) => place === 'imported' || inside(i));
        const imported = async () => {
          if (run.times.length === 0) return;
          taken.push(run);
          await store.backfill([run]);
          await model.backfill([run]);
        };
        if (random() < 0.5) await imported();
        else later.push(imported);
      }
    }
    await attachHistograms(store, hour, () => true);
    await attachHistograms(model, hour, () => true);
  }
  clock.now += 6 * HOUR;
  await tsdb.maintain(clock.now);
  for (const each of later) await each();
  for (const { store } of tenants) await store.commit();
}

const RANGES = ['30s', '1m', '5m', '17m', '1h'];
const NAMES = ['up', 'temperature', 'http_requests_total', 'odd', 'sparse', 'blinks', 'stock', 'mixed', '{job=~".+"}'];
const OVER = ['rate', 'sum_over_time', 'quantile_over_time', 'mad_over_time', 'stddev_over_time', 'last_over_time'];
const MORE = ['deriv', 'changes', 'ts_of_max_over_time', 'absent_over_time', 'first_over_time', 'increase', 'resets'];

function question(random: Random, hour: ShopHour): Question {
  const given = randomQuestion(random, hour);
  const one = <T>(from: readonly T[]): T => pick(random, from);
  const shift = () => one(['', '', '', ' offset 2m', ` @ ${hour.start / 1000 + 1800}`, ' offset -3m']);
  const call = (): string => {
    const name = one([...OVER, ...OVER, ...MORE]);
    const extended = ['rate', 'increase', 'changes', 'resets'].includes(name) ? one(['', '', ' anchored']) : '';
    const range = `${one(NAMES)}[${one(RANGES)}]${extended}${shift()}`;
    return `${name}(${name === 'quantile_over_time' ? '0.3, ' : ''}${range})`;
  };
  const own = (): string => {
    const [name, what] = [one(NAMES), random()];
    if (what < 0.2) return call();
    if (what < 0.4) return `${one(['sum', 'avg', 'max', 'stddev', 'count'])} by (job) (${call()})`;
    if (what < 0.5) return `${name} - ${name}${shift()}`;
    if (what < 0.6) return `${call()} or ${call()}`;
    if (what < 0.7) return `max_over_time((${call()})[10m:1m])`;
    if (what < 0.75) return `topk(2, ${name}) + on (instance, job) group_left () sum by (instance, job) (${name})`;
    if (what < 0.8) return `count_values("v", ${name})`;
    if (what < 0.85) return `${name} smoothed`;
    if (what < 0.9) return `quantile(0.4, ${call()})`;
    if (what < 0.95) return `timestamp(${name}) - ${call()}`;
    return `info(rate(http_requests_total[5m]))`;
  };
  if (random() < 0.4) return given;
  if (random() < 0.1) return { query: `${one(NAMES)}[${one(RANGES)}]${shift()}`, start: given.start, end: given.start };
  // Long rows: those rest before they are done.
  const long = { start: hour.start + 10 * MINUTE, end: hour.end, stepMs: 15_000 };
  return { ...given, ...(random() < 0.3 && long), query: own() };
}

const NOTHING = '\n[[],[]]';

function textOf(answer: QueryResult | Error): string {
  if (answer instanceof Error) return `${answer.name}: ${answer.message}`;
  const number = (value: number) => (Object.is(value, -0) ? '-0' : String(value));
  const seriesText = ({ labels, times, values, histograms }: ResultSeries) =>
    JSON.stringify([
      labels,
      [...times],
      [...values].map(number),
      histograms && [[...histograms.times], histograms.values],
    ]);
  const { value, warnings, infos } = answer;
  const told = JSON.stringify([[...warnings].sort(), [...infos].sort()]);
  if (value.kind === 'matrix') return `${value.series.map(seriesText).join('\n')}\n${told}`;
  if (value.kind === 'vector')
    return `${value.samples.map((each) => JSON.stringify([each.labels, each.time, number(each.value), each.histogram])).join('\n')}\n${told}`;
  return `${JSON.stringify({ ...value, value: String(value.value) })}\n${told}`;
}

async function answered(of: TenantStorage, { query, start, end, stepMs }: Question, maxSamples?: number) {
  const options = maxSamples === undefined ? {} : { maxSamples };
  const asked =
    stepMs === undefined ? of.instant(query, start, options) : of.range(query, { start, end, stepMs }, options);
  return textOf(await asked.catch((error: unknown) => error as Error));
}

test(
  'queries have the answers of a store that has all in memory, wherever samples are and whatever goes on meanwhile',
  async () => {
    const failures: string[] = [];
    let asked = 0;
    let empty = 0;
    for (let seed = FIRST_WORLD; seed < FIRST_WORLD + WORLDS; seed++) {
      const random = seededRandom(seed);
      const clock = { now: 0 };
      const rests = seededRandom(seed + 1_000);
      const often = pick(random, [0.02, 0.3, 1]);
      const pause = () => (rests() < often ? setImmediate() : undefined);
      await using tsdb = await openTsdb({
        ...{ dir: join(dir, String(seed)), clock: { now: () => clock.now } },
        evaluator: (reader) => evaluatorOver(reader, { pause: pause as () => Promise<void> | undefined }),
      });
      const tenants = ['one', 'other'].map((id, i): Both => {
        const store = tsdb.storage.tenant(parseTenant(id));
        const hour = shopHour(seededRandom(2 * seed + i));
        return {
          store,
          model: memoryTenant(),
          hour: seed % 2 === 0 ? hour : shifted(hour, -25 * MINUTE),
          taken: [],
          deleted: [],
        };
      });
      await fill(tsdb, clock, tenants, random);
      const noise = async (round: number) => {
        const store = tenants[round % 2]!.store;
        for (let i = 0; i < 6; i++) {
          const ref = await refOf(store, labelsOf({ __name__: 'zz_noise', n: `${round} ${i}` }));
          const times = Float64Array.from({ length: 3_000 }, (_, k) => clock.now - HOUR + k * 1_000);
          await store.write({ refs: new Uint32Array(3_000).fill(ref), times, values: times.map(() => random()) });
          await store.commit();
          await setImmediate();
        }
      };
      for (let round = 0; asked < QUESTIONS * (seed - FIRST_WORLD + 1); round++) {
        if (round > 0 && random() < 0.15) await deleted(tsdb, 'one', tenants[0]!, random);
        const questions = Array.from({ length: 8 }, () => {
          const of = pick(random, tenants);
          return {
            of,
            question: question(random, of.hour),
            most: random() < 0.05 ? Math.floor(random() * 20_000) : undefined,
          };
        });
        if (random() < 0.3) clock.now += pick(random, [MINUTE, HOUR, 3 * HOUR]);
        const chores = random() < 0.3 ? tsdb.maintain(clock.now) : undefined;
        const [got] = await Promise.all([
          Promise.all(questions.map(({ of, question: each, most }) => answered(of.store, each, most))),
          noise(round),
          chores,
        ]);
        for (const [i, { of, question: each, most }] of questions.entries()) {
          const want = await answered(of.model, each, most);
          asked++;
          if (want === NOTHING) empty++;
          if (want === got[i]) continue;
          const [a, b] = [want.split('\n'), got[i]!.split('\n')];
          const lines = [a.filter((line) => !b.includes(line)), b.filter((line) => !a.includes(line))];
          const [x, y] = lines.map((all) => all.join('\n').slice(0, 1_500));
          failures.push(`seed ${seed} round ${round} most ${most}: ${JSON.stringify(each)}\nwant ${x}\ngot  ${y}`);
        }
      }
    }
    expect(empty).toBeLessThan(asked / 2);
    expect(failures.slice(0, 6).join('\n')).toBe('');
  },
  TIMEOUT_MS,
);
