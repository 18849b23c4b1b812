import { describe, expect, test } from 'vitest';
import { encodeLabels, formatLabels, labelsOf, NO_LABELS } from '../model/labels.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { DAY, MINUTE } from '../model/time.ts';
import { OUTCOME } from '../storage/write.ts';
import { CrashDisk } from '../testing/crash-disk.ts';
import { attachmentReaderOf } from './attachment-reader.ts';
import { DEFAULT_LIMITS, type TsdbLimits } from './limits.ts';
import { readerOf } from './reader.ts';
import { SampleStore } from './sample-store.ts';

const NOW = Date.parse('2026-08-03T10:00:00Z');
const ALL = { start: -Infinity, end: Infinity };
const NAMED_M = [{ name: '__name__', op: '=', value: 'm' }] as const;

async function openStore(disk = new CrashDisk(), limits: Partial<TsdbLimits> = {}, now = () => NOW) {
  return await SampleStore.open({
    disk: disk.boot(),
    folder: '/log',
    now,
    limits: { ...DEFAULT_LIMITS, ...limits },
    seed: 1,
    segmentBytes: 4_096,
  });
}

function refOf(store: SampleStore, name = 'm'): number {
  const [answer] = store.ref(DEFAULT_TENANT, [encodeLabels(labelsOf({ __name__: name }))], 'raw');
  if (answer?.kind !== 'ref') throw new Error('refused');
  return answer.ref;
}

function exemplar(store: SampleStore, time: number, value: number, traceId = '') {
  const labels = traceId === '' ? NO_LABELS : labelsOf({ trace_id: traceId });
  const exemplars = [{ ref: refOf(store), time: NOW + time, value, labels }];
  return store.attach(DEFAULT_TENANT, { exemplars, histograms: [] }).exemplars[0];
}

function histogram(store: SampleStore, time: number, bytes: readonly number[], start = 0) {
  const histograms = [{ ref: refOf(store), time: NOW + time, start, bytes: Uint8Array.from(bytes) }];
  return store.attach(DEFAULT_TENANT, { exemplars: [], histograms }).histograms[0];
}

function sample(store: SampleStore, time: number, start?: number) {
  const column = start === undefined ? {} : { starts: Float64Array.of(start) };
  const batch = { refs: Uint32Array.of(refOf(store)), times: Float64Array.of(NOW + time), values: Float64Array.of(1) };
  return store.write(DEFAULT_TENANT, { ...batch, ...column })[0];
}

/** Everything readable of `m`, times relative to NOW. */
async function contents(store: SampleStore) {
  const tenant = () => store.head.tenants.get(DEFAULT_TENANT);
  const reader = attachmentReaderOf(store.head, tenant);
  const [exemplars] = await reader.exemplars([NAMED_M, []], ALL);
  const [histograms] = await reader.histograms(NAMED_M, ALL);
  const [starts] = await reader.starts(NAMED_M, ALL);
  return {
    exemplars: exemplars?.exemplars.map(({ time, value, labels }) => [time - NOW, value, formatLabels(labels)]) ?? [],
    histograms: histograms?.histograms.map(({ time, start, bytes }) => [time - NOW, start, [...bytes]]) ?? [],
    starts: [...(starts?.times ?? [])].map((time, i) => [time - NOW, starts!.starts[i]]),
  };
}

describe('exemplars', () => {
  test.each([
    { name: 'again', next: [-5, 1, 'a'], want: OUTCOME.duplicate },
    { name: 'the same time with another id', next: [-5, 1, 'b'], want: OUTCOME.appended },
    { name: 'the same time without labels', next: [-5, 1, ''], want: OUTCOME.appended },
    { name: 'another value', next: [-5, 2, 'a'], want: OUTCOME.conflict },
    { name: 'late within the window', next: [-5 - 10 * MINUTE, 1, 'c'], want: OUTCOME.appended },
    { name: 'later than the window', next: [-6 - 10 * MINUTE, 1, 'c'], want: OUTCOME.outOfOrder },
    { name: 'before the retention', next: [-15 * DAY - 1, 1, 'c'], want: OUTCOME.tooOld },
    { name: 'too far ahead', next: [10 * MINUTE + 1, 1, 'c'], want: OUTCOME.tooFarInFuture },
    { name: 'with labels without end', next: [-4, 1, 'x'.repeat(5_000)], want: OUTCOME.tooLong },
  ] as const)('$name', async ({ next, want }) => {
    await using store = await openStore();
    expect(exemplar(store, -5, 1, 'a')).toBe(OUTCOME.appended);
    const [time, value, id] = next;
    expect(exemplar(store, time, value, id)).toBe(want);
    expect((await contents(store)).exemplars).toEqual([]);
    await store.commit();
    expect((await contents(store)).exemplars).toHaveLength(want === OUTCOME.appended ? 2 : 1);
  });

  test('are kept in a ring: the oldest to arrive goes, and recovery keeps as many', async () => {
    const disk = new CrashDisk();
    const store = await openStore(disk, { maxExemplarsPerTenant: 2 });
    for (const [time, id] of [[-3, 'a'] as const, [-5, 'b'] as const, [-4, 'c'] as const]) exemplar(store, time, 1, id);
    await store.commit();
    const kept = [
      [-5, 1, '{trace_id="b"}'],
      [-4, 1, '{trace_id="c"}'],
    ];
    expect((await contents(store)).exemplars).toEqual(kept);
    disk.crash(() => 0);
    await using reopened = await openStore(disk, { maxExemplarsPerTenant: 2 });
    expect((await contents(reopened)).exemplars).toEqual(kept);
  });
});

describe('histograms', () => {
  test.each([
    { name: 'again', next: [-5, [1, 2]], want: OUTCOME.duplicate },
    { name: 'other buckets', next: [-5, [1, 3]], want: OUTCOME.conflict },
    { name: 'late within the window', next: [-10 * MINUTE, [9]], want: OUTCOME.appended },
    { name: 'later than the window', next: [-6 - 10 * MINUTE, [9]], want: OUTCOME.outOfOrder },
    { name: 'without end', next: [-4, new Array(2 << 20).fill(0)], want: OUTCOME.tooLong },
  ] as const)('$name', async ({ next, want }) => {
    await using store = await openStore();
    expect(histogram(store, -5, [1, 2], 7)).toBe(OUTCOME.appended);
    const [time, bytes] = next;
    expect(histogram(store, time, bytes)).toBe(want);
    await store.commit();
    expect((await contents(store)).histograms).toContainEqual([-5, 7, [1, 2]]);
  });

  test('count against memory, and are refused beyond its bound until older ones go', async () => {
    let now = NOW;
    await using store = await openStore(new CrashDisk(), { maxAttachedBytes: 1_300 }, () => now);
    for (let i = 0; i < 4; i++) expect(histogram(store, i - 20, new Array(100).fill(i))).toBe(OUTCOME.appended);
    expect(histogram(store, -10, [1])).toBe(OUTCOME.full);
    expect(sample(store, -9, 5)).toBe(OUTCOME.full);
    await store.commit();
    now += 15 * DAY - 18;
    await store.chores.maintain(now);
    expect((await contents(store)).histograms).toHaveLength(2);
    now -= DAY;
    expect(histogram(store, -10, [1])).toBe(OUTCOME.appended);
    await store.commit();
    now += 20 * DAY;
    await store.chores.maintain(now);
    expect(store.head.attached.held).toBe(0);
    expect(store.head.seriesCount).toBe(0);
  });

  test('keep a series findable that has no float samples', async () => {
    await using store = await openStore();
    histogram(store, -5, [1]);
    await store.commit();
    await store.chores.maintain(NOW);
    const reader = readerOf(store.head, () => store.head.tenants.get(DEFAULT_TENANT));
    expect(await reader.series([], ALL)).toEqual([labelsOf({ __name__: 'm' })]);
    expect(await reader.series([], { start: NOW, end: NOW })).toEqual([]);
  });

  test('of references that are gone are told', async () => {
    await using store = await openStore();
    const histograms = [{ ref: 9, time: NOW, start: 0, bytes: new Uint8Array() }];
    expect([...store.attach(DEFAULT_TENANT, { exemplars: [], histograms }).histograms]).toEqual([OUTCOME.gone]);
    refOf(store);
    expect([...store.attach(DEFAULT_TENANT, { exemplars: [], histograms }).histograms]).toEqual([OUTCOME.gone]);
  });
});

describe('start times', () => {
  test('are stored where they change', async () => {
    await using store = await openStore();
    for (const [time, start] of [[-50, 1] as const, [-40, 1] as const, [-30, 2] as const, [-20, 2] as const]) {
      sample(store, time, start);
    }
    sample(store, -10);
    await store.commit();
    expect((await contents(store)).starts).toEqual([
      [-50, 1],
      [-30, 2],
      [-10, 0],
    ]);
    const reader = attachmentReaderOf(store.head, () => store.head.tenants.get(DEFAULT_TENANT));
    const [within] = await reader.starts(NAMED_M, { start: NOW - 25, end: NOW - 11 });
    expect([...within!.starts]).toEqual([2]);
  });

  test('of a late sample leave those around it as they were', async () => {
    await using store = await openStore();
    sample(store, -50, 1);
    sample(store, -30, 1);
    sample(store, -40, 9);
    await store.commit();
    expect((await contents(store)).starts).toEqual([
      [-50, 1],
      [-40, 9],
      [-39, 1],
    ]);
  });
});

test('all of it survives a crash, from the log as from a snapshot', async () => {
  const disk = new CrashDisk();
  let store = await openStore(disk);
  const write = (time: number) => {
    sample(store, time, time + NOW);
    exemplar(store, time, time, String(time));
    histogram(store, time, [1, time & 0xff], 3);
  };
  write(-30);
  await store.commit();
  await store.chores.checkpoint();
  write(-20);
  await store.commit();
  const before = await contents(store);
  expect(before).toMatchObject({ exemplars: { length: 2 }, histograms: { length: 2 }, starts: { length: 2 } });
  write(-10);
  disk.crash(() => 0);
  store = await openStore(disk);
  expect(store.recovery).toMatchObject({ damagedBytes: 0, orphanSamples: 0, unknownRecords: 0 });
  expect(await contents(store)).toEqual(before);
  // A retry after the crash is a success, and of what was not acknowledged too.
  expect(exemplar(store, -20, -20, '-20')).toBe(OUTCOME.duplicate);
  expect(histogram(store, -20, [1, -20 & 0xff], 3)).toBe(OUTCOME.duplicate);
  expect(histogram(store, -10, [1, -10 & 0xff], 3)).toBe(OUTCOME.appended);
  await store[Symbol.asyncDispose]();
});
