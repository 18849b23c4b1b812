import { expect, test } from 'vitest';
import { encodeLabels, labelsOf } from '../model/labels.ts';
import { DEFAULT_TENANT, parseTenant } from '../model/tenant.ts';
import { StorageFullError } from '../storage/errors.ts';
import { OUTCOME } from '../storage/write.ts';
import { CrashDisk } from '../testing/crash-disk.ts';
import { type CoreExports, loadCore } from './core.ts';
import { LabelTexts } from './label-texts.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { LiveSamples } from './live-samples.ts';
import { SampleStore } from './sample-store.ts';
import { SeriesIndex } from './series-index.ts';

const START = Date.parse('2026-08-03T10:00:00Z');
const ALL = { start: -Infinity, end: Infinity };

/** Takes all that WebAssembly can address, in ever smaller pieces. */
function fill(core: CoreExports, least: number): number[] {
  const taken: number[] = [];
  for (let bytes = 512 << 20; bytes >= least; ) {
    try {
      taken.push(core.allocate(bytes));
    } catch {
      bytes >>= 1;
    }
  }
  return taken;
}

test('series that found no room leave nothing behind', async () => {
  const core = await loadCore();
  const live = new LiveSamples(core);
  const index = new SeriesIndex(live, new LabelTexts(core));
  index.add(1, encodeLabels(labelsOf({ a: 'first', b: 'x'.repeat(2_000) })), 'raw');
  // The table of references keeps the list of its pages.
  index.remove(index.add(2_000 * 256, encodeLabels(labelsOf({ a: 'last' })), 'raw'));
  const before = { labels: core.labelSetBytes(), held: core.heldBytes() };
  const spare = Array.from({ length: 120 }, (_, i) => core.allocate(16 + 8 * i));
  const taken = fill(core, 16);
  let failed = 0;
  const add = (ref: number, bytes: Uint8Array) => {
    try {
      index.add(ref, bytes, 'raw');
    } catch (error) {
      expect(error).toBeInstanceOf(WebAssembly.RuntimeError);
      failed++;
    }
  };
  spare.forEach((address, i) => {
    core.release(address);
    // A page of references of its own; a name that nobody else has.
    add((i + 2) * 256, encodeLabels([['page', `${i}`]]));
    add(i + 2, encodeLabels([[`name${i}`.padEnd(50, 'x'), 'y'.repeat(200)]]));
    taken.push(...fill(core, 16));
  });
  expect(failed).toBeGreaterThan(100);
  const held = core.heldBytes();
  for (let i = 0; i < 10; i++) expect(() => new SeriesIndex(live, index.texts)).toThrow(WebAssembly.RuntimeError);
  expect(core.heldBytes()).toBe(held);
  for (const address of taken) core.release(address);
  for (const series of index.values()) if (series.ref !== 1) index.remove(series);
  expect({ labels: core.labelSetBytes(), held: core.heldBytes() }).toEqual(before);
});

test('a series that is too long to be read leaves the room of others theirs', async () => {
  const core = await loadCore();
  const live = new LiveSamples(core);
  const table = core.newRefTable();
  const long = live.addSeries(table, 1, 'raw');
  const short = live.addSeries(table, 2, 'raw');
  const times = Float64Array.from({ length: 20_000 }, (_, i) => i * 1_000);
  live.restoreRun(long, { times, values: times });
  live.restoreRun(short, { times: times.subarray(0, 10), values: times.subarray(0, 10) });
  expect(live.read(short, ALL).times).toHaveLength(10);
  const taken = fill(core, 16);
  expect(() => live.read(long, ALL)).toThrow(WebAssembly.RuntimeError);
  const other = core.allocate(40_000) >>> 0;
  new Uint8Array(core.memory.buffer, other, 40_000).fill(7);
  let found = 0;
  try {
    found = live.read(short, ALL).times.length;
  } catch (error) {
    expect(error).toBeInstanceOf(WebAssembly.RuntimeError);
  }
  expect(new Uint8Array(core.memory.buffer, other, 40_000).every((byte) => byte === 7)).toBe(true);
  expect([0, 10]).toContain(found);
  for (const address of taken) core.release(address);
  expect(live.read(long, ALL).times).toEqual(times);
  expect(live.read(short, ALL).times).toHaveLength(10);
});

test('the store says that it is full, and goes on once there is room', async () => {
  const core = await loadCore();
  const disk = new CrashDisk();
  const open = (own: CoreExports) =>
    SampleStore.open({
      ...{ disk: disk.boot(), core: own, folder: '/data/log', now: () => START },
      ...{ limits: DEFAULT_LIMITS, seed: 1, segmentBytes: 1 << 20 },
    });
  const labels = (i: number) => encodeLabels(labelsOf({ __name__: `m${i}`, pod: 'x'.repeat(i % 500) }));
  const refOf = (store: SampleStore, i: number) => {
    const [answer] = store.ref(DEFAULT_TENANT, [labels(i)], 'raw');
    return answer?.kind === 'ref' ? answer.ref : 0;
  };
  const stored: number[] = [];
  const left: number[] = [];
  {
    await using store = await open(core);
    refOf(store, 0);
    const taken = fill(core, 1 << 12);
    const write = (i: number) => {
      const batch = { times: Float64Array.of(START - 1_000 * i), values: Float64Array.of(i) };
      const [outcome] = store.write(DEFAULT_TENANT, { refs: Uint32Array.of(refOf(store, i)), ...batch });
      expect(outcome).toBe(OUTCOME.appended);
      stored.push(i);
    };
    for (let i = 1; i < 400; i++) {
      try {
        write(i);
      } catch (error) {
        expect(error).toBeInstanceOf(StorageFullError);
        left.push(i);
      }
    }
    expect(left.length).toBeGreaterThan(100);
    expect(() => store.ref(parseTenant('another'), [labels(1)], 'raw')).toThrow(StorageFullError);
    for (const address of taken) core.release(address);
    for (const i of left.splice(0)) write(i);
    await store.commit();
  }
  await using again = await open(await loadCore());
  const { series } = again.head.tenants.get(DEFAULT_TENANT)!;
  expect(again.recovery.orphanSamples).toBe(0);
  for (const i of stored) {
    const found = series.find(labels(i))!;
    expect([...again.head.live.read(found.slot, ALL).values]).toEqual([i]);
  }
});
