import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { encodeLabels, labelsOf } from '../model/labels.ts';
import { decodeSamples } from '../model/series.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import { sampleCodecOf } from './codec.ts';
import { loadCore } from './core.ts';
import { StoreFaults } from './faults.ts';
import { openTsdb, type Tsdb } from './open-tsdb.ts';
import { Partitions } from './partitions.ts';

const START = Date.parse('2026-08-03T10:00:00Z');
const ALL = { start: -Infinity, end: Infinity };

let dir: string;
let now: number;
let tsdb: Tsdb;
let reported: string[];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'foresail-chores-'));
  now = START;
  reported = [];
  tsdb = await open();
});
afterEach(async () => {
  await tsdb[Symbol.asyncDispose]();
  await rm(dir, { recursive: true });
});

const open = () => {
  return openTsdb({
    dir,
    clock: { now: () => now },
    onFault: ({ chore, place }) => reported.push(`${chore} ${place}`),
  });
};

async function write(name: string, times: readonly number[], value = 1): Promise<void> {
  const storage = tsdb.storage.tenant(DEFAULT_TENANT);
  const [answer] = await storage.ref([encodeLabels(labelsOf({ __name__: name }))]);
  if (answer?.kind !== 'ref') throw new Error('refused');
  const refs = new Uint32Array(times.length).fill(answer.ref);
  await storage.write({ refs, times: Float64Array.from(times), values: new Float64Array(times.length).fill(value) });
  await storage.commit();
}

async function count(name: string): Promise<number> {
  const matcher = { name: '__name__', op: '=', value: name } as const;
  const [found] = await tsdb.storage.tenant(DEFAULT_TENANT).select([matcher], ALL);
  return decodeSamples(found?.chunks ?? [], ALL).times.length;
}

test('a partition that cannot be opened is reported and tried again; all others get their samples', async () => {
  await tsdb[Symbol.asyncDispose]();
  tsdb = await open();
  await writeFile(join(dir, 'partitions', 'raw-2026-08-03'), 'a file where a folder should be');
  await write('a', [START, START + MINUTE]);
  now = START + DAY;
  await write('b', [now]);
  now += 8 * HOUR;
  await tsdb.maintain(now);
  expect(reported).toEqual(['flush raw-2026-08-03']);
  expect(tsdb.stats()).toMatchObject({ samples: 2, faults: [{ chore: 'flush', place: 'raw-2026-08-03' }] });
  // What is in memory alone is in the log as well.
  await tsdb[Symbol.asyncDispose]();
  await rm(join(dir, 'partitions', 'raw-2026-08-03'));
  tsdb = await open();
  expect([await count('a'), await count('b')]).toEqual([2, 1]);
  await tsdb.maintain(now);
  expect(tsdb.stats()).toMatchObject({ samples: 0, faults: [] });
  expect([await count('a'), await count('b')]).toEqual([2, 1]);
});

test('what could not be moved is tried again while the process runs', async () => {
  const inTheWay = join(dir, 'partitions', 'raw-2026-08-03');
  await writeFile(inTheWay, '');
  await write('a', [START]);
  now += 8 * HOUR;
  await tsdb.maintain(now);
  await tsdb.maintain(now + MINUTE);
  expect(reported).toHaveLength(1);
  await rm(inTheWay);
  await tsdb.maintain(now + 5 * MINUTE);
  expect(tsdb.stats()).toMatchObject({ samples: 0, faults: [] });
  expect(await count('a')).toBe(1);
});

test('a series whose stored chunk is damaged does not hold up others', async () => {
  await write('bad', [START]);
  await write('good', [START]);
  now += 8 * HOUR;
  await tsdb.maintain(now);
  await tsdb[Symbol.asyncDispose]();
  const level = new ClassicLevel<Uint8Array, Uint8Array>(join(dir, 'partitions', 'raw-2026-08-03'), {
    keyEncoding: 'view',
    valueEncoding: 'view',
  });
  for await (const [key, value] of level.iterator()) {
    if (value.length > 9 && value.length < 80 && key.length > 25)
      await level.put(key, Uint8Array.of(9, ...value.subarray(1)));
  }
  await level.close();
  tsdb = await open();
  // Behind what a query can tell of it: the head alone is asked.
  await write('bad', [START, START + 1], 2);
  await write('good', [START + MINUTE], 2);
  await tsdb.maintain(now);
  expect(tsdb.stats().faults).toMatchObject([{ chore: 'flush', reason: 'damaged' }]);
  expect(tsdb.stats().samples).toBe(2);
});

test('names of files that could not be made durable are tried again, also where nothing else is to be written', async () => {
  let failing = 1;
  let synced = 0;
  const disk = {
    syncFolder: async () => {
      if (failing-- > 0) throw new Error('input/output error');
      synced++;
    },
  };
  const codec = {
    ...sampleCodecOf(await loadCore()),
    encode: () => Uint8Array.of(1),
    decode: () => ({ times: Float64Array.of(START), values: Float64Array.of(1) }),
  };
  await using partitions = await Partitions.open({ folder: join(dir, 'other'), dataFolder: dir, seed: 1, codec, disk });
  const labels = labelsOf({ __name__: 'a' });
  const chunks = [{ first: START, last: START, bytes: Uint8Array.of(1) }];
  const series = {
    tenant: DEFAULT_TENANT,
    retention: 'raw',
    labels,
    labelBytes: encodeLabels(labels),
    chunks,
  } as const;
  const faults = new StoreFaults();
  expect([...(await partitions.flush([series], faults))]).toEqual([series]);
  expect(synced).toBe(0);
  expect([...(await partitions.flush([series], faults))]).toEqual([]);
  expect(synced).toBe(1);
  expect(faults.standing).toEqual([]);
});

test('a clock that jumps past the retention removes nothing, also where samples come with it', async () => {
  for (let hour = 0; hour <= 72; hour += 6) {
    now = START + hour * HOUR;
    await write('a', [now]);
    await tsdb.maintain(now);
  }
  const before = await count('a');
  expect(reported).toEqual([]);
  const jumped = now + 40 * DAY;
  for (let minute = 0; minute < 3; minute++) {
    now = jumped + minute * MINUTE;
    await write('scraped', [now]);
    await tsdb.maintain(now);
  }
  expect(tsdb.stats().faults).toMatchObject([{ chore: 'clock', reason: 'clock_ahead' }]);
  await tsdb[Symbol.asyncDispose]();
  tsdb = await open();
  expect(await count('a')).toBe(before);
  now = START + 73 * HOUR;
  await write('a', [now]);
  await tsdb.maintain(now);
  expect(await count('a')).toBe(before + 1);
  expect(tsdb.stats().faults).toEqual([]);
});

test('samples expire once three days have some after a long rest', async () => {
  await write('a', [START]);
  for (let day = 30; day <= 33; day++) {
    now = START + day * DAY;
    await write(`b${day}`, [now]);
    await tsdb.maintain(now);
    expect(await count('a')).toBe(day < 32 ? 1 : 0);
  }
});

test('what was stored of a series before it became a demand is kept as long as the rest of it', async () => {
  const storage = () => tsdb.storage.tenant(DEFAULT_TENANT);
  const writeDay = async (day: number) => {
    now = START + day * DAY;
    for (const name of ['demand', 'other']) await write(name, [now, now + MINUTE]);
    if (day >= 3) await storage().ref([encodeLabels(labelsOf({ __name__: 'demand' }))], 'demand');
    now += 8 * HOUR;
    await tsdb.maintain(now);
  };
  for (let day = 0; day < 3; day++) await writeDay(day);
  await storage().backfill([
    { labels: labelsOf({ __name__: 'demand' }), times: Float64Array.of(START + 2 * HOUR), values: Float64Array.of(1) },
  ]);
  for (let day = 3; day < 25; day++) await writeDay(day);
  expect(await count('demand')).toBe(2 * 25 + 1);
  expect(await count('other')).toBe(2 * 15);
  await tsdb[Symbol.asyncDispose]();
  tsdb = await open();
  expect(await count('demand')).toBe(2 * 25 + 1);
  expect(reported).toEqual([]);
});

test('slow series leave memory as others do', async () => {
  for (let step = 0; step < 48; step++) {
    now = START + step * 30 * MINUTE;
    await write('slow', [now]);
    if (step % 4 === 0) await tsdb.maintain(now);
  }
  expect(tsdb.stats().samples).toBeLessThanOrEqual(16);
  expect(await count('slow')).toBe(48);
});

test('when a counter began is known of what left memory', async () => {
  const storage = tsdb.storage.tenant(DEFAULT_TENANT);
  const labels = [encodeLabels(labelsOf({ __name__: 'counter' }))];
  const matchers = [{ name: '__name__', op: '=', value: 'counter' } as const];
  const add = async (time: number, start: number) => {
    const [answer] = await storage.ref(labels);
    if (answer?.kind !== 'ref') throw new Error('refused');
    const values = Float64Array.of(1);
    await storage.write({
      refs: Uint32Array.of(answer.ref),
      times: Float64Array.of(time),
      values,
      starts: Float64Array.of(start),
    });
    await storage.commit();
  };
  const range = { start: START - DAY, end: START + 2 * DAY };
  const starts = async () => (await storage.starts(matchers, range)).map((each) => [[...each.times], [...each.starts]]);
  await add(START, START - HOUR);
  await add(START + MINUTE, START - HOUR);
  now += 20 * HOUR;
  await add(now, now - MINUTE);
  const before = await starts();
  expect(before).toEqual([
    [
      [START, now],
      [START - HOUR, now - MINUTE],
    ],
  ]);
  const wrote = now;
  now += 8 * HOUR;
  await tsdb.maintain(now);
  await tsdb.maintain(now);
  expect(tsdb.stats().series).toBe(0);
  expect(await starts()).toEqual(before);
  await add(now, now - MINUTE);
  expect(await starts()).toEqual([
    [
      [START, wrote, now],
      [START - HOUR, wrote - MINUTE, now - MINUTE],
    ],
  ]);
});
