import { join } from 'node:path';
import { compareLabels, type Labels, labelsKey } from '../model/labels.ts';
import type { Matcher } from '../model/matcher.ts';
import type { Points } from '../model/point-columns.ts';
import { fullerPoints, joinPoints, pointsWithin, pointsWithout } from '../model/points.ts';
import type { TenantId } from '../model/tenant.ts';
import { DAY, type Millis, type TimeRange } from '../model/time.ts';
import { TooManySamplesError } from '../storage/errors.ts';
import type { SelectOptions } from '../storage/storage.ts';
import { folderBytes, nodeDisk } from './disk.ts';
import { linkFiles } from './link-files.ts';
import type { Partition, PartitionPlace } from './partition.ts';
import type { SampleCodec } from './partition-chunk.ts';
import { type ExpiryOptions, PartitionExpiry } from './partition-expiry.ts';
import { pointsKey, seriesKey } from './partition-key.ts';
import { PartitionSlots } from './partition-slots.ts';
import type { LevelChange } from './safe-level.ts';
import { MONTHS, type TierName, tierOf } from './tier-name.ts';
import { decodePoints, encodePoints } from './tier-value.ts';

/** The points of one series and day. */
export interface DayOfPoints {
  readonly tenant: TenantId;
  readonly id: Uint8Array;
  readonly labels: Labels;
  readonly labelBytes: Uint8Array;
  readonly points: Points;
}

export interface PointSeries {
  readonly labels: Labels;
  readonly points: Points;
}

/** Called before points of series and a day are deleted, and behind it. */
export type OnCut = (day: Millis, tenant: TenantId, ids: readonly Uint8Array[]) => Promise<void>;

/** Series of one batch: other work gets its turn between two. */
const BATCH_SERIES = 64;

/**
 * Points on disk: a LevelDB for each length of them and month. A day has those whose times are in (midnight, next
 * midnight]. Everything that changes them is done one after another and may be repeated.
 */
export class Tiers implements AsyncDisposable {
  readonly #slots: PartitionSlots<TierName>;
  readonly #codec: SampleCodec;
  readonly #folder: string;
  readonly #expiry: PartitionExpiry<TierName>;
  readonly #written = new Map<number, number>();
  #changing: Promise<void> = Promise.resolve();

  private constructor(slots: PartitionSlots<TierName>, codec: SampleCodec, folder: string) {
    this.#slots = slots;
    this.#codec = codec;
    this.#folder = folder;
    this.#expiry = new PartitionExpiry(slots, MONTHS);
  }

  static async open(place: PartitionPlace, codec: SampleCodec): Promise<Tiers> {
    return new Tiers(await PartitionSlots.open(place, MONTHS), codec, place.folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#changing;
    await this.#slots[Symbol.asyncDispose]();
  }

  /** Points written since the start, by their length in ms. */
  get written(): ReadonlyMap<number, number> {
    return this.#written;
  }

  async bytes(stepMs: number): Promise<number> {
    const sizes = this.#names(stepMs).map((name) => folderBytes(join(this.#folder, MONTHS.format(name))));
    return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  }

  /** Adds points of one day. A point that is there already stays, but where the new one has more samples. Durable when it resolves. */
  put(day: Millis, stepMs: number, series: readonly DayOfPoints[]): Promise<void> {
    return this.#serially(async () => {
      const filled = series.filter(({ points }) => points.times.length > 0);
      if (filled.length === 0) return;
      await this.#slots.withNew(tierOf(stepMs, day), (partition) => this.#putInto(partition, day, filled));
    });
  }

  /** The newest point of a series and day. */
  async newestOf(tenant: TenantId, id: Uint8Array, day: Millis, stepMs: number): Promise<Points | undefined> {
    return await this.#slots.with(tierOf(stepMs, day), async (partition) => {
      const [value] = await partition.readMany([pointsKey(tenant, id, day)]);
      if (value === undefined) return undefined;
      const points = decodePoints(this.#codec, value, stepMs);
      const newest = points.times.at(-1)!;
      return pointsWithin(points, { start: newest, end: newest });
    });
  }

  /** Series with points whose times are in the range, both ends included, in the order of `compareLabels`. */
  async select(
    tenant: TenantId,
    stepMs: number,
    { matchers, range }: { readonly matchers: readonly Matcher[]; readonly range: TimeRange },
    { maxSamples = Number.POSITIVE_INFINITY, signal }: SelectOptions = {},
  ): Promise<readonly PointSeries[]> {
    const found = new Map<string, { readonly labels: Labels; readonly parts: Points[] }>();
    let loaded = 0;
    for (const name of this.#touching(stepMs, range)) {
      await this.#slots.with(name, async (partition) => {
        for (const { id, labels } of (await partition.indexOf(tenant)).select([matchers])) {
          signal?.throwIfAborted();
          const key = labelsKey(labels);
          for (const [day, value] of await partition.storedPoints(tenant, id)) {
            if (day >= range.end || day + DAY < range.start) continue;
            const points = pointsWithin(decodePoints(this.#codec, value, stepMs), range);
            if (points.times.length === 0) continue;
            loaded += points.times.length;
            if (loaded > maxSamples) throw new TooManySamplesError(maxSamples);
            const of = found.get(key) ?? { labels, parts: [] };
            of.parts.push(points);
            found.set(key, of);
          }
        }
      });
    }
    return [...found.values()]
      .map(({ labels, parts }) => ({ labels, points: joinPoints(parts) }))
      .sort((a, b) => compareLabels(a.labels, b.labels));
  }

  /** Label sets with a point whose time is in the range, both ends included. Looks into points only where it cuts a month. */
  async series(
    tenant: TenantId,
    stepMs: number,
    { matcherSets, range }: { readonly matcherSets: readonly (readonly Matcher[])[]; readonly range: TimeRange },
  ): Promise<ReadonlyMap<string, Labels>> {
    const found = new Map<string, Labels>();
    for (const name of this.#touching(stepMs, range)) {
      const span = MONTHS.spanOf(name);
      const isWhole = range.start <= span.start + stepMs && range.end >= span.end;
      await this.#slots.with(name, async (partition) => {
        for (const { id, labels } of (await partition.indexOf(tenant)).select(matcherSets)) {
          const key = labelsKey(labels);
          if (found.has(key)) continue;
          if (isWhole || (await this.#hasPoints(partition, { tenant, id, stepMs, range }))) found.set(key, labels);
        }
      });
    }
    return found;
  }

  /** Deletes all points that have anything of the range, both ends included. To be repeated where it fails. */
  async delete(
    tenant: TenantId,
    matcherSets: readonly (readonly Matcher[])[],
    range: TimeRange,
    onCut: OnCut,
  ): Promise<void> {
    for (const name of this.#slots.names) {
      const span = MONTHS.spanOf(name);
      if (span.start >= range.end + name.stepMs || span.end < range.start) continue;
      await this.#slots.with(name, async (partition) => {
        const all = (await partition.indexOf(tenant)).select(matcherSets);
        for (let at = 0; at < all.length; at += BATCH_SERIES) {
          const batch = all.slice(at, at + BATCH_SERIES);
          const days = [...(await daysOf(partition, tenant, batch))].filter((day) => {
            return day < range.end + name.stepMs && day + DAY >= range.start;
          });
          const ids = batch.map(({ id }) => id);
          // Again behind it: points may have been made anew in between, and are cut with the others.
          for (const day of days) await onCut(day, tenant, ids);
          await this.#serially(() => this.#cut(partition, name, { tenant, batch, range }));
          for (const day of days) await onCut(day, tenant, ids);
        }
      });
    }
  }

  /**
   * Deletes whole months that tenants keep no longer.
   * @param floorOf Before when a tenant keeps no points of this length.
   */
  async dropBefore(
    floorOf: (tenant: TenantId, stepMs: number) => Millis,
    options: Pick<ExpiryOptions, 'tenants' | 'faults'>,
  ): Promise<void> {
    for (const stepMs of new Set(this.#slots.names.map((name) => name.stepMs))) {
      await this.#expiry.run(this.#names(stepMs), {
        floorOf: (tenant) => floorOf(tenant, stepMs),
        ...options,
        serially: (step) => this.#serially(step),
      });
    }
  }

  async holds(tenant: TenantId): Promise<boolean> {
    for (const name of this.#slots.names) {
      if ((await this.#slots.with(name, (partition) => partition.holds(tenant))) === true) return true;
    }
    return false;
  }

  /** Copies all partitions into a folder, each as of one moment. */
  checkpoint(into: string): Promise<void> {
    return this.#serially(async () => {
      for (const name of this.#slots.names) {
        const copy = join(into, MONTHS.format(name));
        await nodeDisk.ensureFolder(copy);
        await this.#slots.withClosed(name, (folder) => linkFiles(folder, copy));
        await nodeDisk.syncFolder(copy);
      }
    });
  }

  #names(stepMs: number): readonly TierName[] {
    return this.#slots.names.filter((name) => name.stepMs === stepMs);
  }

  #touching(stepMs: number, { start, end }: TimeRange): readonly TierName[] {
    return this.#names(stepMs).filter((name) => {
      const span = MONTHS.spanOf(name);
      return span.start < end && span.end >= start;
    });
  }

  async #putInto(partition: Partition, day: Millis, series: readonly DayOfPoints[]): Promise<void> {
    const keys = series.flatMap(({ tenant, id }) => [seriesKey(tenant, id), pointsKey(tenant, id, day)]);
    const stored = await partition.readMany(keys);
    const changes: LevelChange<Uint8Array>[] = [];
    const written = new Map<number, number>();
    for (const [i, { labelBytes, points }] of series.entries()) {
      const { stepMs } = points;
      const before = stored[2 * i + 1];
      const all = before === undefined ? points : fullerPoints(decodePoints(this.#codec, before, stepMs), points);
      const value = encodePoints(this.#codec, all);
      if (stored[2 * i] === undefined) changes.push({ key: keys[2 * i]!, value: labelBytes });
      if (before !== undefined && Buffer.compare(before, value) === 0) continue;
      changes.push({ key: keys[2 * i + 1]!, value });
      written.set(stepMs, (written.get(stepMs) ?? 0) + points.times.length);
    }
    await partition.write(changes);
    for (const { tenant, id, labels } of series) await partition.added(tenant, [{ id, labels }]);
    for (const [stepMs, count] of written) this.#written.set(stepMs, (this.#written.get(stepMs) ?? 0) + count);
  }

  async #cut(partition: Partition, { stepMs }: TierName, { tenant, batch, range }: Cut): Promise<void> {
    const changes: LevelChange<Uint8Array>[] = [];
    const gone: Labels[] = [];
    for (const { id, labels } of batch) {
      let left = 0;
      for (const [day, value] of await partition.storedPoints(tenant, id)) {
        const points = this.#readable(value, stepMs);
        if (points === undefined) {
          // Damaged: they go as a whole where any of them may be of the range.
          if (day < range.end + stepMs && day + DAY >= range.start) {
            changes.push({ key: pointsKey(tenant, id, day), value: undefined });
          } else left++;
          continue;
        }
        const rest = pointsWithout(points, range);
        left += rest.times.length;
        if (rest.times.length === points.times.length) continue;
        const key = pointsKey(tenant, id, day);
        changes.push({ key, value: rest.times.length === 0 ? undefined : encodePoints(this.#codec, rest) });
      }
      if (left > 0) continue;
      changes.push({ key: seriesKey(tenant, id), value: undefined });
      gone.push(labels);
    }
    await partition.write(changes);
    await partition.removed(tenant, gone);
  }

  async #hasPoints(partition: Partition, { tenant, id, stepMs, range }: Sought): Promise<boolean> {
    for (const [day, value] of await partition.storedPoints(tenant, id)) {
      if (day >= range.end || day + DAY < range.start) continue;
      if (pointsWithin(decodePoints(this.#codec, value, stepMs), range).times.length > 0) return true;
    }
    return false;
  }

  #readable(value: Uint8Array, stepMs: number): Points | undefined {
    try {
      return decodePoints(this.#codec, value, stepMs);
    } catch (error) {
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  }

  #serially<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#changing.then(step);
    this.#changing = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }
}

interface Sought {
  readonly tenant: TenantId;
  readonly id: Uint8Array;
  readonly stepMs: number;
  readonly range: TimeRange;
}

interface Cut {
  readonly tenant: TenantId;
  readonly batch: readonly { readonly id: Uint8Array; readonly labels: Labels }[];
  readonly range: TimeRange;
}

async function daysOf(partition: Partition, tenant: TenantId, series: Cut['batch']): Promise<ReadonlySet<Millis>> {
  const days = new Set<Millis>();
  for (const { id } of series) for (const [day] of await partition.storedPoints(tenant, id)) days.add(day);
  return days;
}
