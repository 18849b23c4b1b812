import { describe, expect, test } from 'vitest';
import { encodeLabels, formatLabels, labelsOf } from '../model/labels.ts';
import { decodeSamples } from '../model/series.ts';
import { DEFAULT_TENANT, parseTenant } from '../model/tenant.ts';
import { DAY } from '../model/time.ts';
import { StorageFullError } from '../storage/errors.ts';
import { OUTCOME } from '../storage/write.ts';
import { CrashDisk } from '../testing/crash-disk.ts';
import { loadCore } from './core.ts';
import { DEFAULT_LIMITS, type TsdbLimits } from './limits.ts';
import { readerOf } from './reader.ts';
import { SampleStore } from './sample-store.ts';

const START = Date.parse('2026-08-03T10:00:00Z');
const FOLDER = '/data/log';
const ALL = { start: -Infinity, end: Infinity };
const A = parseTenant('a');
const B = parseTenant('b');
const C = parseTenant('c');
const D = parseTenant('d');

async function openStore(disk: CrashDisk, now = () => START, limits: Partial<TsdbLimits> = {}) {
  return await SampleStore.open({
    disk: disk.boot(),
    folder: FOLDER,
    now,
    limits: { ...DEFAULT_LIMITS, ...limits },
    seed: 1,
    segmentBytes: 4_096,
  });
}

function write(store: SampleStore, name: string, time: number, value: number, tenant = DEFAULT_TENANT) {
  const [answer] = store.ref(tenant, [encodeLabels(labelsOf({ __name__: name }))], 'raw');
  if (answer?.kind !== 'ref') throw new Error('refused');
  const batch = { refs: Uint32Array.of(answer.ref), times: Float64Array.of(time), values: Float64Array.of(value) };
  return store.write(tenant, batch)[0];
}

async function contents(store: SampleStore, tenant = DEFAULT_TENANT): Promise<Record<string, number[]>> {
  const reader = readerOf(store.head, () => store.head.tenants.get(tenant));
  const selected = await reader.select([], ALL);
  return Object.fromEntries(
    selected.map(({ labels, chunks }) => [formatLabels(labels), [...decodeSamples(chunks, ALL).values]]),
  );
}

describe('a device that fails', () => {
  test('leaves no file and no open handle behind, however often senders try again', async () => {
    const disk = new CrashDisk();
    await using store = await openStore(disk);
    write(store, 'm', START, 1);
    disk.failingAppends = 50;
    for (let i = 0; i < 50; i++) await expect(store.commit()).rejects.toThrow(StorageFullError);
    expect({ paths: disk.paths, open: disk.open }).toEqual({ paths: [], open: 0 });
    await store.commit();
    expect({ paths: disk.paths, open: disk.open }).toEqual({ paths: [`${FOLDER}/00000001.log`], open: 1 });
  });

  test('is not believed after a failed sync: what was to be synced is written again elsewhere', async () => {
    const disk = new CrashDisk();
    const store = await openStore(disk);
    write(store, 'm', START - 2, 1);
    await store.commit();
    write(store, 'm', START - 1, 2);
    disk.failingSyncs = 1;
    await expect(store.commit()).rejects.toThrow('input/output error');
    expect(await contents(store)).toEqual({ m: [1] });
    await store.commit();
    disk.crash(() => 0);
    await using reopened = await openStore(disk);
    expect(await contents(reopened)).toEqual({ m: [1, 2] });
    expect(reopened.recovery).toMatchObject({ damagedBytes: 0, orphanSamples: 0 });
  });

  test('is not believed after a failed sync of the folder: no segment is used whose name may be lost', async () => {
    const disk = new CrashDisk();
    const real = disk.boot();
    let failing = 0;
    const store = await SampleStore.open({
      disk: {
        ...real,
        syncFolder: async (path) => {
          if (failing-- > 0) throw new Error('input/output error');
          await real.syncFolder(path);
        },
      },
      folder: FOLDER,
      now: () => START,
      limits: DEFAULT_LIMITS,
      seed: 1,
      segmentBytes: 4_096,
    });
    write(store, 'm', START - 1, 1);
    await store.commit();
    failing = 1;
    await expect(store.chores.checkpoint()).rejects.toThrow('input/output error');
    write(store, 'm', START, 2);
    await store.commit();
    disk.crash(() => 0);
    await using reopened = await openStore(disk);
    expect(await contents(reopened)).toEqual({ m: [1, 2] });
  });

  test('bounds what waits for it: samples, new series and descriptions', async () => {
    const disk = new CrashDisk();
    await using store = await openStore(disk, () => START, { maxBacklogBytes: 1_000 });
    write(store, 'known', START - 1, 1);
    await store.commit();
    disk.failingAppends = 1;
    const metadata = { metric: 'm', type: 'gauge', help: 'x'.repeat(900), unit: '' };
    store.describe(DEFAULT_TENANT, [metadata]);
    await expect(store.commit()).rejects.toThrow(StorageFullError);
    expect(write(store, 'known', START, 2)).toBe(OUTCOME.appended);
    store.describe(DEFAULT_TENANT, [metadata]);
    expect(() => store.describe(DEFAULT_TENANT, [{ ...metadata, help: `${metadata.help}y` }])).toThrow(
      StorageFullError,
    );
    expect(() => write(store, 'x'.repeat(100), START, 1)).toThrow(StorageFullError);
    await store.commit();
    expect(write(store, 'new', START, 1)).toBe(OUTCOME.appended);
  });
});

test('late samples that memory has no room for stay in the log until it has: no snapshot of the log goes without them', async () => {
  const disk = new CrashDisk();
  const core = await loadCore();
  let isFull = false;
  const publish = (inOrder: number, late: number) => {
    core.publish(inOrder, isFull ? 0 : late);
    if (isFull && late > 0) throw new WebAssembly.RuntimeError('unreachable');
  };
  const options = { folder: FOLDER, now: () => START, limits: DEFAULT_LIMITS, seed: 1, segmentBytes: 4_096 };
  const store = await SampleStore.open({ ...options, disk: disk.boot(), core: { ...core, publish } });
  write(store, 'm', START - 1, 1);
  await store.commit();
  isFull = true;
  expect(write(store, 'm', START - 3, 3)).toBe(OUTCOME.appended);
  await store.commit();
  await expect(store.chores.checkpoint()).rejects.toThrow(StorageFullError);
  const { paths } = disk;
  await expect(store.chores.checkpoint()).rejects.toThrow(StorageFullError);
  expect(disk.paths).toEqual(paths);
  disk.crash(() => 0);
  {
    await using reopened = await openStore(disk);
    expect(await contents(reopened)).toEqual({ m: [3, 1] });
  }
  // Once there is room, it goes on by itself.
  await using again = await openStore(disk);
  await again.chores.checkpoint();
  expect(await contents(again)).toEqual({ m: [3, 1] });
});

test('late samples held back are seen, and in a snapshot of the log, as soon as memory has room', async () => {
  const disk = new CrashDisk();
  const core = await loadCore();
  let isFull = true;
  const publish = (inOrder: number, late: number) => {
    core.publish(inOrder, isFull ? 0 : late);
    if (isFull && late > 0) throw new WebAssembly.RuntimeError('unreachable');
  };
  const options = { folder: FOLDER, now: () => START, limits: DEFAULT_LIMITS, seed: 1, segmentBytes: 4_096 };
  const store = await SampleStore.open({ ...options, disk: disk.boot(), core: { ...core, publish } });
  for (const [time, value] of [
    [START - 1, 1],
    [START - 3, 3],
  ] as const)
    write(store, 'm', time, value);
  await store.commit();
  expect(await contents(store)).toEqual({ m: [1] });
  isFull = false;
  await store.chores.checkpoint();
  expect(await contents(store)).toEqual({ m: [3, 1] });
  disk.crash(() => 0);
  await using reopened = await openStore(disk);
  expect(await contents(reopened)).toEqual({ m: [3, 1] });
});

test("a tenant whose record was damaged does not lose another tenant's number to a new one", async () => {
  const disk = new CrashDisk();
  const store = await openStore(disk);
  const sizes: number[] = [];
  for (const [i, tenant] of [A, B, C].entries()) {
    write(store, 'm', START, i, tenant);
    await store.commit();
    sizes.push(disk.sizeOf(`${FOLDER}/00000001.log`));
  }
  disk.flip(`${FOLDER}/00000001.log`, (sizes[0]! + 20) * 8);
  const second = await openStore(disk);
  expect(await contents(second, B)).toEqual({});
  write(second, 'm', START, 9, D);
  await second.commit();
  await using third = await openStore(disk);
  expect(await contents(third, C)).toEqual({ m: [2] });
  expect(await contents(third, D)).toEqual({ m: [9] });
});

test('a clock that jumps ahead and back again does not stop writing', async () => {
  let now = START;
  await using store = await openStore(new CrashDisk(), () => now);
  write(store, 'm', START, 1);
  await store.commit();
  now = START + 30 * DAY;
  await store.chores.maintain(now);
  now = START + 1_000;
  await store.chores.maintain(now);
  expect(write(store, 'm', now, 2)).toBe(OUTCOME.appended);
  await store.commit();
  expect((await contents(store))['m']?.at(-1)).toBe(2);
});

test('series that come and go are found again, by labels and by learnt bytes', async () => {
  let now = START;
  await using store = await openStore(new CrashDisk(), () => now);
  const nameAt = (day: number, i: number) => `m${day % 2 === 0 ? i : day * 100 + i}`;
  for (let day = 0; day < 40; day++) {
    now = START + day * DAY;
    for (let i = 0; i < 20; i++) expect(write(store, nameAt(day, i), now, day)).toBe(OUTCOME.appended);
    await store.commit();
    await store.chores.maintain(now);
  }
  const tenant = store.head.tenants.get(DEFAULT_TENANT)!;
  const found = await contents(store);
  // Eight even days share their 20 series; each of eight odd days has its own.
  expect(Object.keys(found)).toHaveLength(20 + 8 * 20);
  expect([...tenant.series.values()]).toHaveLength(tenant.series.size);
  expect(store.head.labelBytes).toBe(tenant.labelBytes);
  for (const series of tenant.series.values()) expect(tenant.find(series.labelBytes)?.ref).toBe(series.ref);
  expect(tenant.find(encodeLabels(labelsOf({ __name__: nameAt(1, 0) })))).toBeUndefined();
});

test('labels that no record can hold are refused, not lost at the next start', async () => {
  await using store = await openStore(new CrashDisk());
  const labels = encodeLabels(labelsOf({ __name__: 'm', long: 'x'.repeat(17 << 20) }));
  expect(store.ref(DEFAULT_TENANT, [labels], 'raw')).toMatchObject([{ kind: 'refused' }]);
});
