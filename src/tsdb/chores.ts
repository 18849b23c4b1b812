import type { Matcher } from '../model/matcher.ts';
import { DEFAULT_TENANT, type TenantId } from '../model/tenant.ts';
import { DAY, MINUTE, type Millis, type TimeRange } from '../model/time.ts';
import { StorageFullError } from '../storage/errors.ts';
import type { SeriesReader } from '../storage/storage.ts';
import type { Disk } from './disk.ts';
import { ClockAheadError } from './errors.ts';
import { demandKeeper, Expiry } from './expire.ts';
import type { StoreFaults } from './faults.ts';
import { type FlushContext, flushAll, flushHead } from './flush-head.ts';
import type { Head } from './head.ts';
import { movePast } from './import-runs.ts';
import { retentionOf, type TenantBounds, type TsdbLimits } from './limits.ts';
import type { Log } from './log.ts';
import type { SampleCodec } from './partition-chunk.ts';
import type { PartitionName } from './partition-key.ts';
import type { Partitions } from './partitions.ts';
import { PointMaker } from './point-maker.ts';
import { pointSources } from './point-sources.ts';
import { retentionNow } from './retention-clock.ts';
import { writeSnapshot } from './snapshot.ts';
import type { TenantHead } from './tenant-head.ts';
import { readerWithTiers, type TierReaderDeps } from './tier-reader.ts';

/** A snapshot is not worth its writing while the log is shorter than this many segments. */
const MIN_SEGMENTS = 4;
/** What could not be moved to disk is encoded again for each attempt: not every minute. */
const RETRY_MS = 5 * MINUTE;

export interface ChoresOptions {
  readonly disk: Disk;
  /** The folder of segments and snapshots. */
  readonly folder: string;
  readonly limits: TsdbLimits;
  /** Of one tenant, where they differ. */
  readonly boundsOf?: (tenant: TenantId) => TenantBounds;
  readonly segmentBytes: number;
  /** How long points of a length are kept that the limits have not. Left out: no longer. */
  readonly pointsKeptMs?: (stepMs: number) => Millis;
}

export interface ChoresDeps {
  readonly head: Head;
  readonly log: Log;
  readonly codec: SampleCodec;
  readonly faults: StoreFaults;
  /** Without them all samples stay in memory. */
  readonly partitions: Partitions | undefined;
}

export interface PointStats {
  /** In ms. */
  readonly stepMs: number;
  /** Points since the start. */
  readonly written: number;
  readonly bytes: number;
  /** How much longer than planned the oldest samples wait of which none were made. */
  readonly lagMs: number;
}

/**
 * What is done beside writing and reading, one thing after another: retention, moving samples to disk, snapshots of the
 * log, deletion. Points are made beside it.
 */
export class Chores {
  readonly #options: ChoresOptions;
  readonly #deps: ChoresDeps;
  /** Undefined: no points are wanted. */
  readonly #pointMaker: PointMaker | undefined;
  readonly #expiry: Expiry | undefined;
  /** What is older was flushed by the last pass. */
  #flushedTo = Number.NEGATIVE_INFINITY;
  /** When a pass that could not move all is repeated. */
  #flushAgainAt = Number.POSITIVE_INFINITY;
  /**
   * Whether the log still has samples that left memory. A series is not forgotten meanwhile: where it came back under
   * a new reference, the next start would find it twice.
   */
  #owesSnapshot = false;
  /** Size of the newest snapshot, roughly; the log may grow to it before the next one. */
  #snapshotBytes: number;
  #last: Promise<void> = Promise.resolve();
  /** Of the last retention pass. */
  #trustedNow: Millis = Number.NEGATIVE_INFINITY;

  constructor(options: ChoresOptions, deps: ChoresDeps) {
    this.#options = options;
    this.#deps = deps;
    const { head, partitions, codec, faults } = deps;
    this.#snapshotBytes = head.sampleBytes;
    if (partitions === undefined) return;
    this.#expiry = new Expiry(partitions, faults, {
      keepers: [demandKeeper(head, partitions)],
      mayGo: async (day) => (await this.#pointMaker?.mayGo(day, this.#trustedNow)) ?? true,
    });
    const { limits, boundsOf } = options;
    if (limits.tiers.length === 0) return;
    const isFor = (id: TenantId) => boundsOf?.(id).rawRetentionMs === undefined;
    const { tiers } = partitions;
    this.#pointMaker = new PointMaker({ ...pointSources(head), partitions, tiers, codec, limits, isFor, faults });
  }

  /** Hides and drops what was kept for long enough by now, from memory. */
  async forgetOld(now: Millis): Promise<void> {
    const at = await this.#retentionNow(now);
    await this.#deps.head.drop(at, retentionOf(this.#options), { forgets: !this.#owesSnapshot });
  }

  /** Resolves when nothing is under way. */
  settled(): Promise<void> {
    return this.#last;
  }

  /**
   * Deletes the samples of a range, both ends included, imported ones and histograms too, and series that have no others.
   * What arrives meanwhile may stay.
   * @throws {StorageFullError} If samples that are in memory could not be moved to disk, where they are deleted.
   */
  deleteSeries(id: TenantId, matcherSets: readonly (readonly Matcher[])[], range: TimeRange): Promise<number> {
    return this.#serially(async () => {
      const { partitions } = this.#deps;
      if (partitions === undefined) return 0;
      const tenant = this.#deps.head.tenants.get(id);
      if (tenant === undefined) return await partitions.delete(id, matcherSets, range);
      const matching = () => (matcherSets.length === 0 ? [] : tenant.series.selectAny(matcherSets));
      this.#owesSnapshot = true;
      await this.#deps.log.commit();
      const context = this.#flushContext(partitions);
      await flushAll(context, tenant, matching());
      // What came meanwhile held some back: nothing comes while those go.
      await holding(tenant, async () => {
        await this.#deps.log.commit();
        const { isWhole } = await flushAll(context, tenant, matching());
        if (!isWhole) throw new StorageFullError('cannot delete samples that could not be moved to disk');
      });
      const deleted = await partitions.delete(id, matcherSets, range);
      for (const { ref } of matching()) tenant.attachments.deleteHistograms(ref, range);
      // The log that still has them goes.
      await this.#checkpoint();
      return deleted;
    });
  }

  /** Retention, and a snapshot when the log has grown enough to be worth one. */
  maintain(now: Millis): Promise<void> {
    return this.#serially(async () => {
      await this.forgetOld(now);
      try {
        await this.#flushOld(now);
      } finally {
        // The log must not grow for ever where a partition cannot be written.
        const bound = Math.max(MIN_SEGMENTS * this.#options.segmentBytes, 2 * this.#snapshotBytes);
        if (this.#owesSnapshot || this.#deps.log.sizeBytes > bound) await this.#checkpoint();
      }
    });
  }

  /** Makes the points that are wanted of samples of the past. It may take long, and anything else may be done meanwhile. */
  async makePoints(now: Millis, signal?: AbortSignal): Promise<void> {
    await this.#pointMaker?.run(now, signal);
  }

  /** A tenant's series, as points too where they are made. */
  withPoints(reader: SeriesReader, of: Pick<TierReaderDeps, 'tenant' | 'floors' | 'inMemory'>): SeriesReader {
    const { partitions } = this.#deps;
    const pointMaker = this.#pointMaker;
    if (partitions === undefined || pointMaker === undefined) return reader;
    return readerWithTiers(reader, {
      ...of,
      partitions,
      limits: this.#options.limits.tiers,
      madeTo: (stepMs) => pointMaker.madeTo(this.#trustedNow, stepMs),
      pointsSince: (stepMs) => this.#pointsSince(of.tenant, stepMs),
    });
  }

  async pointStats(now: Millis): Promise<readonly PointStats[]> {
    const { partitions } = this.#deps;
    const pointMaker = this.#pointMaker;
    if (partitions === undefined || pointMaker === undefined) return [];
    const { tiers } = partitions;
    return await Promise.all(
      this.#options.limits.tiers.map(async ({ stepMs }) => ({
        stepMs,
        written: tiers.written.get(stepMs) ?? 0,
        bytes: await tiers.bytes(stepMs),
        lagMs: await pointMaker.lagMs(now, stepMs),
      })),
    );
  }

  /** Before when a tenant has no points of a length. */
  #pointsSince(tenant: TenantId, stepMs: number): Millis {
    const { limits, pointsKeptMs } = this.#options;
    const tier = limits.tiers.find((each) => each.stepMs === stepMs);
    const mostMs = this.#options.boundsOf?.(tenant).rawRetentionMs ?? Number.POSITIVE_INFINITY;
    return this.#trustedNow - Math.min(tier?.keepMs ?? pointsKeptMs?.(stepMs) ?? 0, mostMs);
  }

  /** Writes a snapshot and removes the segments that it replaces. */
  checkpoint(): Promise<void> {
    return this.#serially(() => this.#checkpoint());
  }

  /**
   * Runs `copy` while nothing moves from the log to partitions, and nothing goes. Once it has cut the log, everything
   * committed before is in partitions or in the files of the log below that segment, and those stay as they are.
   */
  whileStill(copy: (cutLog: () => Promise<number>) => Promise<void>): Promise<void> {
    return this.#serially(() => copy(async () => (await this.#deps.log.cut()).segment));
  }

  /** A clock that runs ahead of what is stored removes nothing, and is reported. */
  async #retentionNow(now: Millis): Promise<Millis> {
    const names = this.#deps.partitions?.names ?? [];
    const trusted = retentionNow(now, [...(await this.#deps.head.newestDays()), ...names.map(({ day }) => day)]);
    const { retentionMs } = this.#options.limits;
    const isExpired = ({ day, retention }: PartitionName, at: Millis) => day + DAY <= at - retentionMs[retention];
    const spared = names.filter((name) => isExpired(name, now) && !isExpired(name, trusted));
    if (spared.length === 0) this.#deps.faults.clear('clock', 'retention');
    else this.#deps.faults.report('clock', 'retention', new ClockAheadError(now, trusted));
    this.#trustedNow = trusted;
    return trusted;
  }

  /** Moves old samples to disk, each time that the boundary moves on. */
  async #flushOld(now: Millis): Promise<void> {
    const { partitions } = this.#deps;
    if (partitions === undefined) return;
    const tenants = [...this.#deps.head.tenants.keys(), DEFAULT_TENANT];
    await this.#expiry?.run((tenant) => this.#deps.head.floorsOf(tenant), tenants);
    await partitions.tiers.dropBefore((...of) => this.#pointsSince(...of), { tenants, faults: this.#deps.faults });
    const { headMs } = this.#options.limits;
    const boundary = Math.floor(now / headMs - 1) * headMs;
    if (boundary === this.#flushedTo && now < this.#flushAgainAt) return;
    await movePast(this.#deps.head, partitions, this.#deps.faults);
    const { moved, isWhole } = await flushHead(this.#flushContext(partitions), boundary);
    this.#flushedTo = boundary;
    this.#flushAgainAt = isWhole ? Number.POSITIVE_INFINITY : now + RETRY_MS;
    if (moved > 0) this.#owesSnapshot = true;
  }

  #flushContext(partitions: Partitions): FlushContext {
    return { ...this.#deps, partitions };
  }

  async #checkpoint(): Promise<void> {
    const { disk, folder } = this.#options;
    // Twice: what is cut off may have more of them, and without the first look each attempt left a segment.
    this.#refuseOwed();
    const { segment, olderBytes } = await this.#deps.log.cut();
    this.#refuseOwed();
    this.#snapshotBytes = await writeSnapshot(disk, folder, this.#deps.head, segment);
    this.#deps.log.removed(olderBytes);
    this.#owesSnapshot = false;
  }

  /** The log must not go while it alone has some samples. */
  #refuseOwed(): void {
    const owed = this.#deps.head.live.publishOwed();
    if (owed === 0) return;
    throw new StorageFullError(`cannot shorten the log: memory has no room for ${owed} late samples that it has`);
  }

  #serially<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#last.then(step);
    this.#last = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }
}

/** Writers of the tenant wait meanwhile. */
async function holding(tenant: TenantHead, step: () => Promise<void>): Promise<void> {
  const done = step();
  const held = done.catch(() => undefined);
  tenant.held = held;
  try {
    await done;
  } finally {
    tenant.held = undefined;
  }
}
