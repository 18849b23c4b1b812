import { describe, expect, test } from 'vitest';
import { encodeLabels, labelsOf } from '../model/labels.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { DAY } from '../model/time.ts';
import { StorageFullError } from '../storage/errors.ts';
import { OUTCOME } from '../storage/write.ts';
import { CrashDisk } from '../testing/crash-disk.ts';
import { contents, FOLDER, NOW, openStore, restorePast, runOf, write } from '../testing/crash-store.ts';
import { MAX_REF } from './head.ts';
import { createLogFile } from './log-files.ts';
import { readerOf } from './reader.ts';
import { RecordBuffer } from './record.ts';

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

  test('a tail torn at any byte of the last record is cut off, counted, and not seen again', async () => {
    const path = `${FOLDER}/00000001.log`;
    const torn = async (bytes: number | undefined) => {
      const disk = new CrashDisk();
      const store = await openStore(disk);
      write(store, 'm', [[-2, 1]]);
      await store.commit();
      const before = disk.sizeOf(path);
      write(store, 'm', [[-1, 2]]);
      await store.commit();
      const length = disk.sizeOf(path) - before;
      if (bytes !== undefined) disk.cut(path, before + bytes);
      return { disk, length };
    };
    const { length } = await torn(undefined);
    expect(length).toBeGreaterThan(12);
    for (let bytes = 0; bytes < length; bytes++) {
      const { disk } = await torn(bytes);
      const second = await openStore(disk);
      expect(second.recovery).toMatchObject({ tornBytes: bytes, damagedBytes: 0 });
      expect(await contents(second)).toEqual({ m: [[-2, 1]] });
      write(second, 'm', [[0, 3]]);
      await second.commit();
      const third = await openStore(disk);
      expect(third.recovery).toMatchObject({ tornBytes: 0, damagedBytes: 0 });
      expect((await contents(third))['m']).toEqual([
        [-2, 1],
        [0, 3],
      ]);
    }
  });

  test('a record that announces more samples than it can hold is not believed', async () => {
    const disk = new CrashDisk();
    const file = await createLogFile(disk.boot(), `${FOLDER}/00000001.log`, 'log');
    const records = new RecordBuffer();
    records.append({ kind: 'tenant', tenant: 1, nextRef: 2, id: DEFAULT_TENANT });
    records.append({ kind: 'packed', tenant: 1, count: 0x1240_0000, bytes: new Uint8Array(30) });
    await file.append(records.bytes.slice());
    await file.sync();
    const { recovery } = await openStore(disk);
    expect(recovery).toMatchObject({ records: 2, unknownRecords: 1, orphanSamples: 0 });
  });

  test('backfilled runs whose times are not in order are stepped over, and the start ends', async () => {
    const disk = new CrashDisk();
    const file = await createLogFile(disk.boot(), `${FOLDER}/00000001.log`, 'log');
    const records = new RecordBuffer();
    const labels = encodeLabels(labelsOf({ __name__: 'm' }));
    records.append({ kind: 'tenant', tenant: 1, nextRef: 2, id: DEFAULT_TENANT });
    records.append({ kind: 'series', tenant: 1, ref: 1, retention: 'raw', labels });
    for (const times of [
      [NOW - 3, NOW - 1],
      [NOW - 2, Number.NaN],
      [Number.NEGATIVE_INFINITY, NOW - 2],
      [NOW - 1, NOW - 2],
      [NOW - 3, NOW - 2],
    ]) {
      const values = Float64Array.of(1, 2);
      records.append({ kind: 'run', tenant: 1, ref: 1, layer: 'backfill', times: Float64Array.from(times), values });
    }
    await file.append(records.bytes.slice());
    await file.sync();
    const store = await openStore(disk);
    expect(store.recovery).toMatchObject({ records: 7, unknownRecords: 3 });
    expect(await contents(store)).toEqual({
      m: [
        [-3, 1],
        [-2, 2],
        [-1, 2],
      ],
    });
  });

  test('no series takes the reference after the last one, which would be that of another', async () => {
    const disk = new CrashDisk();
    const file = await createLogFile(disk.boot(), `${FOLDER}/00000001.log`, 'log');
    const records = new RecordBuffer();
    const labels = encodeLabels(labelsOf({ __name__: 'old' }));
    records.append({ kind: 'tenant', tenant: 1, nextRef: 1, id: DEFAULT_TENANT });
    for (const ref of [MAX_REF, MAX_REF + 1]) {
      records.append({ kind: 'series', tenant: 1, ref, retention: 'raw', labels });
    }
    await file.append(records.bytes.slice());
    await file.sync();
    const store = await openStore(disk);
    expect(store.recovery).toMatchObject({ unknownRecords: 1 });
    expect(store.ref(DEFAULT_TENANT, [labels], 'raw')).toEqual([
      expect.objectContaining({ kind: 'refused', id: 'err-foresail-references-used-up' }),
    ]);
  });

  test('a record with a right sum and labels that are none costs its series, and nothing else', async () => {
    const disk = new CrashDisk();
    const file = await createLogFile(disk.boot(), `${FOLDER}/00000001.log`, 'log');
    const records = new RecordBuffer();
    const labelsOfSeries = (ref: number) =>
      ref === 2 ? Uint8Array.of(1, 0xff, 1, 0x61) : encodeLabels(labelsOf({ __name__: `m${ref}` }));
    records.append({ kind: 'tenant', tenant: 1, nextRef: 4, id: DEFAULT_TENANT });
    for (const ref of [1, 2, 3]) {
      records.append({ kind: 'series', tenant: 1, ref, retention: 'raw', labels: labelsOfSeries(ref) });
      const column = { refs: Uint32Array.of(ref), times: Float64Array.of(NOW - 1), values: Float64Array.of(ref) };
      records.append({ kind: 'samples', tenant: 1, ...column });
    }
    await file.append(records.bytes.slice());
    await file.sync();
    const store = await openStore(disk);
    expect(await contents(store)).toEqual({ m1: [[-1, 1]], m3: [[-1, 3]] });
    expect(store.recovery).toMatchObject({ unknownRecords: 1, orphanSamples: 1 });
    expect(store.recovery.notes).toEqual([expect.stringMatching(/record 4 .*a text is not UTF-8/)]);
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
    const past = runOf('m1', [
      [-5_000, 1],
      [-999, 7],
    ]);
    restorePast(store, past, 'demand');
    store.describe(DEFAULT_TENANT, [{ metric: 'm1', type: 'gauge', help: 'One.', unit: '' }]);
    await store.commit();
    const segments = disk.paths.length;
    const want = await contents(store);
    await store.chores.checkpoint();
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
    // Three days with samples: the clock is believed.
    write(store, 'd1', [[-DAY, 1]]);
    write(store, 'd2', [[-2 * DAY, 1]]);
    restorePast(store, runOf('demand', [[-300 * DAY, 1]]), 'demand');
    await store.commit();
    await store.chores.maintain(NOW + 2 * DAY);
    const kept = { d1: [[-DAY, 1]], d2: [[-2 * DAY, 1]] };
    expect(await contents(store)).toEqual({ ...kept, both: [[0, 2]], demand: [[-300 * DAY, 1]] });
    expect(store.head.seriesCount).toBe(4);
    expect(write(store, 'both', [[-14 * DAY, 5]])).toEqual([OUTCOME.tooOld]);
  });
});
