import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeLabels, labelsOf, labelValue } from '../model/labels.ts';
import { decodeSamples } from '../model/series.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { DAY, MINUTE } from '../model/time.ts';
import { OUTCOME } from '../storage/write.ts';
import { CrashDisk } from '../testing/crash-disk.ts';
import { PROPERTY_RUNS } from '../testing/property-runs.ts';
import { attachmentReaderOf } from './attachment-reader.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { readerOf } from './reader.ts';
import { SampleStore } from './sample-store.ts';

const START = Date.parse('2026-08-03T10:00:00Z');
const ALL = { start: -Infinity, end: Infinity };
const LIMITS = { ...DEFAULT_LIMITS, retentionMs: { raw: DAY, demand: DAY } };
const NAME = '__name__';

/** What a store must hold, by kind, series, and what tells one entry from another there. */
interface Model {
  readonly kept: Map<string, Entry>;
  floor: number;
}

interface Entry {
  readonly kind: 'exemplar' | 'histogram' | 'start';
  readonly series: string;
  readonly time: number;
  readonly value: string;
  committed: boolean;
}

interface Real {
  readonly disk: CrashDisk;
  readonly clock: { now: number };
  store: SampleStore;
}

function command(name: string, run: (model: Model, real: Real) => Promise<void>): fc.AsyncCommand<Model, Real> {
  return { check: () => true, run, toString: () => name };
}

async function open(disk: CrashDisk, clock: Real['clock']): Promise<SampleStore> {
  const now = () => clock.now;
  return await SampleStore.open({ disk: disk.boot(), folder: '/log', now, limits: LIMITS, seed: 7, segmentBytes: 600 });
}

function refOf(store: SampleStore, series: string): number {
  const [answer] = store.ref(DEFAULT_TENANT, [encodeLabels(labelsOf({ [NAME]: series }))], 'raw');
  if (answer?.kind !== 'ref') throw new Error('refused');
  return answer.ref;
}

/** Judges an entry as the store must, and keeps it where it is taken. */
function take(model: Model, key: string, entry: Omit<Entry, 'committed'>, now: number): number {
  const { kind, series, time, value } = entry;
  if (time > now + 10 * MINUTE) return OUTCOME.tooFarInFuture;
  if (time < Math.max(model.floor, now - DAY)) return OUTCOME.tooOld;
  const stored = model.kept.get(key);
  if (stored !== undefined) return stored.value === value || kind === 'start' ? OUTCOME.duplicate : OUTCOME.conflict;
  const others = [...model.kept.values()].filter((other) => other.kind === kind && other.series === series);
  if (others.some((other) => time < other.time - LIMITS.outOfOrderMs)) return OUTCOME.outOfOrder;
  model.kept.set(key, { ...entry, committed: false });
  return OUTCOME.appended;
}

const exemplar = (series: string, offset: number, value: number, id: string) =>
  command(`exemplar ${series} ${offset} ${value} ${id}`, async (model, { store, clock }) => {
    const time = clock.now + offset;
    const exemplars = [{ ref: refOf(store, series), time, value, labels: labelsOf({ id }) }];
    const entry = { kind: 'exemplar', series, time, value: `${value} ${id}` } as const;
    const want = take(model, `exemplar ${series} ${time} ${id}`, entry, clock.now);
    expect(store.attach(DEFAULT_TENANT, { exemplars, histograms: [] }).exemplars[0]).toBe(want);
    await sameAs(model, store);
  });

const histogram = (series: string, offset: number, value: number) =>
  command(`histogram ${series} ${offset} ${value}`, async (model, { store, clock }) => {
    const time = clock.now + offset;
    const histograms = [{ ref: refOf(store, series), time, start: 5, bytes: Uint8Array.of(value) }];
    const want = take(
      model,
      `histogram ${series} ${time}`,
      { kind: 'histogram', series, time, value: `${value}` },
      clock.now,
    );
    expect(store.attach(DEFAULT_TENANT, { exemplars: [], histograms }).histograms[0]).toBe(want);
    await sameAs(model, store);
  });

const sample = (series: string, offset: number, start: number) =>
  command(`sample ${series} ${offset} since ${start}`, async (model, { store, clock }) => {
    const time = clock.now + offset;
    const refs = Uint32Array.of(refOf(store, series));
    const batch = { refs, times: Float64Array.of(time), values: Float64Array.of(1), starts: Float64Array.of(start) };
    const want = take(model, `start ${series} ${time}`, { kind: 'start', series, time, value: `${start}` }, clock.now);
    expect(store.write(DEFAULT_TENANT, batch)[0]).toBe(want);
    await sameAs(model, store);
  });

const commit = command('commit', async (model, { store }) => {
  await store.commit();
  for (const entry of model.kept.values()) entry.committed = true;
  await sameAs(model, store);
});

const failingCommit = command('commit on a full device', async (model, { store, disk }) => {
  if ([...model.kept.values()].every(({ committed }) => committed)) return;
  disk.failingAppends = 1;
  await expect(store.commit()).rejects.toThrow('cannot write to the log');
  await sameAs(model, store);
});

const checkpoint = command('checkpoint', async (model, { store }) => {
  await store.chores.checkpoint();
  for (const entry of model.kept.values()) entry.committed = true;
  await sameAs(model, store);
});

const retain = (ms: number) =>
  command(`retain after ${ms}`, async (model, { store, clock }) => {
    await store.commit();
    for (const entry of model.kept.values()) entry.committed = true;
    clock.now += ms;
    model.floor = Math.max(model.floor, clock.now - DAY);
    await store.chores.maintain(clock.now);
    for (const [key, { time }] of model.kept) if (time < model.floor) model.kept.delete(key);
    await sameAs(model, store);
  });

const crash = (begin: 'nothing' | 'commit' | 'checkpoint', turns: number, keep: number | 'page cache') =>
  command(`crash ${turns} turns into ${begin}, keeping ${keep}`, async (model, real) => {
    const { store } = real;
    const running = {
      nothing: async () => {},
      commit: () => store.commit(),
      checkpoint: () => store.chores.checkpoint(),
    }[begin]();
    const ended = running.catch(() => undefined);
    for (let i = 0; i < turns; i++) await Promise.resolve();
    if (keep === 'page cache') real.disk.kill();
    else real.disk.crash(() => keep);
    await ended;
    real.store = await open(real.disk, real.clock);
    expect(real.store.recovery).toMatchObject({ damagedBytes: 0, orphanSamples: 0, unknownRecords: 0 });
    model.floor = real.clock.now - DAY;
    const found = await contents(real.store);
    // What was not committed may have survived or not; all else must be there.
    for (const [key, entry] of model.kept) {
      if (!entry.committed && !found.includes(lineOf(entry))) model.kept.delete(key);
      else entry.committed = true;
    }
    await sameAs(model, real.store);
  });

function lineOf({ kind, series, time, value }: Omit<Entry, 'committed'>): string {
  return `${kind} ${series} ${time - START} ${value}`;
}

/** All that readers see. A start is that of each float sample. */
async function contents(store: SampleStore): Promise<readonly string[]> {
  const tenant = () => store.head.tenants.get(DEFAULT_TENANT);
  const reader = attachmentReaderOf(store.head, tenant);
  const lines: string[] = [];
  for (const { labels, exemplars } of await reader.exemplars([[]], ALL)) {
    for (const { time, value, labels: own } of exemplars) {
      const entry = { kind: 'exemplar', series: labelValue(labels, NAME), time } as const;
      lines.push(lineOf({ ...entry, value: `${value} ${labelValue(own, 'id')}` }));
    }
  }
  for (const { labels, histograms } of await reader.histograms([], ALL)) {
    for (const { time, bytes } of histograms) {
      lines.push(lineOf({ kind: 'histogram', series: labelValue(labels, NAME), time, value: `${bytes[0]}` }));
    }
  }
  const starts = new Map((await reader.starts([], ALL)).map((each) => [labelValue(each.labels, NAME), each]));
  for (const { labels, chunks } of await readerOf(store.head, tenant).select([], ALL)) {
    const series = labelValue(labels, NAME);
    const changes = starts.get(series);
    for (const time of decodeSamples(chunks, ALL).times) {
      const before = changes?.times.filter((from) => from <= time).length ?? 0;
      const start = before === 0 ? 0 : changes!.starts[before - 1];
      lines.push(lineOf({ kind: 'start', series, time, value: `${start}` }));
    }
  }
  return lines;
}

async function sameAs(model: Model, store: SampleStore): Promise<void> {
  const visible = [...model.kept.values()].filter(({ committed, time }) => committed && time >= model.floor);
  expect([...(await contents(store))].sort()).toEqual(visible.map(lineOf).sort());
}

const series = fc.constantFrom('a', 'b');
const offset = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: -14, max: 2 }).map((minutes) => minutes * MINUTE) },
  { weight: 4, arbitrary: fc.integer({ min: -3, max: 0 }) },
  fc.constantFrom(-DAY - 1, -DAY, 11 * MINUTE),
);
const value = fc.integer({ min: 1, max: 2 });

test('a store keeps exemplars, histograms and starts as its model, whatever is written, crashed and reopened', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.commands(
        [
          fc.tuple(series, offset, value, fc.constantFrom('', 'x')).map((args) => exemplar(...args)),
          fc.tuple(series, offset, value).map((args) => histogram(...args)),
          fc.tuple(series, offset, fc.nat(2)).map((args) => sample(...args)),
          fc.constant(commit),
          fc.constant(failingCommit),
          fc.constant(checkpoint),
          fc.constantFrom(MINUTE, DAY / 2).map((ms) => retain(ms)),
          fc
            .tuple(
              fc.constantFrom('nothing', 'commit', 'checkpoint'),
              fc.nat(60),
              fc.constantFrom<(number | 'page cache')[]>(0, 0.5, 0.9, 1, 'page cache'),
            )
            .map(([begin, turns, keep]) => crash(begin, turns, keep)),
        ],
        { maxCommands: 30 },
      ),
      async (commands) => {
        const disk = new CrashDisk();
        const clock = { now: START };
        const store = await open(disk, clock);
        const setup = () => ({ model: { kept: new Map(), floor: START - DAY }, real: { disk, clock, store } });
        await fc.asyncModelRun(setup, commands);
      },
    ),
    { numRuns: PROPERTY_RUNS },
  );
});
