import { randomInt } from 'node:crypto';
import { join, resolve } from 'node:path';
import type { Clock } from '../model/clock.ts';
import { CodedError } from '../model/errors.ts';
import type { Labels } from '../model/labels.ts';
import type { Matcher } from '../model/matcher.ts';
import type { TenantId } from '../model/tenant.ts';
import type { Millis, TimeRange } from '../model/time.ts';
import { evaluatorOver } from '../promql/run.ts';
import type { KeyValue } from '../storage/key-value.ts';
import type { Evaluator, QuerySource, Storage, TenantStorage } from '../storage/storage.ts';
import { LabelTables } from '../wire/label-tables.ts';
import { attachmentReaderOf } from './attachment-reader.ts';
import type { PointStats } from './chores.ts';
import { type CoreExports, loadCore } from './core.ts';
import { type Disk, folderBytes, nodeDisk } from './disk.ts';
import { StorageUnusableError } from './errors.ts';
import type { StoreFault } from './faults.ts';
import type { Head } from './head.ts';
import { openKeptPoints } from './kept-points.ts';
import { LevelKeyValue } from './key-value.ts';
import { DEFAULT_LIMITS, type TenantBounds, type TsdbLimits } from './limits.ts';
import { LiveWriter } from './live-writer.ts';
import { readerOfBoth } from './partition-reader.ts';
import { readerOf } from './reader.ts';
import type { RecoveryReport } from './recovery.ts';
import { refuseUnfinishedRestore } from './restore-snapshot.ts';
import { SampleStore } from './sample-store.ts';
import { startsOfBoth } from './starts-on-disk.ts';
import { type SnapshotState, Snapshots, type TakenSnapshot } from './take-snapshot.ts';
import { Turns } from './turns.ts';

export interface TsdbOptions {
  /** The data folder. One process at a time. */
  readonly dir: string;
  readonly clock: Pick<Clock, 'now'>;
  /** Answers PromQL over one tenant's series. Default: our engine with its own defaults. */
  readonly evaluator?: (reader: QuerySource) => Evaluator;
  readonly limits?: Partial<TsdbLimits>;
  /** Of one tenant, where tenants differ. */
  readonly boundsOf?: (tenant: TenantId) => TenantBounds;
  readonly disk?: Disk;
  /** Named in snapshots. */
  readonly release?: string;
  /** Called once backfilled samples of a series are stored: what was fitted on its history should be fitted again. */
  readonly onBackfill?: (tenant: TenantId, labels: Labels) => void;
  /** Called after each sync of the log, with the time that it took. */
  readonly onSync?: (seconds: number) => void;
  /** Called each time that a chore of maintenance fails; others go on. */
  readonly onFault?: (fault: StoreFault) => void;
}

export interface TsdbStats {
  readonly tenants: number;
  readonly series: number;
  readonly samples: number;
  /** Bytes of all samples in memory. */
  readonly sampleBytes: number;
  readonly labelBytes: number;
  readonly logBytes: number;
  readonly recovery: RecoveryReport;
  /** What maintenance could not do, and tries again. */
  readonly faults: readonly StoreFault[];
}

export interface Tsdb extends AsyncDisposable {
  readonly storage: Storage;
  readonly keyValue: KeyValue;
  /** Labels as senders write them, to references. Requests are decoded in its memory. */
  readonly labels: LabelTables;
  /** Whose memory samples and labels are in. */
  readonly core: CoreExports;
  /** Drops what is older than its class is kept; shortens the log when that is worth it. To be called every minute. */
  maintain(now: Millis): Promise<void>;
  /** Makes points of samples of the past, where they are wanted. To be called every minute; it may take long. */
  makePoints(now: Millis, signal?: AbortSignal): Promise<void>;
  /** Of each length of points that are made. */
  pointStats(now: Millis): Promise<readonly PointStats[]>;
  /** Writes a snapshot now, and removes the log that it replaces. */
  checkpoint(): Promise<void>;
  /** Deletes samples of a range, both ends included, and series that have no others. Returns how many went. */
  deleteSeries(tenant: TenantId, matcherSets: readonly (readonly Matcher[])[], range: TimeRange): Promise<number>;
  /**
   * Takes a snapshot of the whole store, for `restoreSnapshot`, while it runs. Everything acknowledged before is in it.
   * @throws {SnapshotRunningError} If another one is being taken.
   * @throws {StorageFullError} If it cannot be written.
   */
  takeSnapshot(): Promise<TakenSnapshot>;
  snapshotState(): Promise<SnapshotState>;
  stats(): TsdbStats;
  /** Bytes of all files in the data folder: log, snapshots and state. */
  sizeOnDisk(): Promise<number>;
  /** Series that one tenant has in memory. */
  seriesOf(tenant: TenantId): number;
  /** Chunks of live samples that one tenant has in memory, open ones included, and the times of the first and the last. */
  headChunks(
    tenant: TenantId,
  ): Promise<{ readonly chunks: number; readonly minTime: Millis; readonly maxTime: Millis }>;
  /** What one tenant has in memory. Looks at each of its series. */
  statsOf(tenant: TenantId): { readonly series: number; readonly samples: number };
}

const SEGMENT_BYTES = 64 << 20;

/**
 * Opens the embedded store: samples in `log/`, small state in `state/`.
 * @throws {StorageInUseError} If another process has the folder open.
 * @throws {StorageUnusableError} If the folder cannot be made, read or written.
 * @throws {StorageFormatError} If a release with another format wrote it.
 * @throws {RestoreUnfinishedError} If a restore into the folder was interrupted.
 */
export async function openTsdb(options: TsdbOptions): Promise<Tsdb> {
  const { clock, evaluator = evaluatorOver, disk = nodeDisk } = options;
  const dir = resolve(options.dir);
  await disk.ensureFolder(dir).catch((error: unknown) => {
    throw new StorageUnusableError(dir, error);
  });
  await refuseUnfinishedRestore(dir);
  const core = await loadCore();
  // First, since its lock tells whether another process is here.
  const keyValue = await LevelKeyValue.open(join(dir, 'state'), dir);
  let samples: SampleStore;
  try {
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    samples = await SampleStore.open({
      disk,
      core,
      folder: join(dir, 'log'),
      partitions: { folder: join(dir, 'partitions'), dataFolder: dir },
      now: () => clock.now(),
      limits,
      pointsKeptMs: await openKeptPoints(keyValue, limits.tiers),
      seed: randomInt(2 ** 32),
      segmentBytes: SEGMENT_BYTES,
      ...(options.boundsOf !== undefined && { boundsOf: options.boundsOf }),
      ...(options.onBackfill !== undefined && { onBackfill: options.onBackfill }),
      ...(options.onSync !== undefined && { onSync: options.onSync }),
      ...(options.onFault !== undefined && { onFault: options.onFault }),
    });
  } catch (error) {
    await keyValue[Symbol.asyncDispose]();
    throw error instanceof CodedError ? error : new StorageUnusableError(dir, error);
  }
  const { head } = samples;
  const snapshots = new Snapshots({ dir, release: options.release ?? '', now: clock.now, samples, keyValue });
  await snapshots.removeUnfinished();
  const labels = new LabelTables(core, [
    randomInt(2 ** 32),
    randomInt(2 ** 32),
    randomInt(2 ** 32),
    randomInt(2 ** 32),
  ]);
  const writer = samples.partitions && new LiveWriter(samples, samples.partitions);
  const storageOf = rememberLast((id: TenantId) => tenantStorage(samples, writer, id, evaluator));
  const close = async () => {
    try {
      await samples[Symbol.asyncDispose]();
    } finally {
      await keyValue[Symbol.asyncDispose]();
    }
  };
  return {
    storage: {
      tenant: storageOf,
      async tenants() {
        const found: TenantId[] = [];
        for (const { id, series } of [...head.tenants.values()]) {
          if (series.size > 0 || (await samples.partitions?.holds(id)) === true) found.push(id);
        }
        return found.sort();
      },
      [Symbol.asyncDispose]: close,
    },
    keyValue,
    labels,
    core,
    maintain: (now) => samples.chores.maintain(now),
    deleteSeries: (id, matcherSets, range) => samples.chores.deleteSeries(id, matcherSets, range),
    makePoints: (now, signal) => samples.chores.makePoints(now, signal),
    pointStats: (now) => samples.chores.pointStats(now),
    checkpoint: () => samples.chores.checkpoint(),
    takeSnapshot: () => snapshots.take(),
    snapshotState: () => snapshots.state(),
    stats: () => ({
      tenants: head.tenants.size,
      series: head.seriesCount,
      samples: head.samples,
      sampleBytes: head.sampleBytes,
      labelBytes: head.labelBytes,
      logBytes: samples.logBytes,
      recovery: samples.recovery,
      faults: samples.faults.standing,
    }),
    sizeOnDisk: () => folderBytes(dir),
    seriesOf: (id) => head.tenants.get(id)?.series.size ?? 0,
    headChunks: (id) => headChunks(head, id),
    statsOf: (id) => {
      const series = [...(head.tenants.get(id)?.series.values() ?? [])];
      return { series: series.length, samples: series.reduce((sum, each) => sum + head.samplesOf(each), 0) };
    },
    [Symbol.asyncDispose]: close,
  };
}

async function headChunks({ tenants, live: { core } }: Head, id: TenantId) {
  let [chunks, minTime, maxTime] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const turns = new Turns();
  for (const { ref, slot } of tenants.get(id)?.series.values() ?? []) {
    const pause = turns.due();
    if (pause !== undefined) await pause;
    // Forgotten meanwhile: another may be there.
    if (tenants.get(id)?.series.has(ref) !== true) continue;
    const newest = core.newestOf(slot);
    const visible = core.readSeries(slot, Number.NEGATIVE_INFINITY, newest);
    if (visible <= 0) continue;
    const closed = core.closedChunks(slot);
    chunks += closed + (closed > 0 && core.chunkLast(core.chunkAt(slot, closed - 1)) === newest ? 0 : 1);
    minTime = Math.min(minTime, new Float64Array(core.memory.buffer, core.readTimes() >>> 0, 1)[0]!);
    maxTime = Math.max(maxTime, newest);
  }
  return chunks === 0 ? { chunks, minTime: 0, maxTime: 0 } : { chunks, minTime, maxTime };
}

/** What one tenant's storage is made of takes 3 % of the processor under remote write, where every request asks for it. */
const REMEMBERED = 256;

/** Remembers what was made for some tenants: senders may name any number of them. */
function rememberLast<T>(make: (id: TenantId) => T): (id: TenantId) => T {
  const made = new Map<TenantId, T>();
  return (id) => {
    let one = made.get(id);
    if (one !== undefined) return one;
    if (made.size >= REMEMBERED) made.clear();
    one = make(id);
    made.set(id, one);
    return one;
  };
}

function tenantStorage(
  samples: SampleStore,
  writer: LiveWriter | undefined,
  id: TenantId,
  evaluator: (reader: QuerySource) => Evaluator,
): TenantStorage {
  const { head, partitions } = samples;
  const inMemory = readerOf(head, () => head.tenants.get(id));
  const floors = () => head.floorsOf(id);
  const both = partitions === undefined ? inMemory : readerOfBoth(inMemory, partitions, { tenant: id, floors });
  const reader = samples.chores.withPoints(both, { tenant: id, floors, inMemory });
  const attached = attachmentReaderOf(samples.head, () => samples.head.tenants.get(id));
  const attachments = {
    ...attached,
    ...(partitions !== undefined && startsOfBoth(attached, partitions, { tenant: id, floors })),
  };
  const promql = evaluator({ ...reader, ...attachments });
  return {
    ...reader,
    ...attachments,
    instant: (expression, time, options) => promql.instant(expression, time, options),
    range: (expression, range, options) => promql.range(expression, range, options),
    ref: async (labelSets, retention = 'raw') => samples.ref(id, labelSets, retention),
    write: writer === undefined ? async (batch) => samples.write(id, batch) : (batch) => writer.write(id, batch),
    attach: async (attachments) => samples.attach(id, attachments),
    describe: async (metadata) => samples.describe(id, metadata),
    commit: () => samples.commit(),
    backfill: (runs, retention = 'raw') => samples.backfill(id, runs, retention),
  };
}
