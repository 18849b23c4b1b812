import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { encodeLabels, labelsOf } from '../model/labels.ts';
import { DEFAULT_TENANT, parseTenant } from '../model/tenant.ts';
import { sampleCodecOf } from './codec.ts';
import { loadCore } from './core.ts';
import { layersOf, Partition } from './partition.ts';
import { chunkValue } from './partition-chunk.ts';
import { chunkKey, seriesIdOf, seriesKey, startsKey } from './partition-key.ts';
import { layersOfDay } from './series-day.ts';

const core = await loadCore();
const codec = sampleCodecOf(core);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foresail-partition-'));
});
afterEach(() => rm(folder, { recursive: true }));

function seriesNamed(name: string) {
  const labels = labelsOf({ __name__: name });
  return { labels, id: seriesIdOf(encodeLabels(labels)) };
}

test('read() keeps no more chunks than there is room for, however many series are read in one go', async () => {
  await using partition = await Partition.open({ folder, dataFolder: folder, seed: 1 });
  const all = Array.from({ length: 40 }, (_, i) => seriesNamed(`m${i}`));
  // Chunks of some 64 KiB.
  const chunks = Array.from({ length: 16 }, (_, n) => {
    const times = Float64Array.from({ length: 8_192 }, (__, t) => n * 8_192 + t);
    const bytes = codec.encode(times, times.map(Math.sin));
    return { first: times[0]!, last: times.at(-1)!, bytes };
  });
  for (const { id } of all) {
    await partition.write(
      chunks.map((chunk) => ({ key: chunkKey(DEFAULT_TENANT, id, 'live', chunk.first), value: chunkValue(chunk) })),
    );
  }
  let most = 0;
  for (const series of all) {
    // Behind all that it has: no values are decoded.
    await partition.read(DEFAULT_TENANT, series, { start: 1e6, end: 1e6 }, codec);
    most = Math.max(most, partition.chunkBytes);
  }
  expect(most).toBeGreaterThan(1 << 20);
  expect(most).toBeLessThanOrEqual(32 << 20);
});

test('indexedSeries counts what came and went since an index was read', async () => {
  await using partition = await Partition.open({ folder, dataFolder: folder, seed: 1 });
  const [one, two, three] = [seriesNamed('one'), seriesNamed('two'), seriesNamed('three')];
  const other = parseTenant('other');
  await partition.write([{ key: seriesKey(other, one.id), value: encodeLabels(one.labels) }]);
  await partition.indexOf(DEFAULT_TENANT);
  await partition.indexOf(other);
  expect(partition.indexedSeries).toBe(1);
  await partition.added(DEFAULT_TENANT, [one, two, three]);
  expect(partition.indexedSeries).toBe(4);
  await partition.added(DEFAULT_TENANT, [two]);
  expect(partition.indexedSeries).toBe(4);
  await partition.removed(DEFAULT_TENANT, [one.labels]);
  expect(partition.indexedSeries).toBe(3);
  await partition.clear(other);
  expect(partition.indexedSeries).toBe(2);
  partition.forgetIndexes();
  expect(partition.indexedSeries).toBe(0);
});

test('indexedSeries has no index that was forgotten while it was read', async () => {
  await using partition = await Partition.open({ folder, dataFolder: folder, seed: 1 });
  const one = seriesNamed('one');
  await partition.write([{ key: seriesKey(DEFAULT_TENANT, one.id), value: encodeLabels(one.labels) }]);
  const reading = partition.indexOf(DEFAULT_TENANT);
  partition.forgetIndexes();
  expect((await reading).size).toBe(1);
  expect(partition.indexedSeries).toBe(0);
});

test('read() gives what is stored, whatever was read while it was written, deleted and given back', async () => {
  await using partition = await Partition.open({ folder, dataFolder: folder, seed: 1 });
  const series = seriesNamed('one');
  const range = { start: -Infinity, end: Infinity };
  const read = () => partition.read(DEFAULT_TENANT, series, range, codec);
  const hop = () => new Promise((resolve) => setImmediate(resolve));
  for (let round = 0; round < 60; round++) {
    const key = chunkKey(DEFAULT_TENANT, series.id, 'live', (round % 5) * 1_000);
    const columns = [Float64Array.of((round % 5) * 1_000), Float64Array.of(round)] as const;
    const chunk = { first: columns[0][0]!, last: columns[0][0]!, bytes: codec.encode(...columns) };
    const early = read();
    for (let i = 0; i < round % 3; i++) await hop();
    const changing =
      round % 11 === 10
        ? partition.clear(DEFAULT_TENANT)
        : partition.write([{ key, value: round % 7 === 6 ? undefined : chunkValue(chunk) }]);
    const others = [read(), hop().then(read)];
    if (round % 4 === 0) partition.forgetChunks();
    await Promise.all([early, changing, ...others]);
    expect(await read()).toEqual(layersOf(await partition.storedChunks(DEFAULT_TENANT, series), range, codec));
  }
});

test('days() gives what is stored of each series, whether it is read alone, among others or from memory', async () => {
  await using partition = await Partition.open({ folder, dataFolder: folder, seed: 1 });
  const all = Array.from({ length: 300 }, (_, i) => seriesNamed(`m${i}`));
  const changes = all.flatMap(({ id, labels }, i) => {
    const times = Float64Array.of(i % 7, 10, 20);
    const chunks = [times.subarray(0, 1), times.subarray(1)].map((part) => {
      const chunk = {
        first: part[0]!,
        last: part.at(-1)!,
        bytes: codec.encode(
          part,
          part.map((time) => time + i),
        ),
      };
      return { key: chunkKey(DEFAULT_TENANT, id, i % 2 === 0 ? 'live' : 'past', part[0]!), value: chunkValue(chunk) };
    });
    return [{ key: seriesKey(DEFAULT_TENANT, id), value: encodeLabels(labels) }, ...chunks];
  });
  await partition.write(changes);
  const range = { start: -Infinity, end: Infinity };
  const expectAll = async (wanted: typeof all) => {
    let found = 0;
    for await (const batch of partition.days(DEFAULT_TENANT, wanted, codec)) {
      for (const [series, day] of batch) {
        found++;
        const stored = await partition.storedChunks(DEFAULT_TENANT, series);
        expect(layersOfDay(day, range, codec, () => series.labels)).toEqual(layersOf(stored, range, codec));
      }
    }
    expect(found).toBe(wanted.length);
  };
  // Without the index nobody knows what share of all series this is.
  await expectAll(all.slice(0, 40));
  partition.forgetChunks();
  await partition.indexOf(DEFAULT_TENANT);
  await expectAll(all.slice(0, 30));
  await expectAll(all);
  await expectAll(all);
});

test('hasStarts() knows of starts that came and went', async () => {
  await using partition = await Partition.open({ folder, dataFolder: folder, seed: 1 });
  const { id } = seriesNamed('one');
  const key = startsKey(DEFAULT_TENANT, id);
  for (let i = 0; i < 2; i++) expect(await partition.hasStarts(DEFAULT_TENANT)).toBe(false);
  await partition.write([{ key, value: new Uint8Array(16) }]);
  for (let i = 0; i < 2; i++) expect(await partition.hasStarts(DEFAULT_TENANT)).toBe(true);
  expect(await partition.hasStarts(parseTenant('other'))).toBe(false);
  await partition.write([{ key, value: undefined }]);
  expect(await partition.hasStarts(DEFAULT_TENANT)).toBe(false);
});
