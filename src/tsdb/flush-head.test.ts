import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeLabels, labelsOf, labelValue } from '../model/labels.ts';
import { decodeSamples } from '../model/series.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../model/time.ts';
import { OUTCOME } from '../storage/write.ts';
import { CrashDisk } from '../testing/crash-disk.ts';
import { restorePast } from '../testing/crash-store.ts';
import { PROPERTY_RUNS } from '../testing/property-runs.ts';
import { sampleCodecOf } from './codec.ts';
import { loadCore } from './core.ts';
import { StoreFaults } from './faults.ts';
import { flushHead } from './flush-head.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { LiveWriter } from './live-writer.ts';
import type { FlushedSeries } from './partition-changes.ts';
import { readerOfBoth } from './partition-reader.ts';
import { readerOf } from './reader.ts';
import { SampleStore } from './sample-store.ts';

const START = Date.parse('2026-08-03T10:00:00Z');
const ALL = { start: -Infinity, end: Infinity };
const RETENTION = 2 * DAY;
const LIMITS = { ...DEFAULT_LIMITS, retentionMs: { raw: RETENTION, demand: RETENTION } };

let root: string;
let folders = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'foresail-flush-'));
});
afterAll(() => rm(root, { recursive: true }));

interface Real {
  readonly disk: CrashDisk;
  readonly folder: string;
  now: number;
  store: SampleStore;
}

async function open({ disk, folder }: Pick<Real, 'disk' | 'folder'>, now: () => number): Promise<SampleStore> {
  const partitions = { folder, dataFolder: folder };
  const options = { disk: disk.boot(), folder: '/log', partitions, now, limits: LIMITS, seed: 7, segmentBytes: 600 };
  return await SampleStore.open(options);
}

async function begin(): Promise<Real> {
  const real = { disk: new CrashDisk(), folder: join(root, String(folders++)), now: START } as Real;
  real.store = await open(real, () => real.now);
  return real;
}

function readerFor({ head, partitions }: SampleStore) {
  const inMemory = readerOf(head, () => head.tenants.get(DEFAULT_TENANT));
  return readerOfBoth(inMemory, partitions!, { tenant: DEFAULT_TENANT, floors: () => head.floorsOf(DEFAULT_TENANT) });
}

async function contents({ store }: Real, range = ALL): Promise<Record<string, readonly (readonly [number, number])[]>> {
  const all: Record<string, readonly (readonly [number, number])[]> = {};
  for (const { labels, chunks } of await readerFor(store).select([], range)) {
    const { times, values } = decodeSamples(chunks, range);
    if (times.length > 0) {
      all[labelValue(labels, '__name__')] = [...times].map((time, i) => [(time - START) / MINUTE, values[i]!] as const);
    }
  }
  return all;
}

/** A live sample of a series and time is always the same, as a sender's retries are. */
const valueAt = (time: number) => ((time - START) / MINUTE) % 7;

function write({ store }: Real, name: string, times: readonly number[]): number[] {
  const [answer] = store.ref(DEFAULT_TENANT, [encodeLabels(labelsOf({ __name__: name }))], 'raw');
  if (answer?.kind !== 'ref') throw new Error('refused');
  const batch = { refs: new Uint32Array(times.length).fill(answer.ref), times: Float64Array.from(times) };
  return [...store.write(DEFAULT_TENANT, { ...batch, values: Float64Array.from(times, valueAt) })];
}

test('old samples leave memory, silent series too, and all are found where they are', async () => {
  const real = await begin();
  await using store = real.store;
  for (let minute = 0; minute < 8 * 60; minute++) {
    real.now = START + minute * MINUTE;
    write(real, 'steady', [real.now]);
    if (minute < 30) write(real, 'silent', [real.now]);
  }
  await store.commit();
  const before = await contents(real);
  await store.chores.maintain(real.now);
  expect(store.head.samples).toBeLessThan(5 * 60);
  expect(store.head.seriesCount).toBe(2);
  await store.chores.maintain(real.now);
  expect(store.head.seriesCount).toBe(1);
  expect(await contents(real)).toEqual(before);
  expect(before).toMatchObject({ steady: { length: 480 }, silent: { length: 30 } });
  const reader = readerFor(store);
  expect(await reader.labelValues('__name__', [], ALL)).toEqual(['silent', 'steady']);
  expect(await reader.labelValues('__name__', [], { start: START + 30 * MINUTE, end: START + HOUR })).toEqual([
    'steady',
  ]);
  // It comes back under a new reference, and is one series all the same.
  expect(write(real, 'silent', [real.now])).toEqual([OUTCOME.appended]);
  await store.commit();
  expect((await contents(real))['silent']).toHaveLength(31);
});

test('what a sender that catches up writes while its series goes to disk is not let go with it', async () => {
  const real = await begin();
  await using store = real.store;
  real.now = START + 8 * HOUR;
  write(real, 'late', [START]);
  await store.commit();
  let done = false;
  const maintained = store.chores.maintain(real.now).finally(() => {
    done = true;
  });
  let written = 1;
  for (; !done; written++) {
    write(real, 'late', [START + written * SECOND]);
    await store.commit();
    await turn();
  }
  await maintained;
  expect(written).toBeGreaterThan(1);
  expect((await contents(real))['late']).toHaveLength(written);
});

test('a series comes back as one where the snapshot after its move to disk could not be written', async () => {
  const real = await begin();
  write(real, 'a', [START]);
  await real.store.commit();
  real.now = START + 8 * HOUR;
  real.disk.failingAppends = 1;
  await expect(real.store.chores.maintain(real.now)).rejects.toThrow();
  for (let pass = 0; pass < 3; pass++) {
    real.now += MINUTE;
    await real.store.chores.maintain(real.now);
  }
  write(real, 'a', [real.now]);
  await real.store.commit();
  real.disk.crash(() => 0);
  await real.store.partitions![Symbol.asyncDispose]();
  real.store = await open(real, () => real.now);
  await using store = real.store;
  write(real, 'a', [real.now + MINUTE]);
  await store.commit();
  expect(await readerFor(store).select([], { start: real.now, end: real.now + MINUTE })).toHaveLength(1);
  expect((await contents(real))['a']).toHaveLength(3);
});

test('deletes samples of a range in memory and on disk, and what a crash brings back of it', async () => {
  const real = await begin();
  for (let minute = 0; minute < 6 * 60; minute++) {
    real.now = START + minute * MINUTE;
    write(real, 'a', [real.now]);
    write(real, 'b', [real.now]);
  }
  await real.store.commit();
  await real.store.chores.maintain(real.now);
  const range = { start: START + HOUR, end: real.now - HOUR };
  const matchers = [[{ name: '__name__', op: '=', value: 'a' } as const]];
  expect(await real.store.chores.deleteSeries(DEFAULT_TENANT, matchers, range)).toBe(240);
  const left = await contents(real);
  expect(left).toMatchObject({ a: { length: 120 }, b: { length: 360 } });
  expect(await real.store.chores.deleteSeries(DEFAULT_TENANT, matchers, range)).toBe(0);
  real.disk.crash(() => 0);
  await real.store.partitions![Symbol.asyncDispose]();
  real.store = await open(real, () => real.now);
  expect(await contents(real)).toEqual(left);
  expect(write(real, 'a', [real.now + MINUTE])).toEqual([OUTCOME.appended]);
  await real.store[Symbol.asyncDispose]();
});

test('imported samples that a release before kept in memory go to disk', async () => {
  const disk = new CrashDisk();
  const now = () => START;
  const before = await SampleStore.open({
    disk: disk.boot(),
    folder: '/log',
    now,
    limits: LIMITS,
    seed: 7,
    segmentBytes: 600,
  });
  const times = Float64Array.from({ length: 90 }, (_, i) => START - (90 - i) * 30 * MINUTE);
  const run = { labels: labelsOf({ __name__: 'imported' }), times, values: times.map(valueAt) };
  restorePast(before, run);
  await before.chores.checkpoint();
  await before[Symbol.asyncDispose]();
  const real = { disk, folder: join(root, String(folders++)), now: START } as Real;
  real.store = await open(real, now);
  await using store = real.store;
  const found = await contents(real);
  expect(found['imported']).toHaveLength(90);
  await store.chores.maintain(START);
  expect(store.head.samples).toBe(0);
  expect(await contents(real)).toEqual(found);
  const again = await store.backfill(DEFAULT_TENANT, [run], 'raw');
  expect(again).toEqual({ appended: 0, duplicates: 90, conflicts: 0, outOfBounds: 0 });
});

interface Model {
  readonly live: Map<string, number>;
  readonly past: Map<string, number>;
  staged: string[];
  floor: number;
}

type Command = fc.AsyncCommand<Model, Real>;

function command(name: string, run: (model: Model, real: Real) => Promise<void>): Command {
  return { check: () => true, run, toString: () => name };
}

const keyOf = (name: string, time: number) => `${name} ${time}`;

/** Where a sample of its time is stored the outcome is certain; else it may also be too late. */
const writing = (name: string, minutes: readonly number[], shift: number) =>
  command(`write ${name} ${minutes} + ${shift}`, async (model, { store, now }) => {
    const times = Float64Array.from(minutes, (minute) => now + minute * MINUTE);
    const values = times.map((time) => valueAt(time) + shift);
    const [answer] = store.ref(DEFAULT_TENANT, [encodeLabels(labelsOf({ __name__: name }))], 'raw');
    if (answer?.kind !== 'ref') throw new Error('refused');
    const writer = new LiveWriter(store, store.partitions!);
    const outcomes = await writer.write(DEFAULT_TENANT, {
      refs: new Uint32Array(times.length).fill(answer.ref),
      times,
      values,
    });
    times.forEach((time, i) => {
      const key = keyOf(name, time);
      const stored = time < model.floor ? undefined : model.live.get(key);
      if (stored !== undefined) {
        expect(outcomes[i]).toBe(stored === values[i] ? OUTCOME.duplicate : OUTCOME.conflict);
      } else if (outcomes[i] === OUTCOME.appended) {
        model.live.set(key, values[i]!);
        model.staged.push(key);
      } else expect([OUTCOME.outOfOrder, OUTCOME.tooOld]).toContain(outcomes[i]);
    });
    await sameAs(model, { store } as Real);
  });

const deleting = (name: string, from: number, to: number) =>
  command(`delete ${name} ${from} to ${to}`, async (model, real) => {
    const range = { start: real.now + from * MINUTE, end: real.now + to * MINUTE };
    const matchers = [[{ name: '__name__', op: '=', value: name } as const]];
    await real.store.chores.deleteSeries(DEFAULT_TENANT, matchers, range);
    model.staged = [];
    for (const layer of [model.live, model.past]) {
      for (const key of layer.keys()) {
        const [of, time] = key.split(' ') as [string, string];
        if (of === name && Number(time) >= range.start && Number(time) <= range.end) layer.delete(key);
      }
    }
    await sameAs(model, real);
  });

const committing = command('commit', async (model, real) => {
  await real.store.commit();
  model.staged = [];
  await sameAs(model, real);
});

const importing = (name: string, minutes: readonly number[], shift: number) =>
  command(`import ${name} ${minutes} + ${shift}`, async (model, real) => {
    const times = Float64Array.from(minutes, (minute) => real.now + minute * MINUTE);
    const run = { labels: labelsOf({ __name__: name }), times, values: times.map((time) => valueAt(time) + shift) };
    const { appended } = await real.store.backfill(DEFAULT_TENANT, [run], 'raw');
    model.staged = [];
    let want = 0;
    for (const time of times) {
      const key = keyOf(name, time);
      const isOld = time < Math.max(model.floor, real.now - RETENTION);
      if (isOld || model.live.has(key) || model.past.has(key)) continue;
      model.past.set(key, valueAt(time) + shift);
      want++;
    }
    expect(appended).toBe(want);
    await sameAs(model, real);
  });

const advancing = (minutes: number) =>
  command(`${minutes} minutes later`, async (model, real) => {
    // A checkpoint would commit as well, where one is due.
    await real.store.commit();
    model.staged = [];
    real.now += minutes * MINUTE;
    await real.store.chores.maintain(real.now);
    model.floor = Math.max(model.floor, real.store.head.floorsOf(DEFAULT_TENANT).raw);
    await sameAs(model, real);
  });

/** @param keep What of each file survives, and of each name that is not durable: in turn. */
const crashing = (turns: number, keep: readonly number[] | 'page cache') =>
  command(`crash ${turns} turns into maintenance, keeping ${keep}`, async (model, real) => {
    let asked = 0;
    real.now += 2 * HOUR;
    const ended = real.store.chores.maintain(real.now).catch(() => undefined);
    for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
    if (keep === 'page cache') real.disk.kill();
    else real.disk.crash(() => keep[asked++ % keep.length]!);
    await ended;
    await real.store.partitions![Symbol.asyncDispose]();
    real.store = await open(real, () => real.now);
    expect(real.store.recovery).toMatchObject({ damagedBytes: 0, orphanSamples: 0 });
    model.floor = Math.max(model.floor, real.store.head.floorsOf(DEFAULT_TENANT).raw);
    const found = await contents(real);
    for (const key of model.staged) {
      const [name, time] = key.split(' ') as [string, string];
      const survived = found[name]?.some(([minute, value]) => {
        return minute === (Number(time) - START) / MINUTE && value === model.live.get(key);
      });
      if (survived !== true) model.live.delete(key);
    }
    model.staged = [];
    await sameAs(model, real);
  });

async function sameAs(model: Model, real: Real): Promise<void> {
  const visible = new Map(model.past);
  for (const [key, value] of model.live) if (!model.staged.includes(key)) visible.set(key, value);
  const want: Record<string, [number, number][]> = {};
  for (const [key, value] of visible) {
    const [name, time] = key.split(' ') as [string, string];
    if (Number(time) < model.floor) continue;
    want[name] ??= [];
    want[name].push([(Number(time) - START) / MINUTE, value]);
  }
  for (const samples of Object.values(want)) samples.sort(([a], [b]) => a - b);
  const found = await contents(real, { start: model.floor, end: Infinity });
  expect(found).toEqual(want);
}

const name = fc.constantFrom('a', 'b');
const minutes = (min: number, max: number) =>
  fc.uniqueArray(fc.integer({ min, max }), { minLength: 1, maxLength: 6 }).map((all) => all.sort((x, y) => x - y));

test('a store with partitions behaves as its model, whatever is written, imported, flushed and crashed', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.commands(
        [
          fc.tuple(name, minutes(-9, 0), fc.constantFrom(0, 0, 0, 1)).map((args) => writing(...args)),
          fc.tuple(name, minutes(-9, 0), fc.constantFrom(0, 0, 0, 1)).map((args) => writing(...args)),
          fc.tuple(name, minutes(-400, 0), fc.constantFrom(0, 0, 0, 1)).map((args) => writing(...args)),
          fc.tuple(name, fc.integer({ min: -3_000, max: 0 }), fc.nat(900)).map(([of, from, length]) => {
            return deleting(of, from, from + length);
          }),
          fc.constant(committing),
          fc.tuple(name, minutes(-3_000, 0), fc.nat(1)).map((args) => importing(...args)),
          fc.constantFrom(1, 60, 130, 1_440).map(advancing),
          fc.tuple(fc.nat(30), fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1 })).map((args) => {
            return crashing(...args);
          }),
          fc.nat(30).map((turns) => crashing(turns, 'page cache')),
        ],
        { maxCommands: 16 },
      ),
      async (commands) => {
        const real = await begin();
        try {
          const model = { live: new Map(), past: new Map(), staged: [], floor: START - RETENTION };
          await fc.asyncModelRun(() => ({ model, real }), commands);
        } finally {
          await real.store[Symbol.asyncDispose]();
        }
      },
    ),
    { numRuns: PROPERTY_RUNS / 4 },
  );
});

test('what was written to disk is not held in memory until all is', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  await using store = (await begin()).store;
  const refs = store.ref(
    DEFAULT_TENANT,
    Array.from({ length: 300 }, (_, i) => encodeLabels(labelsOf({ __name__: `m${i}` }))),
    'raw',
  );
  store.write(DEFAULT_TENANT, {
    refs: Uint32Array.from(refs, (answer) => (answer.kind === 'ref' ? answer.ref : 0)),
    times: new Float64Array(300).fill(START),
    values: new Float64Array(300),
  });
  await store.commit();
  const seen: WeakRef<FlushedSeries>[] = [];
  let held = 0;
  const partitions = {
    async flush(all: Iterable<FlushedSeries> | AsyncIterable<FlushedSeries>) {
      for await (const series of all) seen.push(new WeakRef(series));
      await turn();
      collect();
      held = seen.filter((each) => each.deref() !== undefined).length;
      return new Set<FlushedSeries>();
    },
  };
  const codec = {
    ...sampleCodecOf(await loadCore()),
    encode: () => new Uint8Array(1),
    decode: () => ({ times: new Float64Array(), values: new Float64Array() }),
  };
  const { moved } = await flushHead({ head: store.head, partitions, codec, faults: new StoreFaults() }, START + 1);
  expect([seen.length, moved]).toEqual([300, 300]);
  expect(held).toBeLessThan(10);
});
