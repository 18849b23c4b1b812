import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeLabels, labelsOf, labelValue } from '../model/labels.ts';
import { decodeSamples } from '../model/series.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { DAY, MINUTE } from '../model/time.ts';
import { OUTCOME } from '../storage/write.ts';
import { CrashDisk } from '../testing/crash-disk.ts';
import { restorePast } from '../testing/crash-store.ts';
import { PROPERTY_RUNS } from '../testing/property-runs.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { readerOf } from './reader.ts';
import { SampleStore } from './sample-store.ts';

const START = Date.parse('2026-08-03T10:00:00Z');
const ALL = { start: -Infinity, end: Infinity };
const RETENTION = DAY;
const LIMITS = { ...DEFAULT_LIMITS, retentionMs: { raw: RETENTION, demand: RETENTION } };

interface ModelSeries {
  /** Live samples, staged ones included. */
  readonly live: Map<number, number>;
  readonly past: Map<number, number>;
  newest: number;
}

/** What the store must hold. */
interface Model {
  readonly series: Map<string, ModelSeries>;
  /** Live samples that no commit has covered. */
  staged: { readonly name: string; readonly time: number; readonly value: number }[];
  floor: number;
}

interface Real {
  readonly disk: CrashDisk;
  readonly clock: { now: number };
  store: SampleStore;
}

type Command = fc.AsyncCommand<Model, Real>;

function command(name: string, run: (model: Model, real: Real) => Promise<void>): Command {
  return { check: () => true, run, toString: () => name };
}

async function open(disk: CrashDisk, clock: Real['clock']): Promise<SampleStore> {
  return await SampleStore.open({
    disk: disk.boot(),
    folder: '/log',
    now: () => clock.now,
    limits: LIMITS,
    seed: 7,
    segmentBytes: 600,
  });
}

function seriesIn(model: Model, name: string): ModelSeries {
  let series = model.series.get(name);
  if (series === undefined) {
    series = { live: new Map(), past: new Map(), newest: -Infinity };
    model.series.set(name, series);
  }
  return series;
}

function judge(model: Model, series: ModelSeries, time: number, value: number, now: number): number {
  if (time > now + 10 * MINUTE) return OUTCOME.tooFarInFuture;
  if (time < Math.max(model.floor, now - RETENTION)) return OUTCOME.tooOld;
  const stored = series.live.get(time);
  if (stored !== undefined) return stored === value ? OUTCOME.duplicate : OUTCOME.conflict;
  return time < series.newest - LIMITS.outOfOrderMs ? OUTCOME.outOfOrder : OUTCOME.appended;
}

const write = (name: string, samples: readonly (readonly [number, number])[]) =>
  command(`write ${name} ${JSON.stringify(samples)}`, async (model, { store, clock }) => {
    const [answer] = store.ref(DEFAULT_TENANT, [encodeLabels(labelsOf({ __name__: name }))], 'raw');
    if (answer?.kind !== 'ref') throw new Error('refused');
    const series = seriesIn(model, name);
    const outcomes = store.write(DEFAULT_TENANT, {
      refs: new Uint32Array(samples.length).fill(answer.ref),
      times: Float64Array.from(samples, ([time]) => clock.now + time),
      values: Float64Array.from(samples, ([, value]) => value),
    });
    const want = samples.map(([offset, value]) => {
      const time = clock.now + offset;
      const outcome = judge(model, series, time, value, clock.now);
      if (outcome === OUTCOME.appended) {
        series.live.set(time, value);
        series.newest = Math.max(series.newest, time);
        model.staged.push({ name, time, value });
      }
      return outcome;
    });
    expect([...outcomes]).toEqual(want);
    await sameAs(model, store);
  });

const commit = command('commit', async (model, { store }) => {
  await store.commit();
  model.staged = [];
  await sameAs(model, store);
});

const failingCommit = command('commit on a full device', async (model, { store, disk }) => {
  if (model.staged.length === 0) return;
  disk.failingAppends = 1;
  await expect(store.commit()).rejects.toThrow('cannot write to the log');
  await sameAs(model, store);
});

/** What an older release had imported, which a snapshot of it holds. */
const past = (name: string, samples: readonly (readonly [number, number])[]) =>
  command(`past of ${name} ${JSON.stringify(samples)}`, async (model, { store, clock }) => {
    const times = Float64Array.from(samples, ([time]) => clock.now + time);
    const values = Float64Array.from(samples, ([, value]) => value);
    const series = seriesIn(model, name);
    restorePast(store, { labels: labelsOf({ __name__: name }), times, values });
    await store.chores.checkpoint();
    model.staged = [];
    times.forEach((time, i) => {
      if (!series.past.has(time)) series.past.set(time, values[i]!);
    });
    await sameAs(model, store);
  });

const checkpoint = command('checkpoint', async (model, { store }) => {
  await store.chores.checkpoint();
  model.staged = [];
  await sameAs(model, store);
});

const retain = (ms: number) =>
  command(`retain after ${ms}`, async (model, { store, clock, disk }) => {
    const before = snapshotOf(disk);
    clock.now += ms;
    model.floor = Math.max(model.floor, clock.now - RETENTION);
    await store.chores.maintain(clock.now);
    // Writing a snapshot syncs everything.
    if (snapshotOf(disk) !== before) model.staged = [];
    await sameAs(model, store);
  });

/** The end of a process, `turns` turns after something was begun that takes many. A kill keeps the page cache. */
const crash = (begin: 'nothing' | 'commit' | 'checkpoint', turns: number, keep: number | 'page cache') =>
  command(`crash ${turns} turns into ${begin}, keeping ${keep}`, async (model, real) => {
    const { store } = real;
    const running = {
      nothing: async () => {},
      commit: () => store.commit(),
      checkpoint: () => store.chores.checkpoint(),
    }[begin]();
    const ended = running.catch(() => undefined);
    for (let i = 0; i < turns; i++) await Promise.resolve();
    if (keep === 'page cache') real.disk.kill();
    else real.disk.crash(() => keep);
    await ended;
    real.store = await open(real.disk, real.clock);
    expect(real.store.recovery).toMatchObject({ damagedBytes: 0, orphanSamples: 0 });
    // What was not committed may have survived or not; all else must be there.
    const found = await contents(real.store);
    for (const { name, time, value } of model.staged) {
      const series = seriesIn(model, name);
      const survived =
        found.get(name)?.get(time) === value &&
        // Where the same sample was also imported, only the layer itself tells.
        (series.past.get(time) !== value || hasLive(real.store, name, time));
      if (!survived) series.live.delete(time);
    }
    model.staged = [];
    for (const series of model.series.values()) series.newest = Math.max(-Infinity, ...series.live.keys());
    model.floor = real.clock.now - RETENTION;
    await sameAs(model, real.store);
  });

function hasLive({ head }: SampleStore, name: string, time: number): boolean {
  const series = head.tenants.get(DEFAULT_TENANT)?.find(encodeLabels(labelsOf({ __name__: name })));
  return series !== undefined && head.live.find(series.slot, time) !== undefined;
}

async function contents(store: SampleStore): Promise<Map<string, Map<number, number>>> {
  const found = new Map<string, Map<number, number>>();
  const reader = readerOf(store.head, () => store.head.tenants.get(DEFAULT_TENANT));
  for (const { labels, chunks } of await reader.select([], ALL)) {
    const { times, values } = decodeSamples(chunks, ALL);
    if (times.length === 0) continue;
    const samples = new Map<number, number>();
    times.forEach((time, i) => {
      samples.set(time, values[i]!);
    });
    found.set(labelValue(labels, '__name__'), samples);
  }
  return found;
}

/** What readers must see: live before past, nothing staged, nothing below the retention. In order of time. */
function expected(model: Model): Map<string, Map<number, number>> {
  const all = new Map<string, Map<number, number>>();
  for (const [name, { live, past }] of model.series) {
    const hidden = new Set(model.staged.flatMap((staged) => (staged.name === name ? [staged.time] : [])));
    const visible = [...live].filter(([time]) => !hidden.has(time));
    const joined = new Map([...past, ...visible].filter(([time]) => time >= model.floor));
    if (joined.size > 0) all.set(name, new Map([...joined].sort(([a], [b]) => a - b)));
  }
  return all;
}

async function sameAs(model: Model, store: SampleStore): Promise<void> {
  const found = await contents(store);
  const plain = (all: Map<string, Map<number, number>>) =>
    [...all].map(([name, samples]) => [name, [...samples]]).sort();
  expect(plain(found)).toEqual(plain(expected(model)));
}

function snapshotOf({ paths }: CrashDisk): string | undefined {
  return paths.find((path) => path.endsWith('.snapshot'));
}

const name = fc.constantFrom('a', 'b');
const offset = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: -14, max: 2 }).map((minutes) => minutes * MINUTE) },
  fc.constantFrom(-RETENTION - 1, -RETENTION, -RETENTION + 2 * MINUTE, 11 * MINUTE),
);
const sample = fc.tuple(offset, fc.integer({ min: 1, max: 2 }));
const run = fc
  .uniqueArray(sample, { selector: ([time]) => time, minLength: 1, maxLength: 6 })
  .map((samples) => samples.sort(([a], [b]) => a - b));

test('a store behaves as its model, whatever is written, retained, crashed and reopened', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.commands(
        [
          fc.tuple(name, fc.array(sample, { minLength: 1, maxLength: 6 })).map(([of, samples]) => write(of, samples)),
          fc.tuple(name, fc.array(sample, { minLength: 1, maxLength: 6 })).map(([of, samples]) => write(of, samples)),
          fc.constant(commit),
          fc.constant(failingCommit),
          fc.tuple(name, run).map(([of, samples]) => past(of, samples)),
          fc.constant(checkpoint),
          fc.integer({ min: 1, max: 5 }).map((minutes) => retain(minutes * MINUTE)),
          fc.constant(retain(RETENTION / 2)),
          fc
            .tuple(
              fc.constantFrom('nothing', 'commit', 'checkpoint'),
              fc.nat(60),
              fc.constantFrom<(number | 'page cache')[]>(0, 0.5, 0.9, 1, 'page cache'),
            )
            .map(([begin, turns, keep]) => crash(begin, turns, keep)),
        ],
        { maxCommands: 30 },
      ),
      async (commands) => {
        const disk = new CrashDisk();
        const clock = { now: START };
        const store = await open(disk, clock);
        await fc.asyncModelRun(
          () => ({ model: { series: new Map(), staged: [], floor: START - RETENTION }, real: { disk, clock, store } }),
          commands,
        );
      },
    ),
    { numRuns: PROPERTY_RUNS },
  );
});
