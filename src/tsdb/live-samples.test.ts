import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Chunk } from '../model/series.ts';
import type { TimeRange } from '../model/time.ts';
import { OUTCOME } from '../storage/write.ts';
import { PROPERTY_RUNS } from '../testing/property-runs.ts';
import { decodeSampleBytes } from './codec.ts';
import { type CoreExports, loadCore } from './core.ts';
import { APPENDED_LATE, BatchColumns, LiveSamples } from './live-samples.ts';

const WINDOW = 600_000;
const BOUNDS = {
  latest: 1e9,
  oldest: { raw: -1e9, demand: -1e9 },
  outOfOrderMs: WINDOW,
  mostBytes: 1e9,
};
const ALL = { start: -Infinity, end: Infinity };

let core: CoreExports;
beforeAll(async () => {
  core = await loadCore();
});

function append(live: LiveSamples, table: number, ref: number, samples: readonly (readonly [number, number])[]) {
  const batch = {
    refs: new Uint32Array(samples.length).fill(ref),
    times: Float64Array.from(samples, ([time]) => time),
    values: Float64Array.from(samples, ([, value]) => value),
  };
  const columns = new BatchColumns(batch, live.core.memory, false);
  const { outcomes, record, count, failure } = live.append(table, columns, 0, samples.length, BOUNDS);
  return { outcomes: [...outcomes], record: record.slice(), count, failure };
}

function contents(live: LiveSamples, slot: number, range = ALL): [number, number][] {
  const { times, values } = live.read(slot, range);
  return [...times].map((time, i) => [time, values[i]!]);
}

function many(live: LiveSamples, table: number, refs: readonly number[], range: TimeRange, newestAlone: boolean) {
  const floors = { raw: -Infinity, demand: -Infinity };
  const read: (Chunk | undefined)[] = [];
  while (read.length < refs.length) {
    live.readMany(table, Uint32Array.from(refs), read.length, { range, floors, newestAlone }, read);
  }
  return read.map((samples) => [...(samples?.times ?? [])].map((time, i) => [time, samples!.values[i]!]));
}

/** A series as a table of samples, and what of it waits. */
class Model {
  readonly stored = new Map<number, number>();
  readonly waiting = new Set<number>();
  newest = -Infinity;

  append(time: number, value: number): number {
    const known = this.stored.get(time);
    if (known !== undefined) return known === value ? OUTCOME.duplicate : OUTCOME.conflict;
    if (time < this.newest - WINDOW) return OUTCOME.outOfOrder;
    const outcome = time > this.newest ? OUTCOME.appended : APPENDED_LATE;
    this.stored.set(time, value);
    this.waiting.add(time);
    this.newest = Math.max(this.newest, time);
    return outcome;
  }

  visible({ start, end } = ALL): [number, number][] {
    return [...this.stored]
      .filter(([time]) => !this.waiting.has(time) && time >= start && time <= end)
      .sort(([a], [b]) => a - b);
  }
}

describe('a series', () => {
  const burst = fc.record({
    kind: fc.constant('burst' as const),
    count: fc.integer({ min: 1, max: 90 }),
    step: fc.constantFrom(1, 1_000, 15_000, 400_000),
  });
  const late = fc.record({
    kind: fc.constant('late' as const),
    behind: fc.array(fc.nat(WINDOW + 50_000), { minLength: 1, maxLength: 40 }),
  });
  const again = fc.record({ kind: fc.constant('again' as const), at: fc.nat() });
  const publish = fc.record({ kind: fc.constant('publish' as const) });
  const drop = fc.record({ kind: fc.constant('drop' as const), share: fc.double({ min: 0, max: 1.1, noNaN: true }) });
  const seal = fc.record({ kind: fc.constant('seal' as const) });
  const closed = fc.record({ kind: fc.constant('closed' as const), take: fc.nat(3) });
  const steps = fc.array(
    fc.oneof(
      { weight: 5, arbitrary: burst },
      { weight: 3, arbitrary: late },
      { weight: 3, arbitrary: publish },
      again,
      drop,
      seal,
      closed,
    ),
    { maxLength: 40 },
  );

  test('behaves as a table of samples, in chunks or not, and is restored from its records', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const live = new LiveSamples(core);
        const table = core.newRefTable();
        const slot = live.addSeries(table, 300, 'raw');
        const copy = live.addSeries(table, 301, 'raw');
        const model = new Model();
        const heldBefore = core.liveSamples();
        let restorable = true;
        const write = (samples: readonly (readonly [number, number])[]) => {
          const want = samples.map(([time, value]) => model.append(time, value));
          const { outcomes, record, count } = append(live, table, 300, samples);
          expect(outcomes).toEqual(want);
          // The same record for the other series: the first sample's change of reference is by one more.
          if (count > 0) {
            const moved = record.slice();
            const at = 1;
            expect(moved[at]).toBe((600 & 0x7f) | 0x80);
            moved[at] = (602 & 0x7f) | 0x80;
            expect(live.restoreRecord(table, moved, count)).toBe(0);
          }
        };
        for (const step of all) {
          switch (step.kind) {
            case 'burst': {
              const from = model.newest === -Infinity ? 0 : model.newest;
              write(Array.from({ length: step.count }, (_, i) => [from + (i + 1) * step.step, i % 7]));
              break;
            }
            case 'late':
              if (model.newest !== -Infinity) write(step.behind.map((ms, i) => [model.newest - ms, i % 3]));
              break;
            case 'again': {
              const times = [...model.stored.keys()];
              const time = times[step.at % times.length];
              if (time !== undefined)
                write([
                  [time, model.stored.get(time)!],
                  [time, 1e6],
                ]);
              break;
            }
            case 'publish':
              live.takeStaged()();
              model.waiting.clear();
              break;
            case 'drop': {
              // Nothing waits, so that what is dropped is what ends before the floor.
              live.takeStaged()();
              model.waiting.clear();
              const floor = model.newest * step.share;
              core.dropBefore(slot, floor);
              const kept = contents(live, slot);
              expect(kept.filter(([time]) => time >= floor)).toEqual(model.visible({ start: floor, end: Infinity }));
              for (const time of [...model.stored.keys()])
                if (!kept.some(([t]) => t === time)) model.stored.delete(time);
              restorable = false;
              break;
            }
            case 'seal':
              core.sealSeries(slot);
              break;
            case 'closed': {
              const chunks = live.closedChunks(slot);
              const visible = model.visible();
              const samples = chunks.flatMap(({ bytes }) => {
                const { times, values } = decodeSampleBytes(core, bytes);
                return [...times].map((time, i) => [time, values[i]!]);
              });
              expect(samples).toEqual(visible.slice(0, samples.length));
              const count = Math.min(step.take, chunks.length);
              const gone = core.dropChunks(slot, count);
              for (const [time] of visible.slice(0, gone)) model.stored.delete(time);
              if (gone > 0) restorable = false;
              break;
            }
          }
          expect(contents(live, slot)).toEqual(model.visible());
          const middle = { start: model.newest * 0.3, end: model.newest * 0.8 };
          expect(contents(live, slot, middle)).toEqual(model.visible(middle));
          for (const range of [middle, ALL, { start: model.newest * 0.9, end: Infinity }]) {
            const visible = model.visible(range);
            expect(live.hasSampleIn(slot, range)).toBe(visible.length > 0);
            expect(many(live, table, [299, 300, 301], range, false)[1]).toEqual(visible);
            expect(many(live, table, [301, 300], range, true)[1]).toEqual(visible.slice(-1));
          }
        }
        live.takeStaged()();
        model.waiting.clear();
        expect(contents(live, slot)).toEqual(model.visible());
        if (restorable) expect(contents(live, copy)).toEqual(model.visible());
        live.removeSeries(table, 300, slot);
        live.removeSeries(table, 301, copy);
        expect(core.liveSamples()).toBe(heldBefore);
      }),
      { numRuns: PROPERTY_RUNS },
    );
  });

  test('gives back all memory that it took', () => {
    const live = new LiveSamples(core);
    const table = core.newRefTable();
    const before = core.heldBytes();
    const slots = Array.from({ length: 300 }, (_, i) => live.addSeries(table, i * 100 + 1, 'raw'));
    slots.forEach((slot, i) => {
      const times = Float64Array.from({ length: i * 3 }, (_, k) => k * 1_000);
      live.restoreRun(slot, { times, values: times });
    });
    slots.forEach((slot, i) => {
      live.removeSeries(table, i * 100 + 1, slot);
    });
    // The directory of the table's pages stays: four bytes for 256 references.
    expect(core.heldBytes() - before).toBeLessThan(1_000);
  });
});

describe('records', () => {
  test.each([
    { name: 'whole milliseconds', times: [0, 15_000, 30_000, 30_001, 1e12] },
    { name: 'fractions and times before 1970', times: [-5e11, -0.5, 0.25, 1 / 3, 7] },
  ])('keep $name, references in any order, and the bits of values', ({ times }) => {
    const live = new LiveSamples(core);
    const table = core.newRefTable();
    const refs = [5, 6, 4_000_000_000, 1, 700];
    for (const ref of refs) live.addSeries(table, ref, 'raw');
    const bits = BigUint64Array.of(
      0x7ff0000000000002n,
      0n,
      0x8000000000000000n,
      0x3ff0000000000000n,
      0xfff8000000000123n,
    );
    const batch = {
      refs: Uint32Array.from(refs),
      times: Float64Array.from(times),
      values: new Float64Array(bits.buffer),
    };
    const bounds = { ...BOUNDS, latest: Infinity, oldest: { raw: -Infinity, demand: -Infinity } };
    const columns = new BatchColumns(batch, core.memory, false);
    const { record: inMemory, count } = live.append(table, columns, 0, 5, bounds);
    const record = inMemory.slice();
    live.takeStaged()();
    const other = core.newRefTable();
    const slots = refs.map((ref) => live.addSeries(other, ref, 'raw'));
    expect(live.restoreRecord(other, record.slice(), count)).toBe(0);
    slots.forEach((slot, i) => {
      const read = live.read(slot, ALL);
      expect([...read.times]).toEqual([times[i]]);
      expect(new BigUint64Array(read.values.buffer)[0]).toBe(bits[i]);
    });
    const bytes = Uint8Array.of(...record);
    expect(live.restoreRecord(other, bytes.subarray(0, bytes.length - 1), count)).toBe(count);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(1_000), (damaged, claimed) => {
        expect(live.restoreRecord(core.newRefTable(), damaged, claimed)).toBe(claimed);
      }),
      { numRuns: PROPERTY_RUNS },
    );
  });

  test('take ten bytes a sample at most on scrapes, and less for small numbers', () => {
    const live = new LiveSamples(core);
    const table = core.newRefTable();
    for (let ref = 1; ref <= 1_000; ref++) live.addSeries(table, ref, 'raw');
    const recordOf = (value: (i: number) => number) => {
      const batch = {
        refs: Uint32Array.from({ length: 1_000 }, (_, i) => i + 1),
        times: new Float64Array(1_000).fill(++clock),
        values: Float64Array.from({ length: 1_000 }, (_, i) => value(i)),
      };
      return live.append(table, new BatchColumns(batch, core.memory, false), 0, 1_000, BOUNDS).record.length / 1_000;
    };
    let clock = 0;
    expect(recordOf(() => 1)).toBeLessThan(3.1);
    expect(recordOf((i) => i)).toBeLessThan(4);
    expect(recordOf((i) => Math.sqrt(i))).toBeLessThan(9.1);
    live.takeStaged()();
  });
});

test('what is beyond 2 GiB is read as it is', async () => {
  const large = await loadCore();
  // Nothing of it is touched: it takes no memory of the machine.
  for (let i = 0; i < 3; i++) large.allocate(1_000 << 20);
  const live = new LiveSamples(large);
  const table = large.newRefTable();
  const slot = live.addSeries(table, 1, 'raw');
  const samples = Array.from({ length: 300 }, (_, i): [number, number] => [i * 15_000, i % 7]);
  const { record } = append(live, table, 1, samples);
  live.takeStaged()();
  expect(slot >>> 0).toBeGreaterThan(2 ** 31);
  expect(contents(live, slot)).toEqual(samples);
  const closed = live.closedChunks(slot).flatMap(({ bytes }) => [...decodeSampleBytes(large, bytes).times]);
  expect(closed).toEqual(samples.slice(0, closed.length).map(([time]) => time));
  expect(closed.length).toBeGreaterThan(0);
  const again = live.addSeries(table, 2, 'raw');
  expect(live.restoreRecord(table, record, samples.length)).toBe(0);
  expect(contents(live, again)).toEqual([]);
  expect(live.bytes).toBeGreaterThan(0);
});

test('a request for which there is no memory leaves none that is not its own to the next', () => {
  let most = 1 << 20;
  const bounded = (bytes: number) => {
    if (bytes > most) throw new WebAssembly.RuntimeError('unreachable');
    return core.allocate(bytes);
  };
  const live = new LiveSamples({ ...core, allocate: bounded });
  const table = core.newRefTable();
  live.addSeries(table, 1, 'raw');
  append(live, table, 1, [[1, 1]]);
  most = 0;
  const many = Array.from({ length: 10_000 }, (_, i): [number, number] => [2 + i, 1]);
  expect(() => append(live, table, 1, many)).toThrow(WebAssembly.RuntimeError);
  // Not at address 0.
  expect(() => append(live, table, 1, [[2, 1]])).toThrow(WebAssembly.RuntimeError);
  most = 1 << 20;
  expect(append(live, table, 1, [[2, 1]]).outcomes).toEqual([OUTCOME.appended]);
});

test('a late sample is found where the newest one has left memory', () => {
  const live = new LiveSamples(core);
  const table = core.newRefTable();
  const slot = live.addSeries(table, 1, 'raw');
  append(live, table, 1, [[500_000, 1]]);
  live.takeStaged()();
  expect(core.dropBefore(slot, 500_001)).toBe(1);
  append(live, table, 1, [[300_000, 2]]);
  live.takeStaged()();
  expect(contents(live, slot)).toEqual([[300_000, 2]]);
  expect(live.hasSampleIn(slot, { start: 400_000, end: 600_000 })).toBe(false);
  expect(many(live, table, [1], { start: 0, end: 600_000 }, true)).toEqual([[[300_000, 2]]]);
});

test('many series for which there is no memory leave what is held as it is', async () => {
  const own = await loadCore();
  const live = new LiveSamples(own);
  const table = own.newRefTable();
  const slot = live.addSeries(table, 1, 'raw');
  const samples = Array.from({ length: 50 }, (_, i): [number, number] => [i * 1_000, i]);
  append(live, table, 1, samples);
  live.takeStaged()();
  expect(contents(live, slot)).toEqual(samples);
  const taken: number[] = [];
  // Room for one of the two columns that are read into, and a little more.
  const spare = own.allocate((256 << 10) + (16 << 10));
  for (let size = 512 << 20; size > 4_096; ) {
    try {
      taken.push(own.allocate(size));
    } catch {
      size >>>= 1;
    }
  }
  own.release(spare);
  const low = () => new Uint8Array(own.memory.buffer, 0, 1_024).slice();
  const before = low();
  for (let i = 0; i < 2; i++) {
    try {
      many(live, table, [1], ALL, false);
    } catch (error) {
      expect(error).toBeInstanceOf(WebAssembly.RuntimeError);
    }
  }
  expect(low()).toEqual(before);
  for (const address of taken) own.release(address);
  expect(many(live, table, [1], ALL, false)).toEqual([samples]);
});

test('where memory is used up, what is held is what the record has', async () => {
  const own = await loadCore();
  const live = new LiveSamples(own);
  const table = own.newRefTable();
  const slot = live.addSeries(table, 1, 'raw');
  const other = new LiveSamples(core);
  const copies = core.newRefTable();
  const copy = other.addSeries(copies, 1, 'raw');
  const batch = (round: number) =>
    Array.from({ length: 5_000 }, (_, i) => [(round * 5_000 + i) * 1_000, Math.sin(i)] as const);
  const first = append(live, table, 1, batch(0));
  other.restoreRecord(copies, first.record, first.count);
  live.takeStaged()();
  for (let size = 512 << 20; size > 256; ) {
    try {
      own.allocate(size);
    } catch {
      size >>>= 1;
    }
  }
  let failed: ReturnType<typeof append> | undefined;
  for (let i = 1; i < 100 && failed === undefined; i++) {
    const each = append(live, table, 1, batch(i));
    expect(other.restoreRecord(copies, each.record, each.count)).toBe(0);
    if (each.failure !== undefined) failed = each;
  }
  expect(failed?.failure?.error).toBeInstanceOf(WebAssembly.RuntimeError);
  live.takeStaged()();
  expect([own.countIn(slot), own.unsyncedIn(slot)]).toEqual([core.countIn(copy), 0]);
});
