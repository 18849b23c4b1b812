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
import { chunkKey, seriesIdOf, seriesKey } from './partition-key.ts';

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
  for (const { id } of all) {
    // Chunks of some 64 KiB.
    const chunks = Array.from({ length: 16 }, (_, n) => {
      const times = Float64Array.from({ length: 8_192 }, (__, t) => n * 8_192 + t);
      const bytes = codec.encode(times, times.map(Math.sin));
      return { first: times[0]!, last: times.at(-1)!, bytes };
    });
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
