import { setImmediate } from 'node:timers/promises';
import { decodeLabels, formatLabels, type Labels } from '../model/labels.ts';
import { downsample, pointsWithin } from '../model/points.ts';
import type { Samples } from '../model/series.ts';
import type { TenantId } from '../model/tenant.ts';
import { DAY, HOUR, type Millis, type TimeRange } from '../model/time.ts';
import { DamagedDataError } from './errors.ts';
import type { StoreFaults } from './faults.ts';
import type { TierLimits } from './limits.ts';
import type { Partition } from './partition.ts';
import { decodeChunk, type SampleCodec } from './partition-chunk.ts';
import { chunkKey, dayOf, formatPartitionName, seriesIdOf, seriesKey } from './partition-key.ts';
import type { Partitions } from './partitions.ts';
import { merged } from './sample-columns.ts';
import type { DayOfPoints, Tiers } from './tiers.ts';

export interface PointMakerDeps {
  readonly partitions: Pick<Partitions, 'rawDays' | 'changingDay' | 'withinDay' | 'touchedDays'>;
  readonly tiers: Pick<Tiers, 'put' | 'newestOf'>;
  readonly codec: SampleCodec;
  readonly limits: { readonly tiers: readonly TierLimits[]; readonly headMs: number };
  /** What is still in memory. */
  readonly head: {
    read(tenant: TenantId, labelBytes: Uint8Array, range: TimeRange): Samples;
    tenants(): Iterable<TenantId>;
    /** Canonical label bytes of the series that have samples in the range; undefined for one that has none. */
    series(tenant: TenantId, range: TimeRange): Iterable<Uint8Array | undefined>;
  };
  /** Whether a tenant's samples are made points of: not where they are kept as long themselves. */
  readonly isFor: (tenant: TenantId) => boolean;
  /** Told of series that no points can be made of, and of days. */
  readonly faults: Pick<StoreFaults, 'report' | 'clear'>;
}

interface Series {
  readonly id: Uint8Array;
  readonly labelBytes: Uint8Array;
}

/** Series of one batch: other changes get their turn between two, all else between `PIECE_SERIES`. */
const BATCH_SERIES = 64;
const PIECE_SERIES = 4;
/** Series in memory that are looked at in one turn. */
const LOOK_SERIES = 1_024;

/**
 * Makes points of the samples of days that are over. A day's partition says when that was begun: from then on every
 * change of a series is marked in the same batch, and the mark goes once the series' points are durable. So a crash at
 * any moment costs the work, and nothing else.
 */
export class PointMaker {
  readonly #deps: PointMakerDeps;
  /** Of days that were looked at: all steps that were made. */
  readonly #made = new Map<Millis, readonly number[]>();
  /** Days without a marked series, as far as is known. */
  readonly #clean = new Set<Millis>();
  /** Of days that the last attempt failed at. */
  readonly #failures = new Map<Millis, unknown>();

  constructor(deps: PointMakerDeps) {
    this.#deps = deps;
  }

  /** Days as samples come late to them: what comes later still makes points anew. */
  get settleMs(): number {
    return 2 * this.#deps.limits.headMs + HOUR;
  }

  /**
   * Makes all that is due. To be repeated where it fails, which for one day is no reason not to make others; it may be
   * ended between two batches.
   */
  async run(now: Millis, signal?: AbortSignal): Promise<void> {
    const errors: unknown[] = [];
    for (const day of this.#due(now)) {
      if (signal?.aborted === true) break;
      const place = formatPartitionName({ retention: 'raw', day });
      try {
        await this.#make(day, now, signal);
        this.#failures.delete(day);
        this.#deps.faults.clear('points', place);
      } catch (error) {
        this.#failures.set(day, error);
        this.#deps.faults.report('points', place, error);
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  async #make(day: Millis, now: Millis, signal: AbortSignal | undefined): Promise<void> {
    if (await this.isDone(day, now)) return;
    const stepsMs = this.#stepsFor(day, now);
    const made = await this.#madeOf(day);
    if (stepsMs.every((step) => made.includes(step))) await this.#makeTouched(day, made, signal);
    else await this.#makeWhole(day, stepsMs, signal);
  }

  /** Whether nothing of a day's samples is missing in the points that are wanted of it. */
  async isDone(day: Millis, now: Millis): Promise<boolean> {
    const made = await this.#madeOf(day);
    const isMade = this.#stepsFor(day, now).every((step) => made.includes(step));
    return isMade && (made.length === 0 || (this.#clean.has(day) && !this.#deps.partitions.touchedDays.has(day)));
  }

  /** The same. Rejects with what the last attempt failed with where it did. */
  async mayGo(day: Millis, now: Millis): Promise<boolean> {
    if (await this.isDone(day, now)) return true;
    if (this.#failures.has(day)) throw this.#failures.get(day);
    return false;
  }

  /** The midnight up to which all points of a length are made. */
  async madeTo(now: Millis, stepMs: number): Promise<Millis> {
    for (const day of this.#due(now)) {
      if (!this.#stepsFor(day, now).includes(stepMs)) continue;
      // Of a day that cannot be read it is not known.
      const made = await this.#madeOf(day).catch((): readonly number[] => []);
      if (!made.includes(stepMs)) return day;
    }
    return dayOf(now - this.settleMs);
  }

  /** How long the oldest day of which no points were made waits for them; 0 where none does. */
  async lagMs(now: Millis, stepMs: number): Promise<number> {
    return Math.max(0, now - this.settleMs - (await this.madeTo(now, stepMs)) - DAY);
  }

  #due(now: Millis): readonly Millis[] {
    return this.#deps.partitions.rawDays.filter((day) => day + DAY + this.settleMs <= now);
  }

  #stepsFor(day: Millis, now: Millis): readonly number[] {
    const { tiers } = this.#deps.limits;
    return tiers.filter(({ keepMs }) => now - keepMs < day + DAY).map(({ stepMs }) => stepMs);
  }

  async #madeOf(day: Millis): Promise<readonly number[]> {
    const known = this.#made.get(day);
    if (known !== undefined) return known;
    const marked = await this.#deps.partitions.withinDay(day, async ({ pointsMade }) => pointsMade);
    const stepsMs = marked?.whole === true ? marked.stepsMs : [];
    this.#made.set(day, stepsMs);
    return stepsMs;
  }

  async #makeWhole(day: Millis, stepsMs: readonly number[], signal: AbortSignal | undefined): Promise<void> {
    const { partitions, head, isFor } = this.#deps;
    await partitions.changingDay(day, (partition) => partition.markMade({ whole: false, stepsMs }));
    const onDisk = (await partitions.withinDay(day, (partition) => partition.tenants())) ?? [];
    for (const tenant of onDisk.filter(isFor)) {
      for (let after: Uint8Array | undefined; ; ) {
        if (signal?.aborted === true) return;
        const batch = await partitions.changingDay(day, async (partition): Promise<readonly Series[]> => {
          const found = await partition.seriesOf(tenant, after, BATCH_SERIES);
          await this.#makeSeries(partition, { day, stepsMs, tenant }, found);
          return found;
        });
        after = batch?.at(-1)?.id;
        if (after === undefined) break;
      }
    }
    const range = samplesOf(day);
    for (const tenant of head.tenants()) {
      if (!isFor(tenant)) continue;
      for (const series of batchesOf(head.series(tenant, range))) {
        if (signal?.aborted === true) return;
        await setImmediate();
        await partitions.changingDay(day, async (partition) => {
          const all = series.map((labelBytes) => ({ id: seriesIdOf(labelBytes), labelBytes }));
          const known = await partition.readMany(all.map(({ id }) => seriesKey(tenant, id)));
          const others = all.filter((_, i) => known[i] === undefined);
          await this.#makeSeries(partition, { day, stepsMs, tenant }, others);
        });
      }
    }
    await partitions.changingDay(day, (partition) => partition.markMade({ whole: true, stepsMs }));
    this.#made.set(day, stepsMs);
    this.#clean.delete(day);
    await this.#makeTouched(day, stepsMs, signal);
  }

  async #makeTouched(day: Millis, stepsMs: readonly number[], signal: AbortSignal | undefined): Promise<void> {
    const { partitions, isFor } = this.#deps;
    partitions.touchedDays.delete(day);
    this.#clean.delete(day);
    for (const tenant of (await partitions.withinDay(day, (partition) => partition.tenants())) ?? []) {
      for (let left = true; left; ) {
        if (signal?.aborted === true) return;
        const touched = await partitions.changingDay(day, async (partition) => {
          const { ids, changes } = await partition.touched(tenant, BATCH_SERIES);
          if (ids.length === 0) return 0;
          const labelBytes = await partition.readMany(ids.map((id) => seriesKey(tenant, id)));
          const series = ids.flatMap((id, i) =>
            labelBytes[i] === undefined ? [] : [{ id, labelBytes: labelBytes[i] }],
          );
          if (isFor(tenant)) await this.#makeSeries(partition, { day, stepsMs, tenant }, series);
          await partition.write(changes);
          return ids.length;
        });
        left = touched === BATCH_SERIES;
      }
    }
    this.#clean.add(day);
  }

  /** While nothing else changes partitions. */
  async #makeSeries(partition: Partition, { day, stepsMs, tenant }: OfDay, series: readonly Series[]): Promise<void> {
    if (series.length === 0) return;
    const { tiers, partitions } = this.#deps;
    const byStep = new Map<number, DayOfPoints[]>(stepsMs.map((stepMs) => [stepMs, []]));
    const midnights = await this.#midnightsAfter(day, tenant, series);
    const late: Uint8Array[] = [];
    for (const [i, { id, labelBytes }] of series.entries()) {
      if (i % PIECE_SERIES === PIECE_SERIES - 1) await setImmediate();
      const labels = decodeLabels(labelBytes);
      const samples = await this.#unlessDamaged({ day, tenant }, labels, async () => {
        const found = merged([await this.#samplesOf(partition, { day, tenant }, series[i]!), midnights[i]!()]);
        if (found.times[0] === day && (await this.#isMissing(tenant, id, day))) late.push(id);
        return found;
      });
      if (samples === undefined) continue;
      for (const [stepMs, all] of byStep) {
        const points = pointsWithin(downsample(samples, stepMs), { start: day + 1, end: day + DAY });
        all.push({ tenant, id, labels, labelBytes, points });
      }
    }
    for (const [stepMs, all] of byStep) {
      try {
        await tiers.put(day, stepMs, all);
      } catch (error) {
        if (!isDamage(error)) throw error;
        for (const each of all)
          await this.#unlessDamaged({ day, tenant }, each.labels, () => tiers.put(day, stepMs, [each]));
      }
    }
    if (late.length === 0) return;
    await partitions.withinDay(day - DAY, (before) => before.write(before.touching(tenant, late)));
    partitions.touchedDays.add(day - DAY);
  }

  /** What damage made of one series is reported, and does not stop others. */
  async #unlessDamaged<T>(
    { day, tenant }: Pick<OfDay, 'day' | 'tenant'>,
    labels: Labels,
    step: () => Promise<T>,
  ): Promise<T | undefined> {
    const place = `${formatPartitionName({ retention: 'raw', day })} ${formatLabels(labels)}`;
    try {
      return await step();
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#deps.faults.report('points', place, error, tenant);
      return undefined;
    }
  }

  async #samplesOf(
    partition: Partition,
    { day, tenant }: Pick<OfDay, 'day' | 'tenant'>,
    series: Series,
  ): Promise<Samples> {
    const range = samplesOf(day);
    const { live, past } = await partition.read(
      tenant,
      { id: series.id, labels: decodeLabels(series.labelBytes) },
      range,
      this.#deps.codec,
    );
    return merged([this.#deps.head.read(tenant, series.labelBytes, range), live, past]);
  }

  /** A sample of the midnight that ends the day belongs to the day's last point, and is in the next partition. */
  async #midnightsAfter(day: Millis, tenant: TenantId, series: readonly Series[]): Promise<readonly (() => Samples)[]> {
    const midnight = day + DAY;
    const keys = series.flatMap(({ id }) => [
      chunkKey(tenant, id, 'live', midnight),
      chunkKey(tenant, id, 'past', midnight),
    ]);
    // Where the next day cannot be read, it asks for this one again once it can.
    const read = this.#deps.partitions.withinDay(midnight, (next) => next.readMany(keys));
    const found = (await read.catch(() => undefined)) ?? [];
    return series.map(({ labelBytes }, i) => () => {
      const inHead = this.#deps.head.read(tenant, labelBytes, { start: midnight, end: midnight });
      const stored = [found[2 * i], found[2 * i + 1]].flatMap((value) => {
        if (value === undefined) return [];
        const { times, values } = decodeChunk(this.#deps.codec, value);
        return [{ times: times.subarray(0, 1), values: values.subarray(0, 1) }];
      });
      return merged([inHead, ...stored]);
    });
  }

  /** Whether the last point of the day before does not know the sample of the midnight that ends it. */
  async #isMissing(tenant: TenantId, id: Uint8Array, midnight: Millis): Promise<boolean> {
    const before = midnight - DAY;
    const [stepMs] = await this.#madeOf(before).catch((): readonly number[] => []);
    if (stepMs === undefined) return false;
    const newest = await this.#deps.tiers.newestOf(tenant, id, before, stepMs);
    return newest?.times[0] !== midnight || newest.lastBefore[0] !== 0;
  }
}

interface OfDay {
  readonly day: Millis;
  readonly stepsMs: readonly number[];
  readonly tenant: TenantId;
}

function isDamage(error: unknown): boolean {
  return error instanceof RangeError || error instanceof DamagedDataError;
}

function samplesOf(day: Millis): TimeRange {
  return { start: day, end: day + DAY - 1 };
}

function* batchesOf(all: Iterable<Uint8Array | undefined>): Generator<readonly Uint8Array[]> {
  let batch: Uint8Array[] = [];
  let looked = 0;
  for (const each of all) {
    looked++;
    if (each !== undefined) batch.push(each);
    if (batch.length < BATCH_SERIES && looked % LOOK_SERIES !== 0) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
