import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { encodeLabels, labelsOf } from '../model/labels.ts';
import { decodeSamples } from '../model/series.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import { OUTCOME } from '../storage/write.ts';
import { openTsdb, type Tsdb } from './open-tsdb.ts';

const START = Date.parse('2026-08-03T10:00:00Z');
const ALL = { start: -Infinity, end: Infinity };

let dir: string;
let now: number;
let tsdb: Tsdb;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'foresail-writer-'));
  now = START;
  tsdb = await open();
});
afterEach(async () => {
  await tsdb[Symbol.asyncDispose]();
  await rm(dir, { recursive: true });
});

const open = () => openTsdb({ dir, clock: { now: () => now } });

/** Writes `[minutes after START, value]` samples of one series. */
async function write(name: string, samples: readonly (readonly [number, number])[]): Promise<number[]> {
  const storage = tsdb.storage.tenant(DEFAULT_TENANT);
  const [answer] = await storage.ref([encodeLabels(labelsOf({ __name__: name }))]);
  if (answer?.kind !== 'ref') throw new Error('refused');
  const outcomes = await storage.write({
    refs: new Uint32Array(samples.length).fill(answer.ref),
    times: Float64Array.from(samples, ([minute]) => START + minute * MINUTE),
    values: Float64Array.from(samples, ([, value]) => value),
  });
  await storage.commit();
  return [...outcomes];
}

async function contents(name: string): Promise<[number, number][]> {
  const matcher = { name: '__name__', op: '=', value: name } as const;
  const [found] = await tsdb.storage.tenant(DEFAULT_TENANT).select([matcher], ALL);
  const { times, values } = decodeSamples(found?.chunks ?? [], ALL);
  return [...times].map((time, i) => [(time - START) / MINUTE, values[i]!]);
}

/** A sample each minute of six hours, all but the last two to four hours of which are on disk. */
async function fill(name: string): Promise<void> {
  now = START + 359 * MINUTE;
  await write(
    name,
    Array.from({ length: 360 }, (_, minute) => [minute, minute] as const),
  );
  await tsdb.maintain(now);
  expect(tsdb.stats().samples).toBeLessThan(5 * 60);
}

test('a retry of what is on disk already is a success, and another value of its time a conflict', async () => {
  await fill('a');
  const before = await contents('a');
  expect(
    await write('a', [
      [0, 0],
      [1, 1],
      [1, 7],
      [1.5, 1],
      [359, 359],
    ]),
  ).toEqual([OUTCOME.duplicate, OUTCOME.duplicate, OUTCOME.conflict, OUTCOME.outOfOrder, OUTCOME.duplicate]);
  expect(await contents('a')).toEqual(before);
});

test('so it is after a restart', async () => {
  await fill('a');
  await tsdb[Symbol.asyncDispose]();
  tsdb = await open();
  expect(
    await write('a', [
      [0, 0],
      [1, 7],
      [1.5, 1],
      [360, 360],
    ]),
  ).toEqual([OUTCOME.duplicate, OUTCOME.conflict, OUTCOME.outOfOrder, OUTCOME.appended]);
});

test('a series that left memory takes nothing twice when it comes back', async () => {
  await write('a', [
    [0, 1],
    [1, 2],
  ]);
  now = START + 8 * HOUR;
  await tsdb.maintain(now);
  await tsdb.maintain(now);
  expect(tsdb.stats()).toMatchObject({ series: 0, samples: 0 });
  expect(
    await write('a', [
      [0, 1],
      [1, 7],
      [2, 3],
    ]),
  ).toEqual([OUTCOME.duplicate, OUTCOME.conflict, OUTCOME.appended]);
  expect(await contents('a')).toEqual([
    [0, 1],
    [1, 2],
    [2, 3],
  ]);
});

test('what is on disk of a series is known, also where what came back first is newer than all of its partition', async () => {
  await write('a', [
    [0, 1],
    [1, 2],
  ]);
  now = START + DAY;
  await write('later', [[24 * 60, 1]]);
  now += 8 * HOUR;
  await tsdb.maintain(now);
  await tsdb.maintain(now);
  expect(tsdb.stats()).toMatchObject({ series: 0, samples: 0 });
  expect(await write('a', [[5, 3]])).toEqual([OUTCOME.appended]);
  expect(
    await write('a', [
      [0, 1],
      [1, 7],
    ]),
  ).toEqual([OUTCOME.duplicate, OUTCOME.conflict]);
  expect(await contents('a')).toEqual([
    [0, 1],
    [1, 2],
    [5, 3],
  ]);
});

test('a sender that catches up is asked about on disk once', async () => {
  await fill('a');
  await tsdb[Symbol.asyncDispose]();
  tsdb = await open();
  for (let minute = 0; minute < 30; minute++) {
    expect(await write('behind', [[minute, minute]])).toEqual([OUTCOME.appended]);
    expect(await write('behind', [[minute, minute]])).toEqual([OUTCOME.duplicate]);
  }
  expect(await contents('behind')).toHaveLength(30);
});

test('columns that the next request overwrites are judged as they were', async () => {
  await fill('a');
  const storage = tsdb.storage.tenant(DEFAULT_TENANT);
  const [answer] = await storage.ref([encodeLabels(labelsOf({ __name__: 'a' }))]);
  if (answer?.kind !== 'ref') throw new Error('refused');
  const batch = { refs: Uint32Array.of(answer.ref), times: Float64Array.of(START), values: Float64Array.of(0) };
  const written = storage.write(batch);
  batch.times.fill(START + 400 * MINUTE);
  batch.values.fill(9);
  expect([...(await written)]).toEqual([OUTCOME.duplicate]);
});

test('what a sender writes without a pause is deleted as well, and it is kept waiting no longer than that takes', async () => {
  await fill('a');
  let done = false;
  const matchers = [[{ name: '__name__', op: '=', value: 'a' } as const]];
  const deleted = tsdb.deleteSeries(DEFAULT_TENANT, matchers, { start: 0, end: START + 359 * MINUTE }).finally(() => {
    done = true;
  });
  const storage = tsdb.storage.tenant(DEFAULT_TENANT);
  const [answer] = await storage.ref([encodeLabels(labelsOf({ __name__: 'a' }))]);
  if (answer?.kind !== 'ref') throw new Error('refused');
  let written = 0;
  while (!done) {
    // Always one that waits for the log.
    const times = Float64Array.of(START + 359 * MINUTE + ++written);
    await storage.write({ refs: Uint32Array.of(answer.ref), times, values: Float64Array.of(written) });
    await turn();
  }
  expect(await deleted).toBe(360);
  await storage.commit();
  const left = await contents('a');
  expect(left).toHaveLength(written);
  expect(left[0]![0]).toBeGreaterThan(359);
});

test('a tenant that has nothing in memory can have its samples deleted', async () => {
  await fill('a');
  now += 8 * HOUR;
  await tsdb.maintain(now);
  await tsdb[Symbol.asyncDispose]();
  // As where the log was lost.
  await rm(join(dir, 'log'), { recursive: true });
  tsdb = await open();
  const matchers = [[{ name: '__name__', op: '=', value: 'a' } as const]];
  expect(await tsdb.deleteSeries(DEFAULT_TENANT, matchers, { start: 0, end: START + 9 * MINUTE })).toBe(10);
  expect(await contents('a')).toHaveLength(350);
});

test('what is in memory is told: chunks, and the first and the last time', async () => {
  expect(await tsdb.headChunks(DEFAULT_TENANT)).toEqual({ chunks: 0, minTime: 0, maxTime: 0 });
  await write('a', [[0, 1]]);
  await write(
    'b',
    Array.from({ length: 10 }, (_, i) => [i, i] as const),
  );
  now += 9 * MINUTE;
  expect(await tsdb.headChunks(DEFAULT_TENANT)).toEqual({ chunks: 2, minTime: START, maxTime: START + 9 * MINUTE });
});
