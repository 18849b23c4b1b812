import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { encodeLabels, formatLabels, labelsOf } from '../model/labels.ts';
import { decodeSamples, type Samples, setStaleMarker } from '../model/series.ts';
import { DEFAULT_TENANT, parseTenant } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../model/time.ts';
import { seededRandom } from '../numeric/seeded-random.ts';
import { evaluatorOver } from '../promql/run.ts';
import { openTsdb } from './open-tsdb.ts';

const FIRST = Date.parse('2026-08-01T05:00:00Z');
const DAYS = 3;
const LAST = FIRST + DAYS * DAY;

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'foresail-stored-run-'));
});
afterEach(() => rm(dir, { recursive: true }));

/** Series of one scrape, one with other times, one with gaps and markers, and one that was imported over what came live. */
const NAMES = ['a', 'b', 'apart', 'gaps', 'imported'] as const;

function samplesOf(name: (typeof NAMES)[number], from: number, to: number): Samples {
  const times: number[] = [];
  for (let time = from + MINUTE; time <= to; time += MINUTE) {
    if (name === 'gaps' && time % (7 * HOUR) < 2 * HOUR) continue;
    times.push(name === 'apart' ? time - 7_001 : time);
  }
  const values = Float64Array.from(times, (time) => Math.round(Math.sin(time / 5e6) * 1e4) / (name === 'b' ? 100 : 1));
  if (name === 'gaps')
    for (const [i, time] of times.entries()) if ((time / MINUTE) % 100 === 7) setStaleMarker(values, i);
  return { times: Float64Array.from(times), values };
}

/** As a text: comparing long columns element by element takes long. */
function bits({ times, values }: Samples): string {
  const hash = createHash('sha256');
  for (const { buffer, byteOffset, byteLength } of [times, values]) {
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return `${times.length} ${values.length} ${hash.digest('hex')}`;
}

test('samples that are decoded when they are read are those that are decoded at once, on disk and in memory', async () => {
  let now = FIRST;
  await using tsdb = await openTsdb({ dir, clock: { now: () => now } });
  const tenant = tsdb.storage.tenant(DEFAULT_TENANT);
  for (let from = FIRST; from < LAST; from = now) {
    now = Math.min(LAST, from + 2 * HOUR);
    for (const name of NAMES) {
      const [answer] = await tenant.ref([encodeLabels(labelsOf({ __name__: name }))], 'raw');
      if (answer?.kind !== 'ref') throw new Error('no reference');
      const { times, values } = samplesOf(name, from, now);
      await tenant.write({ refs: new Uint32Array(times.length).fill(answer.ref), times, values });
    }
    await tenant.commit();
    await tsdb.maintain(now);
  }
  const times = Float64Array.from({ length: 500 }, (_, i) => FIRST + DAY + 30_000 + i * MINUTE);
  await tenant.backfill([{ labels: labelsOf({ __name__: 'imported' }), times, values: times.map(Math.cos) }]);
  const random = seededRandom(7);
  let deferred = 0;
  for (let round = 0; round < 30; round++) {
    const start = FIRST - HOUR + Math.floor((random() * DAYS * DAY) / 1_000) * 1_000;
    const range = { start, end: start + Math.floor(random() ** 2 * DAYS * DAY) };
    const atOnce = await tenant.select([], range);
    const later = await tenant.select([], range, { mayDefer: true });
    expect(later.map(({ labels }) => formatLabels(labels))).toEqual(atOnce.map(({ labels }) => formatLabels(labels)));
    for (const [i, series] of later.entries()) {
      const all = decodeSamples(atOnce[i]!.chunks, range);
      const read = series.deferred?.read() ?? decodeSamples(series.chunks, range);
      expect(bits(read)).toEqual(bits(all));
      if (series.deferred === undefined) continue;
      deferred++;
      expect(series.deferred.count).toBe(all.times.length);
      expect(all.values.subarray(0, series.deferred.numbers).every(Number.isFinite)).toBe(true);
    }
    const found = new Map(atOnce.map(({ labels, chunks }) => [formatLabels(labels), decodeSamples(chunks, range)]));
    for (const name of ['a', 'b', 'apart', 'gaps'] as const) {
      const written = samplesOf(name, FIRST, LAST);
      const inside = decodeSamples([{ encoding: 'plain', ...written }], range);
      if (inside.times.length > 0) expect(bits(found.get(name)!)).toEqual(bits(inside));
    }
  }
  expect(deferred).toBeGreaterThan(50);
  // Those of one scrape have one array of times, and a query that reads them side by side sees each one's values.
  for (const end of [LAST, FIRST + DAY]) {
    const range = { start: FIRST, end };
    const [a, b] = await tenant.select([{ name: '__name__', op: '=~', value: 'a|b' }], range, { mayDefer: true });
    expect(a!.deferred!.read().times).toBe(b!.deferred!.read().times);
  }
  const { value } = await tenant.range('a - on() b * 100', { start: FIRST + HOUR, end: LAST, stepMs: HOUR });
  if (value.kind !== 'matrix') throw new Error('no matrix');
  expect([...value.series[0]!.values].every((difference) => Math.abs(difference) < 1e-6)).toBe(true);
  const instant = await tenant.instant('{__name__=~"a|b"}[1d]', LAST);
  if (instant.value.kind !== 'matrix') throw new Error('no matrix');
  for (const [i, name] of (['a', 'b'] as const).entries()) {
    expect(bits(instant.value.series[i]!)).toEqual(bits(samplesOf(name, LAST - DAY, LAST)));
  }
});

test('a query that rests within a long row keeps the values of that row while others read theirs', async () => {
  const now = FIRST;
  const rest = () => setImmediate();
  await using tsdb = await openTsdb({
    ...{ dir, clock: { now: () => now } },
    evaluator: (reader) => evaluatorOver(reader, { pause: rest }),
  });
  const [one, other] = [DEFAULT_TENANT, parseTenant('other')].map((id) => tsdb.storage.tenant(id));
  const times = Float64Array.from({ length: 2_000 }, (_, i) => FIRST + i * SECOND);
  for (const [tenant, value] of [
    [one!, 1],
    [other!, 2],
  ] as const) {
    await tenant.backfill([{ labels: labelsOf({ __name__: 'm' }), times, values: times.map(() => value) }]);
  }
  const range = { start: FIRST + 1_000 * SECOND, end: FIRST + 1_999 * SECOND, stepMs: 10 * SECOND };
  const ask = (of: typeof one) => of!.range('quantile_over_time(0.5, m[1000s])', range);
  const answers = await Promise.all([ask(one), ask(other), ask(one)]);
  const seen = answers.map(({ value }) => (value.kind === 'matrix' ? [...new Set(value.series[0]!.values)] : []));
  expect(seen).toEqual([[1], [2], [1]]);
});
