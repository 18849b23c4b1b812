import { mkdir, mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { labelsOf } from '../model/labels.ts';
import { decodeSamples } from '../model/series.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { appendSeries } from '../storage/append-series.ts';
import { TooManySamplesError } from '../storage/errors.ts';
import { keysUnder } from '../storage/key-value.ts';
import { nodeDisk } from './disk.ts';
import { StorageFormatError, StorageInUseError, StorageUnusableError } from './errors.ts';
import { openTsdb } from './open-tsdb.ts';

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
    const file = await open(join(log, segment!), 'r+');
    // Version 2, with the right sum.
    await file.write(Uint8Array.of(2, 0, 0, 0, 0x5c, 0x8a, 0xd3, 0x05), 0, 8, 8);
    await file.close();
    for (let i = 0; i < 2; i++) await expect(openHere()).rejects.toThrow(StorageFormatError);
  });
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
