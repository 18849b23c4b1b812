import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeLabels, formatLabels, labelsOf } from '../model/labels.ts';
import { decodeSamples, isStaleMarker, type SampledSeries, setStaleMarker } from '../model/series.ts';
import { DEFAULT_TENANT, parseTenant } from '../model/tenant.ts';
import { DAY, MINUTE } from '../model/time.ts';
import { StorageFullError } from '../storage/errors.ts';
import { OUTCOME } from '../storage/write.ts';
import { CrashDisk } from '../testing/crash-disk.ts';
import { DEFAULT_LIMITS, type TsdbLimits } from './limits.ts';
import { readerOf } from './reader.ts';
import { SampleStore } from './sample-store.ts';

const NOW = Date.parse('2026-08-03T10:00:00Z');
const ALL = { start: -Infinity, end: Infinity };
const FOLDER = '/data/log';

async function openStore(disk = new CrashDisk(), limits: Partial<TsdbLimits> = {}, segmentBytes = 4_096) {
  return await SampleStore.open({
    disk: disk.boot(),
    folder: FOLDER,
    now: () => NOW,
    limits: { ...DEFAULT_LIMITS, ...limits },
    seed: 1,
    segmentBytes,
  });
}

function refOf(store: SampleStore, name: string, tenant = DEFAULT_TENANT): number {
  const [answer] = store.ref(tenant, [encodeLabels(labelsOf({ __name__: name }))], 'raw');
  if (answer?.kind !== 'ref') throw new Error('refused');
  return answer.ref;
}

/** Writes `[time relative to NOW, value]` samples of one series. */
function write(store: SampleStore, name: string, samples: readonly (readonly [number, number])[]): number[] {
  const ref = refOf(store, name);
  return [
    ...store.write(DEFAULT_TENANT, {
      refs: new Uint32Array(samples.length).fill(ref),
      times: Float64Array.from(samples, ([time]) => NOW + time),
      values: Float64Array.from(samples, ([, value]) => value),
    }),
  ];
}

function runOf(name: string, samples: readonly (readonly [number, number])[]): SampledSeries {
  return {
    labels: labelsOf({ __name__: name }),
    times: Float64Array.from(samples, ([time]) => NOW + time),
    values: Float64Array.from(samples, ([, value]) => value),
  };
}

/** Everything readable, as plain data: `name -> [time relative to NOW, value]`. */
async function contents(store: SampleStore, tenant = DEFAULT_TENANT): Promise<Record<string, [number, number][]>> {
  const reader = readerOf(store.head, () => store.head.tenants.get(tenant));
  const all: Record<string, [number, number][]> = {};
  for (const { labels, chunks } of await reader.select([], ALL)) {
    const { times, values } = decodeSamples(chunks, ALL);
    if (times.length > 0) all[formatLabels(labels)] = [...times].map((time, i) => [time - NOW, values[i]!]);
  }
  return all;
}

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

  test('is bounded by maxSamples, and goes on reading and recognising', async () => {
    await using store = await openStore(undefined, { maxSamples: 2 });
    expect(
      write(store, 'm', [
        [-3, 1],
        [-2, 2],
        [-1, 3],
      ]),
    ).toEqual([OUTCOME.appended, OUTCOME.appended, OUTCOME.full]);
    expect(write(store, 'm', [[-3, 1]])).toEqual([OUTCOME.duplicate]);
    await store.commit();
    expect(await contents(store)).toEqual({
      m: [
        [-3, 1],
        [-2, 2],
      ],
    });
    await expect(store.backfill(DEFAULT_TENANT, [runOf('m', [[-9, 1]])], 'raw')).rejects.toThrow(StorageFullError);
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
      await store.checkpoint();
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

describe('durability', () => {
  test('a full device refuses the commit, and the next one writes everything', async () => {
    const disk = new CrashDisk();
    const store = await openStore(disk);
    write(store, 'm', [[-2, 1]]);
    await store.commit();
    write(store, 'm', [[-1, 2]]);
    disk.failingAppends = 2;
    await expect(store.commit()).rejects.toThrow(StorageFullError);
    expect(await contents(store)).toEqual({ m: [[-2, 1]] });
    await expect(store.commit()).rejects.toThrow(StorageFullError);
    expect(write(store, 'm', [[-1, 2]])).toEqual([OUTCOME.duplicate]);
    await store.commit();
    const want = {
      m: [
        [-2, 1],
        [-1, 2],
      ],
    };
    expect(await contents(store)).toEqual(want);
    disk.crash(() => 0);
    await using reopened = await openStore(disk);
    expect(await contents(reopened)).toEqual(want);
  });

  test('what a killed process had not synced is durable before it is read again', async () => {
    const seen = new Set<number>();
    for (let turns = 0; turns < 60; turns++) {
      const disk = new CrashDisk();
      const store = await openStore(disk);
      write(store, 'm', [[-1, 1]]);
      const committing = store.commit().catch(() => undefined);
      for (let i = 0; i < turns; i++) await Promise.resolve();
      disk.kill();
      await committing;
      const found = await contents(await openStore(disk));
      disk.crash(() => 0);
      expect(await contents(await openStore(disk))).toEqual(found);
      seen.add(Object.keys(found).length);
    }
    expect(seen).toEqual(new Set([0, 1]));
  });

  test('a torn tail is cut off, counted, and not seen again', async () => {
    const disk = new CrashDisk();
    const store = await openStore(disk);
    write(store, 'm', [[-2, 1]]);
    await store.commit();
    const before = disk.sizeOf(`${FOLDER}/00000001.log`);
    write(store, 'm', [[-1, 2]]);
    await store.commit();
    disk.cut(`${FOLDER}/00000001.log`, before + 20);
    const second = await openStore(disk);
    expect(second.recovery).toMatchObject({ tornBytes: 20, damagedBytes: 0 });
    expect(await contents(second)).toEqual({ m: [[-2, 1]] });
    expect((await openStore(disk)).recovery).toMatchObject({ tornBytes: 0, damagedBytes: 0 });
  });

  test('a flipped bit costs one record, wherever it is', async () => {
    const disk = new CrashDisk();
    const store = await openStore(disk);
    const sizes: number[] = [];
    for (let i = 1; i <= 5; i++) {
      write(store, 'm', [[i - 10, i]]);
      await store.commit();
      sizes.push(disk.sizeOf(`${FOLDER}/00000001.log`));
    }
    for (let byte = sizes[1]!; byte < sizes[2]!; byte++) {
      disk.flip(`${FOLDER}/00000001.log`, byte * 8 + (byte % 8));
      const reopened = await openStore(disk);
      expect(await contents(reopened)).toEqual({
        m: [
          [-9, 1],
          [-8, 2],
          [-6, 4],
          [-5, 5],
        ],
      });
      expect(reopened.recovery).toMatchObject({ damagedBytes: sizes[2]! - sizes[1]!, tornBytes: 0 });
      disk.flip(`${FOLDER}/00000001.log`, byte * 8 + (byte % 8));
    }
  });

  test('a checkpoint replaces the log, and recovery from it is the same', async () => {
    const disk = new CrashDisk();
    const store = await openStore(disk);
    for (let i = 0; i < 300; i++) {
      write(store, `m${i % 7}`, [[-1_000 + i, i]]);
      await store.commit();
    }
    await store.backfill(
      DEFAULT_TENANT,
      [
        runOf('m1', [
          [-5_000, 1],
          [-999, 7],
        ]),
      ],
      'demand',
    );
    store.describe(DEFAULT_TENANT, [{ metric: 'm1', type: 'gauge', help: 'One.', unit: '' }]);
    await store.commit();
    const segments = disk.paths.length;
    const want = await contents(store);
    await store.checkpoint();
    expect(segments).toBeGreaterThan(2);
    expect(disk.paths).toEqual([
      `${FOLDER}/${String(segments + 1).padStart(8, '0')}.log`,
      `${FOLDER}/${String(segments + 1).padStart(8, '0')}.snapshot`,
    ]);
    write(store, 'm1', [[0, 99]]);
    await store.commit();
    want['m1']!.push([0, 99]);
    disk.crash(() => 0);
    await using reopened = await openStore(disk);
    expect(await contents(reopened)).toEqual(want);
    expect(reopened.recovery).toMatchObject({ tornBytes: 0, damagedBytes: 0, orphanSamples: 0, notes: [] });
    const reader = readerOf(reopened.head, () => reopened.head.tenants.get(DEFAULT_TENANT));
    expect(await reader.metadata()).toEqual([{ metric: 'm1', type: 'gauge', help: 'One.', unit: '' }]);
    expect(reopened.head.samples).toBe(store.head.samples);
  });

  test('retention hides and drops, by class, and forgets series that are empty', async () => {
    await using store = await openStore();
    write(store, 'old', [[-14 * DAY, 1]]);
    write(store, 'both', [
      [-14 * DAY, 1],
      [0, 2],
    ]);
    await store.backfill(DEFAULT_TENANT, [runOf('demand', [[-300 * DAY, 1]])], 'demand');
    await store.maintain(NOW + 2 * DAY);
    expect(await contents(store)).toEqual({ both: [[0, 2]], demand: [[-300 * DAY, 1]] });
    expect(store.head.seriesCount).toBe(2);
    expect(write(store, 'both', [[-14 * DAY, 5]])).toEqual([OUTCOME.tooOld]);
  });
});

describe('backfill()', () => {
  const sample = fc.tuple(
    fc.integer({ min: -60, max: 0 }).map((t) => t * 20_000),
    fc.integer({ min: 0, max: 2 }),
  );
  const run = fc
    .uniqueArray(sample, { selector: ([time]) => time, maxLength: 40 })
    .map((all) => all.sort(([a], [b]) => a - b));

  test('gives the same store before, during and after live samples, and after a restart', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(sample, { maxLength: 60 }), run, run, fc.nat(60), async (live, past, more, at) => {
        const stores: Record<string, [number, number][]>[] = [];
        for (const importAt of [0, Math.min(at, live.length), live.length]) {
          const disk = new CrashDisk();
          const store = await openStore(disk);
          for (let i = 0; i <= live.length; i++) {
            if (i === importAt) {
              await store.backfill(DEFAULT_TENANT, [runOf('m', past)], 'raw');
              // Importing the same again changes nothing.
              expect(await store.backfill(DEFAULT_TENANT, [runOf('m', past)], 'raw')).toMatchObject({ appended: 0 });
            }
            if (i < live.length) write(store, 'm', [live[i]!]);
            if (i % 7 === 0) await store.commit();
          }
          await store.backfill(DEFAULT_TENANT, [runOf('m', more)], 'raw');
          await store.commit();
          stores.push(await contents(store));
          disk.crash(() => 0);
          stores.push(await contents(await openStore(disk)));
        }
        for (const other of stores) expect(other).toEqual(stores[0]);
      }),
    );
  });

  test('counts what became of each sample, and tells whose past has changed', async () => {
    const changed: string[] = [];
    await using store = await SampleStore.open({
      disk: new CrashDisk().boot(),
      folder: FOLDER,
      now: () => NOW,
      limits: DEFAULT_LIMITS,
      seed: 1,
      segmentBytes: 4_096,
      onBackfill: (tenant, labels) => changed.push(`${tenant} ${formatLabels(labels)}`),
    });
    write(store, 'm', [
      [-2, 1],
      [-1, 2],
    ]);
    const outcome = await store.backfill(
      DEFAULT_TENANT,
      [
        runOf('m', [
          [-20 * DAY, 1],
          [-3, 0],
          [-2, 1],
          [-1, 5],
          [DAY, 6],
        ]),
      ],
      'raw',
    );
    expect(outcome).toEqual({ appended: 1, duplicates: 1, conflicts: 1, outOfBounds: 2 });
    await store.backfill(DEFAULT_TENANT, [runOf('m', [[-2, 1]])], 'raw');
    expect(changed).toEqual(['default m']);
  });

  test('refuses times that do not ascend', async () => {
    await using store = await openStore();
    await expect(
      store.backfill(
        DEFAULT_TENANT,
        [
          runOf('m', [
            [-1, 1],
            [-1, 2],
          ]),
        ],
        'raw',
      ),
    ).rejects.toThrow(RangeError);
  });
});
