import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CodedError } from '../model/errors.ts';
import { encodeLabels, formatLabels, labelsOf } from '../model/labels.ts';
import { decodeSamples } from '../model/series.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { DAY, HOUR, SECOND } from '../model/time.ts';
import { encodeSamples, sampleCodecOf } from './codec.ts';
import { loadCore } from './core.ts';
import { openTsdb, type Tsdb } from './open-tsdb.ts';
import { chunkValue, decodeChunk } from './partition-chunk.ts';
import { chunkKey, seriesIdOf } from './partition-key.ts';

const NOW = Date.parse('2026-08-03T10:00:00Z');
const ALL = { start: NOW - 30 * DAY, end: NOW };

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'foresail-damage-'));
});
afterEach(() => rm(dir, { recursive: true }));

const open = () => openTsdb({ dir, clock: { now: () => NOW } });

async function samplesOf(tsdb: Tsdb): Promise<ReadonlySet<string>> {
  const found = await tsdb.storage.tenant(DEFAULT_TENANT).select([], ALL);
  return new Set(
    found.flatMap(({ labels, chunks }) => {
      const { times, values } = decodeSamples(chunks, ALL);
      return [...times].map((time, i) => `${formatLabels(labels)} ${time} ${values[i]}`);
    }),
  );
}

test('a bit that is flipped in a table of a partition is never answered as another sample', async () => {
  const times = Float64Array.from({ length: 50 }, (_, i) => NOW - 3 * DAY + i * 15 * SECOND);
  {
    await using tsdb = await open();
    const tenant = tsdb.storage.tenant(DEFAULT_TENANT);
    for (const name of ['a', 'b', 'c']) {
      const values = times.map((_, i) => Math.sin(i * name.charCodeAt(0)) * 1_000);
      await tenant.backfill([{ labels: labelsOf({ __name__: name, job: 'x' }), times, values }]);
    }
  }
  let sound: ReadonlySet<string>;
  {
    // What LevelDB's log had becomes a table when it is opened again.
    await using tsdb = await open();
    sound = await samplesOf(tsdb);
    expect(sound.size).toBe(150);
  }
  const [name] = await readdir(join(dir, 'partitions'));
  const folder = join(dir, 'partitions', name!);
  const files = new Map<string, Buffer>();
  for (const file of await readdir(folder)) files.set(file, await readFile(join(folder, file)));
  const [table, bytes] = [...files].find(([file]) => file.endsWith('.ldb'))!;
  let told = 0;
  for (let at = 0; at < bytes.length; at += 37) {
    const changed = Buffer.from(bytes);
    changed[at]! ^= 1 << (at % 8);
    await writeFile(join(folder, table), changed);
    try {
      await using tsdb = await open();
      for (const sample of await samplesOf(tsdb)) expect(sound).toContain(sample);
    } catch (error) {
      if (!(error instanceof CodedError) && (error as { code?: string }).code !== 'LEVEL_CORRUPTION') throw error;
      told++;
    }
    for (const file of await readdir(folder)) if (!files.has(file)) await rm(join(folder, file));
    for (const [file, whole] of files) await writeFile(join(folder, file), whole);
  }
  expect(told).toBeGreaterThan(10);
});

describe('deleteSeries() where a chunk is damaged', () => {
  const DAY_START = NOW - 3 * DAY - 10 * HOUR;
  const named = (name: string) => [{ name: '__name__', op: '=', value: name } as const];
  // Two chunks, of eight hours at a sample in 15 seconds.
  const times = Float64Array.from({ length: 3_000 }, (_, i) => DAY_START + i * 15 * SECOND);
  const damagedTo = DAY_START + 8 * HOUR - 1;

  /** Damages what the partition has of a series' first chunk. */
  async function damage(): Promise<void> {
    const folder = join(dir, 'partitions', (await readdir(join(dir, 'partitions')))[0]!);
    const level = new ClassicLevel<Uint8Array, Uint8Array>(folder, { keyEncoding: 'view', valueEncoding: 'view' });
    const id = seriesIdOf(encodeLabels(labelsOf({ __name__: 'hurt' })));
    const key = chunkKey(DEFAULT_TENANT, id, 'past', DAY_START);
    const value = (await level.get(key))!;
    value[value.length - 1]! ^= 1;
    await level.put(key, value);
    await level.close();
  }

  async function filled(): Promise<void> {
    await using tsdb = await open();
    const tenant = tsdb.storage.tenant(DEFAULT_TENANT);
    for (const name of ['hurt', 'sound']) {
      await tenant.backfill([{ labels: labelsOf({ __name__: name }), times, values: times }]);
    }
  }

  async function countOf(tsdb: Tsdb, name: string, range = ALL): Promise<number> {
    const [found] = await tsdb.storage.tenant(DEFAULT_TENANT).select(named(name), range);
    return decodeSamples(found?.chunks ?? [], range).times.length;
  }

  test('it goes with the range that has any of it, and all else can be read again', async () => {
    await filled();
    await damage();
    await using tsdb = await open();
    await expect(countOf(tsdb, 'hurt')).rejects.toThrow('cannot read samples of hurt');
    const within = { start: DAY_START + HOUR, end: DAY_START + HOUR };
    // At least one sample of the damaged chunk, and one of the sound series.
    expect(await tsdb.deleteSeries(DEFAULT_TENANT, [[]], within)).toBe(2);
    expect([await countOf(tsdb, 'hurt'), await countOf(tsdb, 'sound')]).toEqual([3_000 - 1_920, 2_999]);
  });

  test('it stays where the range has none of it, and does not keep others from being deleted', async () => {
    await filled();
    await damage();
    await using tsdb = await open();
    const behind = { start: damagedTo + 1, end: NOW };
    expect(await tsdb.deleteSeries(DEFAULT_TENANT, [[]], behind)).toBe(2 * (3_000 - 1_920));
    await expect(countOf(tsdb, 'hurt')).rejects.toThrow('cannot read samples of hurt');
    expect(await countOf(tsdb, 'sound')).toBe(1_920);
  });

  test('a series of which nothing else is left goes as a whole', async () => {
    await filled();
    await damage();
    await using tsdb = await open();
    await tsdb.deleteSeries(DEFAULT_TENANT, [named('hurt')], ALL);
    expect(await tsdb.storage.tenant(DEFAULT_TENANT).series([named('hurt')], ALL)).toEqual([]);
    expect([await countOf(tsdb, 'hurt'), await countOf(tsdb, 'sound')]).toEqual([0, 3_000]);
  });
});

test('values that are found damaged when a query comes to decode them are told as all damage', async () => {
  const day = NOW - 3 * DAY - 10 * HOUR;
  const labels = labelsOf({ __name__: 'hurt' });
  const times = Float64Array.from({ length: 100 }, (_, i) => day + i * 15 * SECOND);
  {
    await using tsdb = await open();
    await tsdb.storage.tenant(DEFAULT_TENANT).backfill([{ labels, times, values: times.map(Math.sin) }]);
  }
  const folder = join(dir, 'partitions', (await readdir(join(dir, 'partitions')))[0]!);
  const level = new ClassicLevel<Uint8Array, Uint8Array>(folder, { keyEncoding: 'view', valueEncoding: 'view' });
  const bytes = encodeSamples(await loadCore(), times, times.map(Math.sin));
  // The sum is right: such as a release with a fault might write.
  const value = chunkValue({ first: day, last: times.at(-1)!, bytes: bytes.subarray(0, -1) });
  await level.put(chunkKey(DEFAULT_TENANT, seriesIdOf(encodeLabels(labels)), 'past', day), value);
  await level.close();
  await using tsdb = await open();
  const tenant = tsdb.storage.tenant(DEFAULT_TENANT);
  const [found] = await tenant.select([], ALL, { mayDefer: true });
  expect(found?.deferred?.count).toBe(100);
  expect(() => found?.deferred?.read()).toThrow('cannot read samples of hurt');
  await expect(tenant.select([], ALL)).rejects.toMatchObject({ code: 'damaged_data' });
  const range = { start: day, end: day + HOUR, stepMs: 60_000 };
  await expect(tenant.range('sum(hurt)', range)).rejects.toMatchObject({ code: 'damaged_data' });
});

test('values of before, which have no sum, are read', async () => {
  const core = await loadCore();
  const codec = sampleCodecOf(core);
  const times = Float64Array.of(1, 2);
  const bytes = encodeSamples(core, times, times);
  const summed = chunkValue({ first: 1, last: 2, bytes });
  expect(decodeChunk(codec, summed).times).toEqual(times);
  const before = Uint8Array.of(1, ...summed.subarray(1, 9), ...bytes);
  expect(decodeChunk(codec, before).times).toEqual(times);
  summed[summed.length - 1]! ^= 1;
  expect(() => decodeChunk(codec, summed)).toThrow('its sum is wrong');
});
