import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeLabels, formatLabels, labelsOf } from '../model/labels.ts';
import { decodeSamples, isStaleMarker, setStaleMarker } from '../model/series.ts';
import { DEFAULT_TENANT, parseTenant } from '../model/tenant.ts';
import { DAY, MINUTE } from '../model/time.ts';
import { OUTCOME } from '../storage/write.ts';
import { CrashDisk } from '../testing/crash-disk.ts';
import { ALL, contents, FOLDER, NOW, openStore, refOf, runOf, write } from '../testing/crash-store.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { readerOf } from './reader.ts';
import { SampleStore, type SampleStoreOptions } from './sample-store.ts';

describe('write()', () => {
  const late = DEFAULT_LIMITS.outOfOrderMs;
  test.each([
    {
      name: 'in order',
      first: [[-2, 1]],
      next: [-1, 2],
      want: OUTCOME.appended,
      kept: [
        [-2, 1],
        [-1, 2],
      ],
    },
    {
      name: 'late within the window',
      first: [
        [-9, 1],
        [-2, 2],
      ],
      next: [-5, 3],
      want: OUTCOME.appended,
      kept: [
        [-9, 1],
        [-5, 3],
        [-2, 2],
      ],
    },
    {
      name: 'before the first, within the window',
      first: [[-2, 2]],
      next: [-5, 3],
      want: OUTCOME.appended,
      kept: [
        [-5, 3],
        [-2, 2],
      ],
    },
    { name: 'later than the window', first: [[0, 1]], next: [-late - 1, 3], want: OUTCOME.outOfOrder, kept: [[0, 1]] },
    {
      name: 'again',
      first: [
        [-2, 1],
        [-1, 2],
      ],
      next: [-2, 1],
      want: OUTCOME.duplicate,
      kept: [
        [-2, 1],
        [-1, 2],
      ],
    },
    {
      name: 'again, after the window',
      first: [
        [-2 * late, 1],
        [-1, 2],
      ],
      next: [-2 * late, 1],
      want: OUTCOME.duplicate,
      kept: [
        [-2 * late, 1],
        [-1, 2],
      ],
    },
    { name: 'another value', first: [[-2, 1]], next: [-2, 5], want: OUTCOME.conflict, kept: [[-2, 1]] },
    { name: 'minus zero for zero', first: [[-2, 0]], next: [-2, -0], want: OUTCOME.conflict, kept: [[-2, 0]] },
    { name: 'far ahead', first: [[-2, 1]], next: [10 * MINUTE + 1, 5], want: OUTCOME.tooFarInFuture, kept: [[-2, 1]] },
    {
      name: 'a little ahead',
      first: [[-2, 1]],
      next: [10 * MINUTE, 5],
      want: OUTCOME.appended,
      kept: [
        [-2, 1],
        [10 * MINUTE, 5],
      ],
    },
    { name: 'before the retention', first: [], next: [-15 * DAY - 1, 5], want: OUTCOME.tooOld, kept: undefined },
  ] as const)('$name', async ({ first, next, want, kept }) => {
    await using store = await openStore();
    write(store, 'm', first);
    expect(write(store, 'm', [next])).toEqual([want]);
    await store.commit();
    expect((await contents(store))['m']).toEqual(kept);
  });

  test('shows nothing before commit', async () => {
    await using store = await openStore();
    write(store, 'm', [
      [-3, 1],
      [-1, 2],
      [-2, 3],
    ]);
    expect(await contents(store)).toEqual({});
    await store.commit();
    expect(await contents(store)).toEqual({
      m: [
        [-3, 1],
        [-2, 3],
        [-1, 2],
      ],
    });
  });

  test('a reference of nobody is gone', async () => {
    await using store = await openStore();
    const batch = { refs: Uint32Array.of(7), times: Float64Array.of(NOW), values: Float64Array.of(1) };
    expect([...store.write(DEFAULT_TENANT, batch)]).toEqual([OUTCOME.gone]);
    refOf(store, 'm');
    expect([...store.write(DEFAULT_TENANT, batch)]).toEqual([OUTCOME.gone]);
  });

  test('is bounded by the bytes of samples, and goes on reading and recognising', async () => {
    await using store = await openStore(undefined, { maxSampleBytes: 20_000 });
    const samples = Array.from({ length: 5_000 }, (_, i) => [i - 5_000, Math.sqrt(i)] as const);
    const outcomes = write(store, 'm', samples);
    const kept = outcomes.indexOf(OUTCOME.full);
    expect(kept).toBeGreaterThan(1_000);
    expect(store.head.sampleBytes).toBeLessThan(22_000);
    expect(write(store, 'm', samples.slice(0, kept))).toEqual(samples.slice(0, kept).map(() => OUTCOME.duplicate));
    await store.commit();
    expect((await contents(store))['m']).toEqual(samples.slice(0, kept));
  });

  test("refuses series above the limit of the tenant, in Mimir's words", async () => {
    await using store = await openStore(undefined, { maxSeriesPerTenant: 1 });
    refOf(store, 'a');
    const [a, b] = store.ref(
      DEFAULT_TENANT,
      ['a', 'b'].map((name) => encodeLabels(labelsOf({ __name__: name }))),
      'raw',
    );
    expect(a).toEqual({ kind: 'ref', ref: 1 });
    expect(b).toMatchObject({ kind: 'refused', id: 'err-mimir-max-series-per-user' });
    expect(refOf(store, 'b', parseTenant('other'))).toBe(1);
  });

  test("refuses series above the limits of its own of a tenant, and never the program's", async () => {
    const a = { maxSeries: 3, maxSeriesPerMetric: 2, outOfOrderMs: 0 };
    const boundsOf = (id: string) => (id === 'a' ? a : { ...a, maxSeries: 0, maxSeriesPerMetric: 0 });
    await using store = await openStore(undefined, { boundsOf });
    const answers = (tenant: string, labels: Record<string, string>[], retention: 'raw' | 'demand' = 'raw') => {
      const sets = labels.map((set) => encodeLabels(labelsOf(set)));
      return store.ref(parseTenant(tenant), sets, retention).map((it) => (it.kind === 'ref' ? 'ref' : it.message));
    };
    const sent = [1, 2, 3].map((n) => ({ __name__: 'm', n: `${n}` }));
    const perMetric = expect.stringMatching(
      /^per-metric series limit of 2 exceeded \(err-mimir-max-series-per-metric\)/,
    );
    const perUser = expect.stringMatching(/^per-user series limit of 3 exceeded \(err-mimir-max-series-per-user\)/);
    expect(answers('a', sent)).toEqual(['ref', 'ref', perMetric]);
    expect(answers('a', [{ __name__: 'o' }, { __name__: 'p' }, ...sent])).toEqual([
      'ref',
      perUser,
      'ref',
      'ref',
      perUser,
    ]);
    expect(answers('a', [{ __name__: 'demand' }], 'demand')).toEqual(['ref']);
    expect(answers('b', [{ __name__: 'o' }, { __name__: 'p' }, ...sent])).toEqual(Array(5).fill('ref'));
  });

  test('keeps the bits of staleness markers, across a restart', async () => {
    const disk = new CrashDisk();
    const values = Float64Array.of(1, 0, 0);
    setStaleMarker(values, 1);
    setStaleMarker(values, 2);
    {
      await using store = await openStore(disk);
      const refs = new Uint32Array(3).fill(refOf(store, 'm'));
      // The last one is late, so that merging is seen as well.
      store.write(DEFAULT_TENANT, { refs, times: Float64Array.of(NOW, NOW + 9, NOW + 5), values });
      await store.commit();
      await store.chores.checkpoint();
    }
    await using store = await openStore(disk);
    const reader = readerOf(store.head, () => store.head.tenants.get(DEFAULT_TENANT));
    const [series] = await reader.select([], ALL);
    const { values: read } = decodeSamples(series!.chunks, ALL);
    expect([0, 1, 2].map((i) => isStaleMarker(read, i))).toEqual([false, true, true]);
  });

  test('grows over many chunks, and merges late samples into any of them', async () => {
    await using store = await openStore();
    const even = Array.from({ length: 5_000 }, (_, i) => [-100_000 + 20 * i, i] as const);
    const odd = even.map(([time, value]) => [time + 10, -value] as const);
    write(store, 'm', even);
    expect(new Set(write(store, 'm', [...odd].reverse()))).toEqual(new Set([OUTCOME.appended]));
    await store.commit();
    const want = [...even, ...odd].sort(([a], [b]) => a - b);
    expect((await contents(store))['m']).toEqual(want);
  });
});

describe('backfill()', () => {
  let folder: string;
  let folders = 0;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'foresail-backfill-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const open = (options: Partial<SampleStoreOptions> = {}) =>
    SampleStore.open({
      disk: new CrashDisk().boot(),
      folder: FOLDER,
      partitions: { folder: join(folder, String(folders++)), dataFolder: folder },
      now: () => NOW,
      limits: DEFAULT_LIMITS,
      seed: 1,
      segmentBytes: 4_096,
      ...options,
    });

  test('counts what became of each sample, and tells whose past has changed', async () => {
    const changed: string[] = [];
    await using store = await open({
      onBackfill: (tenant, labels) => changed.push(`${tenant} ${formatLabels(labels)}`),
    });
    write(store, 'm', [
      [-2, 1],
      [-1, 2],
    ]);
    const run = runOf('m', [
      [-20 * DAY, 1],
      [-3, 0],
      [-2, 1],
      [-1, 5],
      [DAY, 6],
    ]);
    const outcome = await store.backfill(DEFAULT_TENANT, [run], 'raw');
    expect(outcome).toEqual({ appended: 1, duplicates: 1, conflicts: 1, outOfBounds: 2 });
    await store.backfill(DEFAULT_TENANT, [runOf('m', [[-2, 1]])], 'raw');
    expect(changed).toEqual(['default m']);
  });

  test('refuses times that do not ascend, and a store without partitions', async () => {
    await using store = await open();
    const twice = runOf('m', [
      [-1, 1],
      [-1, 2],
    ]);
    await expect(store.backfill(DEFAULT_TENANT, [twice], 'raw')).rejects.toThrow(RangeError);
    await using inMemory = await openStore();
    await expect(inMemory.backfill(DEFAULT_TENANT, [runOf('m', [[-1, 1]])], 'raw')).rejects.toThrow(RangeError);
  });
});
