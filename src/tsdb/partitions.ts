import { basename, join } from 'node:path';
import { compareLabels, encodeLabels, formatLabels, type Labels, labelsKey } from '../model/labels.ts';
import type { Matcher } from '../model/matcher.ts';
import type { SampledSeries } from '../model/series.ts';
import type { TenantId } from '../model/tenant.ts';
import { DAY, type Millis, type TimeRange } from '../model/time.ts';
import { finishPaced, sortedInPieces } from '../model/work.ts';
import { TooManySamplesError } from '../storage/errors.ts';
import type { BackfillOutcome, FindOptions, SelectOptions } from '../storage/storage.ts';
import type { RetentionClass } from '../storage/write.ts';
import { type Disk, nodeDisk } from './disk.ts';
import type { StoreFaults } from './faults.ts';
import { linkFiles } from './link-files.ts';
import { findLiveOnDisk } from './live-on-disk.ts';
import { layersOf, type Partition } from './partition.ts';
import {
  ALWAYS,
  backfillInto,
  type CopiedSeries,
  copyInto,
  deleteFrom,
  type FlushedPart,
  type FlushedSeries,
  flushInto,
  type PartitionBackfill,
} from './partition-changes.ts';
import type { SampleCodec } from './partition-chunk.ts';
import { type Sweep, sweepPartition } from './partition-expiry.ts';
import {
  dayOf,
  formatPartitionName,
  idText,
  type PartitionName,
  parsePartitionName,
  seriesIdOf,
  startsKey,
} from './partition-key.ts';
import { PartitionSlots } from './partition-slots.ts';
import { days, NO_SAMPLES, within } from './sample-columns.ts';
import { leastWithin } from './series-day.ts';
import { findStartsOnDisk, startsOf } from './starts-on-disk.ts';
import { RunReader, runOfDays, type StoredRun, TimeColumns, type VisibleDay } from './stored-run.ts';
import { Tiers } from './tiers.ts';
import { Turns } from './turns.ts';

export type Floors = Readonly<Record<RetentionClass, Millis>>;

export interface PartitionsOptions {
  readonly folder: string;
  /** The folder to name in errors. */
  readonly dataFolder: string;
  /** A number that those who choose labels cannot know. */
  readonly seed: number;
  readonly codec: SampleCodec;
  readonly disk?: Pick<Disk, 'syncFolder'>;
}

/** Series of one batch: other work gets its turn between two. */
const BATCH_SERIES = 64;

/** Opening a partition waits for the disk several times: the next ones are opened meanwhile. */
const OPENED_AHEAD = 3;

/**
 * Samples on disk: a LevelDB for each retention class and day. Everything that changes them is done one after another;
 * what one call writes for one series and day is there as a whole or not at all, and every call may be repeated.
 */
export class Partitions implements AsyncDisposable {
  readonly #slots: PartitionSlots;
  readonly #codec: SampleCodec;
  readonly #reader: RunReader;
  /** Points that were made of raw samples. */
  readonly tiers: Tiers;
  /** Days of which series changed after points were made of them. */
  readonly touchedDays: Set<Millis>;
  #changing: Promise<void> = Promise.resolve();

  private constructor({ slots, codec, tiers, touchedDays }: Pick<Partitions, 'tiers' | 'touchedDays'> & Inner) {
    this.#slots = slots;
    this.#codec = codec;
    this.#reader = new RunReader(codec);
    this.tiers = tiers;
    this.touchedDays = touchedDays;
  }

  static async open({ codec, ...place }: PartitionsOptions): Promise<Partitions> {
    const touchedDays = new Set<Millis>();
    const onTouched = (folder: string) => {
      const name = parsePartitionName(basename(folder));
      if (name !== undefined) touchedDays.add(name.day);
    };
    const slots = await PartitionSlots.open({ ...place, onTouched });
    return new Partitions({ slots, codec, tiers: await Tiers.open(place, codec), touchedDays });
  }

  /** No sample on disk is newer. */
  get newest(): Millis {
    return this.#slots.newest;
  }

  get names(): readonly PartitionName[] {
    return this.#slots.names;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#changing;
    await this.tiers[Symbol.asyncDispose]();
    await this.#slots[Symbol.asyncDispose]();
  }

  /**
   * Durable when it resolves: the segments of the log that have these samples may go, but for those of the series that
   * it returns, whose partition or whose stored samples could not be read or written.
   */
  flush(
    all: Iterable<FlushedSeries> | AsyncIterable<FlushedSeries>,
    faults: StoreFaults,
  ): Promise<ReadonlySet<FlushedSeries>> {
    return this.#serially(async () => {
      const failed = new Set<FlushedSeries>();
      const write = async (name: PartitionName, parts: readonly FlushedPart[]) => {
        const done = await faults.attempt('flush', formatPartitionName(name), async () => {
          await this.#slots.withNew(name, (partition) => this.#flushEach(partition, name, parts, faults, failed));
        });
        if (!done) for (const { series } of parts) failed.add(series);
      };
      const waiting = new Map<string, { readonly name: PartitionName; readonly parts: FlushedPart[] }>();
      for await (const series of all) {
        for (const [day, chunks] of grouped(series.chunks, ({ first }) => dayOf(first))) {
          const name = { retention: series.retention, day };
          const text = formatPartitionName(name);
          const of = waiting.get(text) ?? { name, parts: [] };
          of.parts.push({ series, chunks });
          if (of.parts.length < BATCH_SERIES) {
            waiting.set(text, of);
            continue;
          }
          waiting.delete(text);
          await write(name, of.parts);
        }
      }
      for (const { name, parts } of waiting.values()) await write(name, parts);
      return failed;
    });
  }

  /** Whole runs of the past, in any order relative to live samples: those win. Durable when it resolves. */
  backfill(runs: readonly SampledSeries[], context: PartitionBackfill): Promise<BackfillOutcome> {
    return this.#serially(async () => {
      const total = { appended: 0, duplicates: 0, conflicts: 0, outOfBounds: 0 };
      const byDay = new Map<Millis, SampledSeries[]>();
      for (const run of runs) {
        const kept = within(run, context.bounds);
        total.outOfBounds += run.times.length - kept.times.length;
        for (const part of days(kept)) {
          const day = dayOf(part.times[0]!);
          const of = byDay.get(day) ?? [];
          of.push({ labels: run.labels, ...part });
          byDay.set(day, of);
        }
      }
      for (const [day, parts] of byDay) {
        await this.#slots.withNew({ retention: context.retention, day }, async (partition) => {
          for (const batch of distinctBatches(parts)) {
            const outcome = await backfillInto(this.#codec, partition, batch, context);
            total.appended += outcome.appended;
            total.duplicates += outcome.duplicates;
            total.conflicts += outcome.conflicts;
          }
        });
      }
      return total;
    });
  }

  /** Series with samples in the range, in the order of `compareLabels`: live samples before imported ones. */
  async select(
    tenant: TenantId,
    matcherSets: readonly (readonly Matcher[])[],
    range: TimeRange,
    floors: Floors,
    options: SelectOptions = {},
  ): Promise<readonly SampledSeries[]> {
    const found = await this.find(tenant, matcherSets, range, floors, options);
    return found.map((run) => ({ labels: run.labels, ...run.read(NO_SAMPLES, false) }));
  }

  /** The same, to be decoded when they are read. */
  async find(
    tenant: TenantId,
    matcherSets: readonly (readonly Matcher[])[],
    range: TimeRange,
    floors: Floors,
    { maxSamples = Number.POSITIVE_INFINITY, signal, pause }: SelectOptions = {},
  ): Promise<readonly StoredRun[]> {
    // What is in memory is read without waiting for the disk.
    const turns = new Turns();
    const due = pause ?? (() => turns.due());
    /** By their ids, which are the same in all partitions. */
    const found = new Map<string, { readonly labels: Labels; readonly days: VisibleDay[] }>();
    let least = 0;
    const names = groups(this.#slots.touching(range)).flat();
    for (const [i, name] of names.entries()) {
      const visible = { start: Math.max(range.start, floors[name.retention]), end: range.end };
      if (visible.start > visible.end) continue;
      for (const next of names.slice(i + 1, i + 1 + OPENED_AHEAD)) this.#slots.openAhead(next);
      await this.#slots.with(name, async (partition) => {
        const index = await partition.indexOf(tenant);
        const wanted = index.find(matcherSets).map((series) => {
          const text = idText(series.id);
          let of = found.get(text);
          if (of === undefined) {
            of = { labels: series.labels, days: [] };
            found.set(text, of);
          }
          return { id: series.id, of };
        });
        for await (const batch of partition.days(tenant, wanted, this.#codec)) {
          for (const [{ of }, day] of batch) {
            of.days.push({ day, visible, date: name.day });
            least += leastWithin(day, visible);
          }
          if (least > maxSamples) throw new TooManySamplesError(maxSamples);
          const rest = due();
          if (rest !== undefined) await rest;
          signal?.throwIfAborted();
        }
      });
    }
    const columns = new TimeColumns();
    const runs: StoredRun[] = [];
    let loaded = 0;
    for (const { labels, days } of found.values()) {
      const run = runOfDays(labels, days, this.#reader, columns);
      const rest = due();
      if (rest !== undefined) await rest;
      signal?.throwIfAborted();
      if (run === undefined) continue;
      loaded += run.count;
      if (loaded > maxSamples) throw new TooManySamplesError(maxSamples);
      runs.push(run);
    }
    return runs.sort((a, b) => compareLabels(a.labels, b.labels));
  }

  /** Start times of series that match, of the partitions that the range touches; each from their beginning on. */
  starts(tenant: TenantId, matchers: readonly Matcher[], range: TimeRange, floors: Floors) {
    return findStartsOnDisk(this.#slots, tenant, matchers, range, floors);
  }

  /** Looks for live samples of one series, each in the partitions of its day. */
  findLive(tenant: TenantId, sought: { readonly labelBytes: Uint8Array; readonly times: readonly Millis[] }) {
    return findLiveOnDisk(this.#slots, this.#codec, tenant, sought);
  }

  /** Label sets with a sample in the range. Looks into chunks only where the range or the retention cuts a day. */
  async series(
    tenant: TenantId,
    matcherSets: readonly (readonly Matcher[])[],
    range: TimeRange,
    floors: Floors,
    { signal, pause }: FindOptions = {},
  ): Promise<readonly Labels[]> {
    const found = new Map<string, Labels>();
    const turns = new Turns();
    const due = pause ?? (() => turns.due());
    for (const name of this.#slots.touching(range)) {
      const visible = { start: Math.max(range.start, floors[name.retention]), end: range.end };
      const isWhole = visible.start <= name.day && visible.end >= name.day + DAY - 1;
      await this.#slots.with(name, async (partition) => {
        for (const series of await seriesIn(partition, tenant, matcherSets)) {
          const rest = due();
          if (rest !== undefined) await rest;
          signal?.throwIfAborted();
          const key = labelsKey(series.labels);
          if (found.has(key)) continue;
          if (!isWhole) {
            const { live, past } = await partition.read(tenant, series, visible, this.#codec);
            if (within(live, visible).times.length + within(past, visible).times.length === 0) continue;
          }
          found.set(key, series.labels);
        }
      });
    }
    return await finishPaced(sortedInPieces([...found.values()], compareLabels), { pause: due, signal });
  }

  /** Deletes samples of the range, both ends included, and series that have no others. Returns how many samples went. */
  async delete(tenant: TenantId, matcherSets: readonly (readonly Matcher[])[], range: TimeRange): Promise<number> {
    const deleted = await this.#serially(async () => {
      let deleted = 0;
      for (const name of this.#slots.touching(range)) {
        await this.#slots.with(name, async (partition) => {
          const all = await seriesIn(partition, tenant, matcherSets);
          for (let at = 0; at < all.length; at += BATCH_SERIES) {
            deleted += await deleteFrom(this.#codec, partition, tenant, all.slice(at, at + BATCH_SERIES), range);
          }
        });
      }
      return deleted;
    });
    // Points are cut where the range begins and ends, and made anew of what is left of the samples.
    await this.tiers.delete(tenant, matcherSets, range, async (day, of, ids) => {
      await this.changingDay(day, (partition) => partition.write(partition.touching(of, ids)));
      this.touchedDays.add(day);
    });
    return deleted;
  }

  /** Deletes what tenants keep no longer, the whole partition where nobody keeps any of it. Returns whether any is left. */
  sweep(name: PartitionName, sweep: Sweep): Promise<boolean> {
    return this.#serially(() => sweepPartition(this.#slots, name, sweep));
  }

  /** Days that have raw samples, in order. */
  get rawDays(): readonly Millis[] {
    return this.#slots.names.filter(({ retention }) => retention === 'raw').map(({ day }) => day);
  }

  /** Runs with a day's raw samples, if there are any. */
  withinDay<T>(day: Millis, run: (partition: Partition) => Promise<T>): Promise<T | undefined> {
    return this.#slots.with({ retention: 'raw', day }, run);
  }

  /** The same while nothing else changes partitions. */
  changingDay<T>(day: Millis, run: (partition: Partition) => Promise<T>): Promise<T | undefined> {
    return this.#serially(() => this.withinDay(day, run));
  }

  /** Copies what one partition has of some series to another one, beside what is there. May be repeated. */
  copyTo(target: PartitionName, source: PartitionName, tenant: TenantId, wanted: readonly Labels[]): Promise<void> {
    return this.#serially(async () => {
      for (let at = 0; at < wanted.length; at += BATCH_SERIES) {
        const found: CopiedSeries[] = [];
        await this.#slots.with(source, async (partition) => {
          for (const labels of wanted.slice(at, at + BATCH_SERIES)) {
            const labelBytes = encodeLabels(labels);
            const chunks = await partition.storedChunks(tenant, { id: seriesIdOf(labelBytes) });
            if (chunks.length === 0) continue;
            const [starts] = await partition.readMany([startsKey(tenant, seriesIdOf(labelBytes))]);
            const layers = layersOf(chunks, ALWAYS, this.#codec);
            found.push({ labels, labelBytes, ...layers, starts: starts && startsOf(starts) });
          }
        });
        if (found.length > 0)
          await this.#slots.withNew(target, (partition) => copyInto(this.#codec, partition, tenant, found));
      }
    });
  }

  /** Series of one class in its two newest partitions. */
  async recentSeries(tenant: TenantId, retention: RetentionClass): Promise<readonly Labels[]> {
    const found = new Map<string, Labels>();
    for (const name of this.#slots.names.filter((each) => each.retention === retention).slice(-2)) {
      await this.#slots.with(name, async (partition) => {
        for (const { labels } of await seriesIn(partition, tenant, [])) found.set(labelsKey(labels), labels);
      });
    }
    return [...found.values()];
  }

  /** Tenants that have series here. */
  async holds(tenant: TenantId): Promise<boolean> {
    for (const name of this.#slots.names) {
      if ((await this.#slots.with(name, (partition) => partition.holds(tenant))) === true) return true;
    }
    return await this.tiers.holds(tenant);
  }

  /**
   * Copies all partitions into a folder, each as of one moment, while the store runs: a partition that is read or
   * written waits until its files are linked. The copy opens as any folder of partitions.
   */
  checkpoint(into: string): Promise<void> {
    return this.#serially(async () => {
      await nodeDisk.ensureFolder(into);
      for (const name of this.#slots.names) {
        const copy = join(into, formatPartitionName(name));
        await nodeDisk.ensureFolder(copy);
        await this.#slots.withClosed(name, (folder) => linkFiles(folder, copy));
        await nodeDisk.syncFolder(copy);
      }
      await this.tiers.checkpoint(into);
      await nodeDisk.syncFolder(into);
    });
  }

  #serially<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#changing.then(step);
    this.#changing = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  /** All in one batch; where damage to what is stored of one series stops that, each in a batch of its own. */
  async #flushEach(
    partition: Partition,
    name: PartitionName,
    parts: readonly FlushedPart[],
    faults: StoreFaults,
    failed: Set<FlushedSeries>,
  ): Promise<void> {
    try {
      return await flushInto(this.#codec, partition, parts);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
    for (const part of parts) {
      const { tenant, labels } = part.series;
      const place = `${formatPartitionName(name)} ${formatLabels(labels)}`;
      const done = await faults.attempt('flush', place, () => flushInto(this.#codec, partition, [part]), tenant);
      if (!done) failed.add(part.series);
    }
  }
}

interface Inner {
  readonly slots: PartitionSlots;
  readonly codec: SampleCodec;
}

async function seriesIn(partition: Partition, tenant: TenantId, matcherSets: readonly (readonly Matcher[])[]) {
  return (await partition.indexOf(tenant)).select(matcherSets);
}

/** Partitions of one day together. */
function groups(names: readonly PartitionName[]): readonly (readonly PartitionName[])[] {
  return [...grouped(names, ({ day }) => day).values()];
}

function grouped<T>(all: readonly T[], keyOf: (each: T) => number): ReadonlyMap<number, readonly T[]> {
  const groupsByKey = new Map<number, T[]>();
  for (const each of all) {
    const key = keyOf(each);
    const group = groupsByKey.get(key) ?? [];
    group.push(each);
    groupsByKey.set(key, group);
  }
  return groupsByKey;
}

/** Batches in which each series is once: what one writes is found by the next. */
function* distinctBatches(parts: readonly SampledSeries[]): Generator<readonly SampledSeries[]> {
  let batch: SampledSeries[] = [];
  let seen = new Set<string>();
  for (const part of parts) {
    const key = labelsKey(part.labels);
    if (batch.length === BATCH_SERIES || seen.has(key)) {
      yield batch;
      batch = [];
      seen = new Set();
    }
    seen.add(key);
    batch.push(part);
  }
  if (batch.length > 0) yield batch;
}
