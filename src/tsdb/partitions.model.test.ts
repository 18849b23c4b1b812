import { cp, mkdtemp, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { encodeLabels, labelsOf, labelValue } from '../model/labels.ts';
import type { Matcher } from '../model/matcher.ts';
import type { Samples } from '../model/series.ts';
import { DEFAULT_TENANT, parseTenant } from '../model/tenant.ts';
import { DAY, HOUR, type TimeRange } from '../model/time.ts';
import type { RetentionClass } from '../storage/write.ts';
import { PROPERTY_RUNS } from '../testing/property-runs.ts';
import { sampleCodecOf } from './codec.ts';
import { loadCore } from './core.ts';
import { Expiry } from './expire.ts';
import { StoreFaults } from './faults.ts';
import { encodeChunks, type SampleCodec } from './partition-chunk.ts';
import { dayOf, formatPartitionName } from './partition-key.ts';
import { Partitions } from './partitions.ts';

const START = Date.parse('2026-08-03T00:00:00Z');
const ALL = { start: -Infinity, end: Infinity };
const OPEN = { raw: -Infinity, demand: -Infinity };
const OTHER = parseTenant('other');

let codec: SampleCodec;
let root: string;
beforeAll(async () => {
  const core = await loadCore();
  codec = sampleCodecOf(core);
  root = await mkdtemp(join(tmpdir(), 'foresail-partitions-'));
});
afterAll(() => rm(root, { recursive: true }));

type Layers = { readonly live: Map<number, number>; readonly past: Map<number, number> };

/** What the partitions must hold, by retention and series. */
type Model = Map<string, Layers>;

interface Real {
  folder: string;
  store: Partitions;
}

function command(name: string, run: (model: Model, real: Real) => Promise<void>): fc.AsyncCommand<Model, Real> {
  return { check: () => true, run, toString: () => name };
}

const faults = new StoreFaults();
let folders = 0;
const open = (folder: string) => Partitions.open({ folder, dataFolder: folder, seed: 7, codec });
const nextFolder = () => join(root, String(folders++));
const labelsFor = (name: string) => labelsOf({ __name__: name, job: name === 'c' ? 'y' : 'x' });

function layersIn(model: Model, retention: RetentionClass, name: string): Layers {
  const key = `${retention} ${name}`;
  const layers = model.get(key) ?? { live: new Map(), past: new Map() };
  model.set(key, layers);
  return layers;
}

/** A sample of a series and time is always the same, as live samples are. */
const valueAt = (time: number) => (time / 1_000) % 1_000;

function samplesAt(hours: readonly number[], valueFor: (time: number) => number): Samples {
  const times = Float64Array.from(hours, (hour) => START + hour * HOUR);
  return { times, values: times.map(valueFor) };
}

async function flush({ store }: Real, retention: RetentionClass, name: string, samples: Samples): Promise<void> {
  const labels = labelsFor(name);
  const chunks = encodeChunks(codec, samples);
  await store.flush([{ tenant: DEFAULT_TENANT, retention, labels, labelBytes: encodeLabels(labels), chunks }], faults);
}

const flushing = (retention: RetentionClass, name: string, hours: readonly number[]) =>
  command(`flush ${retention} ${name} ${hours}`, async (model, real) => {
    const samples = samplesAt(hours, valueAt);
    await flush(real, retention, name, samples);
    const { live } = layersIn(model, retention, name);
    for (const time of samples.times) live.set(time, valueAt(time));
    await sameAs(model, real.store);
  });

/** @param shift Of the values: 0 is what live samples have. */
const backfilling = (retention: RetentionClass, name: string, hours: readonly number[], shift: number) =>
  command(`backfill ${retention} ${name} ${hours} + ${shift}`, async (model, { store }) => {
    const run = { labels: labelsFor(name), ...samplesAt(hours, (time) => valueAt(time) + shift) };
    const bounds = { start: START, end: START + 60 * HOUR };
    const inHead = () => ({ times: new Float64Array(), values: new Float64Array() });
    const outcome = await store.backfill([run], { tenant: DEFAULT_TENANT, retention, bounds, inHead });
    const layers = layersIn(model, retention, name);
    const want = { appended: 0, duplicates: 0, conflicts: 0, outOfBounds: 0 };
    for (const time of run.times) {
      const stored = layers.live.get(time) ?? layers.past.get(time);
      const value = valueAt(time) + shift;
      if (time > bounds.end) want.outOfBounds++;
      else if (stored === undefined) {
        want.appended++;
        layers.past.set(time, value);
      } else if (stored === value) want.duplicates++;
      else want.conflicts++;
    }
    expect(outcome).toEqual(want);
    await sameAs(model, store);
  });

const deleting = (matcher: Matcher, from: number, to: number) =>
  command(`delete ${matcher.name}${matcher.op}${matcher.value} ${from} to ${to}`, async (model, { store }) => {
    const range = { start: START + from * HOUR, end: START + to * HOUR };
    const deleted = await store.delete(DEFAULT_TENANT, [[matcher]], range);
    let want = 0;
    for (const [key, layers] of model) {
      if (!matches(matcher, key)) continue;
      for (const layer of [layers.live, layers.past]) {
        for (const time of layer.keys()) if (time >= range.start && time <= range.end && layer.delete(time)) want++;
      }
    }
    expect(deleted).toBe(want);
    await sameAs(model, store);
  });

const dropping = (day: number, retention: RetentionClass) =>
  command(`drop ${retention} before day ${day}`, async (model, { store }) => {
    const floor = START + day * DAY;
    await new Expiry(store, faults).run(() => ({ ...OPEN, [retention]: floor + HOUR }), [DEFAULT_TENANT]);
    for (const [key, layers] of model) {
      if (!key.startsWith(retention)) continue;
      for (const layer of [layers.live, layers.past])
        for (const time of layer.keys()) if (time < floor) layer.delete(time);
    }
    await sameAs(model, store);
  });

const reopening = command('reopen', async (model, real) => {
  await real.store[Symbol.asyncDispose]();
  real.store = await open(real.folder);
  await sameAs(model, real.store);
});

const checkpointing = command('checkpoint', async (model, { store }) => {
  const folder = nextFolder();
  await store.checkpoint(folder);
  await using copy = await open(folder);
  await sameAs(model, copy);
  await sameAs(model, store);
});

const reading = (from: number, to: number) =>
  command(`read ${from} to ${to}`, async (model, { store }) => {
    await sameAs(model, store, { start: START + from * HOUR, end: START + to * HOUR });
  });

/** The end of the machine while a batch is written: any part of it is on the device. */
const crash = (name: string, hours: readonly number[], share: number) =>
  command(`crash in a flush of ${name} ${hours}, keeping ${share}`, async (model, real) => {
    const partition = formatPartitionName({ retention: 'raw', day: dayOf(START + hours[0]! * HOUR) });
    const ofDay = hours.filter((hour) => Math.floor(hour / 24) === Math.floor(hours[0]! / 24));
    const samples = samplesAt(ofDay, valueAt);
    const before = await logOf(join(real.folder, partition));
    await flush(real, 'raw', name, samples);
    const folder = nextFolder();
    await cp(real.folder, folder, { recursive: true });
    await real.store[Symbol.asyncDispose]();
    const after = await logOf(join(folder, partition));
    if (before !== undefined && after?.path.endsWith(before.name) === true) {
      await truncate(after.path, before.size + Math.round((after.size - before.size) * share));
    }
    real.folder = folder;
    real.store = await open(folder);
    const { live } = layersIn(model, 'raw', name);
    const unsure = [...samples.times].filter((time) => !live.has(time));
    for (const time of unsure) live.set(time, valueAt(time));
    const found = await contents(real.store, ALL);
    const whole = expected(model, ALL);
    if (JSON.stringify(found) !== JSON.stringify(whole)) for (const time of unsure) live.delete(time);
    await sameAs(model, real.store);
  });

/** The log that LevelDB writes to. */
async function logOf(folder: string) {
  const names = await readdir(folder).catch(() => []);
  const name = names
    .filter((each) => each.endsWith('.log'))
    .sort()
    .at(-1);
  if (name === undefined) return undefined;
  const path = join(folder, name);
  return { name, path, size: (await stat(path)).size };
}

function matches({ name, op, value }: Matcher, key: string): boolean {
  const found = labelValue(labelsFor(key.split(' ')[1]!), name);
  return op === '=' ? found === value : found !== value;
}

type Contents = readonly (readonly [name: string, samples: readonly (readonly [time: number, value: number])[]])[];

async function contents(store: Partitions, range: TimeRange): Promise<Contents> {
  const found = await store.select(DEFAULT_TENANT, [], range, OPEN);
  return found.map(({ labels, times, values }) => {
    return [labelValue(labels, '__name__'), [...times].map((time, i) => [(time - START) / HOUR, values[i]!])] as const;
  });
}

/** Live before imported, of both classes together. */
function expected(model: Model, { start, end }: TimeRange): Contents {
  return ['a', 'b', 'c'].flatMap((name) => {
    const layers = (['raw', 'demand'] as const).map((retention) => model.get(`${retention} ${name}`));
    const ordered = [layers[1]?.past, layers[0]?.past, layers[1]?.live, layers[0]?.live];
    // Of two classes the first in the order of names wins: "demand".
    const joined = new Map([ordered[1], ordered[0], ordered[3], ordered[2]].flatMap((layer) => [...(layer ?? [])]));
    const samples = [...joined].filter(([time]) => time >= start && time <= end).sort(([a], [b]) => a - b);
    if (samples.length === 0) return [];
    return [[name, samples.map(([time, value]) => [(time - START) / HOUR, value] as const)] as const];
  });
}

async function sameAs(model: Model, store: Partitions, range: TimeRange = ALL): Promise<void> {
  const want = expected(model, range);
  expect(await contents(store, range)).toEqual(want);
  const names = (await store.series(DEFAULT_TENANT, [], range, OPEN)).map((labels) => labelValue(labels, '__name__'));
  expect(names).toEqual(want.map(([name]) => name));
  expect(await store.select(OTHER, [], range, OPEN)).toEqual([]);
}

const retention = fc.constantFrom<RetentionClass[]>('raw', 'raw', 'demand');
const name = fc.constantFrom('a', 'b', 'c');
const hour = fc.integer({ min: 0, max: 66 });
const hours = fc.uniqueArray(hour, { minLength: 1, maxLength: 8 }).map((all) => all.sort((a, b) => a - b));
const matcher = fc.constantFrom<Matcher[]>(
  { name: '__name__', op: '=', value: 'a' },
  { name: 'job', op: '=', value: 'x' },
  { name: 'job', op: '!=', value: 'x' },
);

test('partitions behave as their model, whatever is flushed, imported, deleted, dropped, crashed and reopened', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.commands(
        [
          fc.tuple(retention, name, hours).map((args) => flushing(...args)),
          fc.tuple(retention, name, hours, fc.nat(1)).map((args) => backfilling(...args)),
          fc.tuple(matcher, hour, hour).map(([of, from, to]) => deleting(of, Math.min(from, to), Math.max(from, to))),
          fc.tuple(fc.integer({ min: 1, max: 2 }), retention).map((args) => dropping(...args)),
          fc.tuple(hour, hour).map(([from, to]) => reading(Math.min(from, to), Math.max(from, to))),
          fc.constant(reopening),
          fc.constant(checkpointing),
          fc.tuple(name, hours, fc.double({ min: 0, max: 1, noNaN: true })).map((args) => crash(...args)),
        ],
        { maxCommands: 16 },
      ),
      async (commands) => {
        const folder = nextFolder();
        const real: Real = { folder, store: await open(folder) };
        try {
          await fc.asyncModelRun(() => ({ model: new Map(), real }), commands);
        } finally {
          await real.store[Symbol.asyncDispose]();
        }
      },
    ),
    { numRuns: Math.ceil(0.15 * PROPERTY_RUNS) },
  );
});

test('a write that failed and is there all the same is found by who asks for its time', async () => {
  await using store = await open(nextFolder());
  const flushAt = (name: string, time: number) => {
    const chunks = encodeChunks(codec, { times: Float64Array.of(time), values: Float64Array.of(1) });
    const labels = labelsFor(name);
    return store.flush(
      [{ tenant: DEFAULT_TENANT, retention: 'raw', labelBytes: encodeLabels(labels), labels, chunks }],
      faults,
    );
  };
  await flushAt('a', START);
  expect(await store.select(DEFAULT_TENANT, [], ALL, OPEN)).toHaveLength(1);
  // The batch reaches the log, and its sync fails: opened anew, the database has it.
  const { batch } = ClassicLevel.prototype;
  const failing = vi.spyOn(ClassicLevel.prototype, 'batch').mockImplementationOnce(async function (
    this: ClassicLevel,
    ...args: unknown[]
  ) {
    await Reflect.apply(batch, this, args);
    throw new Error('Input/output error');
  } as never);
  onTestFinished(() => failing.mockRestore());
  expect((await flushAt('b', START + HOUR)).size).toBe(1);
  expect(faults.standing).toMatchObject([{ chore: 'flush', place: 'raw-2026-08-03', reason: 'storage_full' }]);
  expect(await store.select(DEFAULT_TENANT, [], ALL, OPEN)).toHaveLength(1);
  await flushAt('b', START + HOUR);
  const range = { start: START + HOUR, end: START + HOUR };
  expect(await store.select(DEFAULT_TENANT, [], range, OPEN)).toHaveLength(1);
});

test('a partition that could not be made does not stop the removal of others', async () => {
  const folder = nextFolder();
  await using store = await open(folder);
  const flushAt = (time: number) => {
    const chunks = encodeChunks(codec, { times: Float64Array.of(time), values: Float64Array.of(1) });
    const labels = labelsFor('a');
    const series = {
      tenant: DEFAULT_TENANT,
      retention: 'raw',
      labelBytes: encodeLabels(labels),
      labels,
      chunks,
    } as const;
    return store.flush([series], faults);
  };
  const inTheWay = join(folder, formatPartitionName({ retention: 'raw', day: START }));
  await writeFile(inTheWay, '');
  expect((await flushAt(START)).size).toBe(1);
  await rm(inTheWay);
  await flushAt(START + DAY);
  await new Expiry(store, faults).run(() => ({ raw: START + 2 * DAY, demand: START + 2 * DAY }), [DEFAULT_TENANT]);
  expect(store.names).toEqual([]);
});

test('select() lets others have their turn between series, also where their chunks are in memory', async () => {
  await using store = await open(nextFolder());
  const real = { folder: '', store };
  for (const name of ['a', 'b', 'c']) await flush(real, 'raw', name, samplesAt([1, 2], valueAt));
  expect(await store.select(DEFAULT_TENANT, [[]], ALL, OPEN)).toHaveLength(3);
  const ended = new AbortController();
  let rests = 0;
  const pause = () => {
    rests++;
    return new Promise<void>((resolve) => setImmediate(resolve)).then(() => ended.abort(new Error('gone')));
  };
  const selected = store.select(DEFAULT_TENANT, [[]], ALL, OPEN, { pause, signal: ended.signal });
  await expect(selected).rejects.toThrow('gone');
  expect(rests).toBe(1);
});
