import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { formatLabels, labelsOf } from '../model/labels.ts';
import { decodeSamples, isStaleMarker } from '../model/series.ts';
import { DEFAULT_TENANT, parseTenant, type TenantId } from '../model/tenant.ts';
import { DAY } from '../model/time.ts';
import { appendSeries } from '../storage/append-series.ts';
import { TooManySamplesError } from '../storage/errors.ts';
import { keysUnder } from '../storage/key-value.ts';
import { nodeDisk } from './disk.ts';
import { StorageFormatError, StorageInUseError, StorageUnusableError } from './errors.ts';
import { openTsdb, type Tsdb } from './open-tsdb.ts';

const NOW = Date.parse('2026-08-03T10:00:00Z');
const RANGE = { start: NOW - 1_000, end: NOW };

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'foresail-tsdb-'));
});
afterEach(async () => {
  await rm(dir, { recursive: true });
});

function openHere() {
  return openTsdb({ dir: join(dir, 'a', 'b'), clock: { now: () => NOW } });
}

function seriesOf(labels: Record<string, string>, ...samples: readonly (readonly [number, number])[]) {
  return {
    labels: labelsOf(labels),
    times: Float64Array.from(samples, ([time]) => NOW + time),
    values: Float64Array.from(samples, ([, value]) => value),
  };
}

describe('openTsdb()', () => {
  test('keeps samples and keys when opened again', async () => {
    {
      await using tsdb = await openHere();
      const outcome = await appendSeries(tsdb.storage.tenant(DEFAULT_TENANT), [
        seriesOf({ __name__: 'up' }, [-2, 1], [-1, 0]),
        seriesOf({ __name__: 'ahead' }, [-1, 0], [1e9, 0]),
      ]);
      expect(outcome).toEqual({ stored: 3, dropped: { tooFarInFuture: 1 }, refusal: undefined });
      await tsdb.keyValue.write([{ key: 'a/1', value: Uint8Array.of(1) }]);
    }
    await using tsdb = await openHere();
    const [, up] = await tsdb.storage.tenant(DEFAULT_TENANT).select([], RANGE);
    expect([...decodeSamples(up!.chunks, RANGE).values]).toEqual([1, 0]);
    expect([...(await tsdb.keyValue.read('a/1'))!]).toEqual([1]);
    expect(await tsdb.storage.tenants()).toEqual([DEFAULT_TENANT]);
    expect(tsdb.stats()).toMatchObject({ tenants: 1, series: 2, samples: 3, recovery: { tornBytes: 0, notes: [] } });
  });

  test('refuses a folder that is in use, and names it', async () => {
    await using _first = await openHere();
    await expect(openHere()).rejects.toThrow(StorageInUseError);
    await expect(openHere()).rejects.toThrow(join(dir, 'a', 'b'));
  });

  test('says what to do about a folder that cannot be used', async () => {
    for (const blocked of ['a', 'a/b', 'a/b/state', 'a/b/log']) {
      await mkdir(dirname(join(dir, blocked)), { recursive: true });
      await writeFile(join(dir, blocked), 'a file where a folder should be');
      const opening = openHere();
      await expect(opening).rejects.toThrow(StorageUnusableError);
      await expect(opening).rejects.toThrow(/^cannot open the data folder .*a\/b: .*--data$/);
      await rm(join(dir, blocked));
    }
    await using _tsdb = await openHere();
  });

  test('gives up on a folder that can never be made', async () => {
    await expect(nodeDisk.ensureFolder('/proc/no/such/folder')).rejects.toThrow();
  });

  test('refuses a log of another format version, and lets go of the folder', async () => {
    {
      await using tsdb = await openHere();
      await appendSeries(tsdb.storage.tenant(DEFAULT_TENANT), [seriesOf({ __name__: 'up' }, [-1, 1])]);
    }
    const log = join(dir, 'a', 'b', 'log');
    const [segment] = await readdir(log);
    const path = join(log, segment!);
    const bytes = await readFile(path);
    bytes.writeUInt32LE(99, 8);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 12)), 12);
    await writeFile(path, bytes);
    for (let i = 0; i < 2; i++) await expect(openHere()).rejects.toThrow(StorageFormatError);
  });
});

test('opens the files of format version 1, and writes them anew as they are now', async () => {
  const log = join(dir, 'a', 'b', 'log');
  await mkdir(log, { recursive: true });
  await cp(fileURLToPath(new URL('../../test/fixtures/log-v1', import.meta.url)), log, { recursive: true });
  const all = { start: -Infinity, end: Infinity };
  const contents = async (tsdb: Tsdb, tenant: TenantId) => {
    const selected = await tsdb.storage.tenant(tenant).select([], all);
    return Object.fromEntries(
      selected.map(({ labels, chunks }) => {
        const { times, values } = decodeSamples(chunks, all);
        return [
          formatLabels(labels),
          [...times].map((time, i) => [time - NOW, isStaleMarker(values, i) ? 'stale' : values[i]]),
        ];
      }),
    );
  };
  const requests = Array.from({ length: 300 }, (_, i) => [-600_000 + i * 1_000, i * 7]);
  const want = {
    'requests_total{job="a"}': [[-700_000, -3], ...requests],
    'up{job="a"}': [
      [-9_000, 1],
      [-8_000, 0.1],
      [-7_000, 'stale'],
      [-6_500, Infinity],
      [-6_000, -0],
    ],
  };
  const other = {
    'foresail_demand{policy="ü"}': [
      [-300 * DAY, 8],
      [-100 * DAY, 1e-300],
      [0, 5],
    ],
  };
  for (let i = 0; i < 3; i++) {
    await using tsdb = await openHere();
    expect(tsdb.stats().recovery).toMatchObject({ damagedBytes: 0, tornBytes: 0, orphanSamples: 0, notes: [] });
    expect(await contents(tsdb, DEFAULT_TENANT)).toEqual(want);
    expect(await contents(tsdb, parseTenant('b'))).toEqual(other);
    expect(await tsdb.storage.tenant(DEFAULT_TENANT).metadata()).toMatchObject([{ metric: 'up', type: 'gauge' }]);
    // The second time around there is a snapshot of today, the third time it is read.
    if (i === 1) await tsdb.checkpoint();
  }
});

describe('reading', () => {
  test('lists series, names and values with a sample in the range', async () => {
    await using tsdb = await openHere();
    const tenant = tsdb.storage.tenant(DEFAULT_TENANT);
    await appendSeries(tenant, [
      seriesOf({ __name__: 'up', job: 'b' }, [-2, 1]),
      seriesOf({ __name__: 'up', job: 'a' }, [-2, 1]),
      seriesOf({ __name__: 'old', age: '1' }, [-60_000, 1]),
    ]);
    expect(await tenant.series([], RANGE)).toEqual([
      labelsOf({ __name__: 'up', job: 'a' }),
      labelsOf({ __name__: 'up', job: 'b' }),
    ]);
    const [isUp, isOld] = ['up', 'old'].map((value) => [{ name: '__name__', op: '=', value }] as const);
    expect(await tenant.series([isUp!, isOld!, isUp!], { start: 0, end: NOW })).toHaveLength(3);
    expect(await tenant.labelNames([], RANGE)).toEqual(['__name__', 'job']);
    expect(await tenant.labelValues('job', [], RANGE)).toEqual(['a', 'b']);
    expect(await tenant.labelValues('__name__', [isOld!], RANGE)).toEqual([]);
    const nobody = tsdb.storage.tenant('nobody' as typeof DEFAULT_TENANT);
    expect([await nobody.series([], RANGE), await nobody.metadata()]).toEqual([[], []]);
  });

  test('limits samples to those in the range', async () => {
    await using tsdb = await openHere();
    const tenant = tsdb.storage.tenant(DEFAULT_TENANT);
    await appendSeries(tenant, [seriesOf({ __name__: 'up' }, [-5_000, 1], [-3, 1], [-2, 1], [-1, 1])]);
    expect(await tenant.select([], RANGE, { maxSamples: 3 })).toHaveLength(1);
    await expect(tenant.select([], RANGE, { maxSamples: 2 })).rejects.toThrow(TooManySamplesError);
    await expect(tenant.select([], RANGE, { signal: AbortSignal.abort() })).rejects.toThrow('abort');
  });
});

describe('keyValue', () => {
  test('lists by prefix, forwards and backwards, up to a limit, in the order of UTF-8', async () => {
    await using tsdb = await openHere();
    const keys = ['a', 'b/1', 'b/2', 'b/ä', 'b/\u{1f600}', 'c'];
    await tsdb.keyValue.write(keys.map((key) => ({ key, value: new TextEncoder().encode(key) })));
    await tsdb.keyValue.write([{ key: 'b/1', value: undefined }]);
    const list = async (options = {}) => {
      const found: string[] = [];
      for await (const [key] of tsdb.keyValue.list({ ...keysUnder('b/'), ...options })) found.push(key);
      return found;
    };
    expect(await list()).toEqual(['b/2', 'b/ä', 'b/\u{1f600}']);
    expect(await list({ reverse: true, limit: 2 })).toEqual(['b/\u{1f600}', 'b/ä']);
  });
});
