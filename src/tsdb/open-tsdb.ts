import { randomInt } from 'node:crypto';
import { join, resolve } from 'node:path';
import type { Clock } from '../model/clock.ts';
import { CodedError } from '../model/errors.ts';
import type { Labels } from '../model/labels.ts';
import type { TenantId } from '../model/tenant.ts';
import type { Millis } from '../model/time.ts';
import { evaluatorOver } from '../promql/run.ts';
import type { KeyValue } from '../storage/key-value.ts';
import type { Evaluator, SeriesReader, Storage, TenantStorage } from '../storage/storage.ts';
import type { AliasTable } from './alias-table.ts';
import { type Disk, folderBytes, nodeDisk } from './disk.ts';
import { StorageUnusableError } from './errors.ts';
import { samplesOf } from './head.ts';
import { LevelKeyValue } from './key-value.ts';
import { DEFAULT_LIMITS, type TsdbLimits } from './limits.ts';
import { readerOf } from './reader.ts';
import type { RecoveryReport } from './recovery.ts';
import { SampleStore } from './sample-store.ts';

export interface TsdbOptions {
  /** The data folder. One process at a time. */
  readonly dir: string;
  readonly clock: Pick<Clock, 'now'>;
  /** Answers PromQL over one tenant's series. Default: our engine with its own defaults. */
  readonly evaluator?: (reader: Pick<SeriesReader, 'select'>) => Evaluator;
  readonly limits?: Partial<TsdbLimits>;
  readonly disk?: Disk;
  /** Called once backfilled samples of a series are stored: what was fitted on its history should be fitted again. */
  readonly onBackfill?: (tenant: TenantId, labels: Labels) => void;
  /** Called after each sync of the log, with the time that it took. */
  readonly onSync?: (seconds: number) => void;
}

/** Label bytes as senders write them, to references: the store owns this memory and decoding reads it. */
export interface SeenLabels {
  find(bytes: DataView, start: number, end: number): number;
  expectedLength(bytes: DataView, start: number, limit: number): number;
  takeExpected(): number;
  learn(bytes: Uint8Array, ref: number): void;
  /** Forgets all of them: one was out of date. */
  clear(): void;
}

export interface TsdbStats {
  readonly tenants: number;
  readonly series: number;
  readonly samples: number;
  readonly labelBytes: number;
  readonly logBytes: number;
  readonly recovery: RecoveryReport;
}

export interface Tsdb extends AsyncDisposable {
  readonly storage: Storage;
  readonly keyValue: KeyValue;
  seenLabels(tenant: TenantId): SeenLabels;
  /** Drops what is older than its class is kept; shortens the log when that is worth it. To be called every minute. */
  maintain(now: Millis): Promise<void>;
  stats(): TsdbStats;
  /** Bytes of all files in the data folder: log, snapshots and state. */
  sizeOnDisk(): Promise<number>;
  /** What one tenant has in memory. Looks at each of its series. */
  statsOf(tenant: TenantId): { readonly series: number; readonly samples: number };
}

const SEGMENT_BYTES = 64 << 20;

/**
 * Opens the embedded store: samples in `log/`, small state in `state/`.
 * @throws {StorageInUseError} If another process has the folder open.
 * @throws {StorageUnusableError} If the folder cannot be made, read or written.
 * @throws {StorageFormatError} If a release with another format wrote it.
 */
export async function openTsdb(options: TsdbOptions): Promise<Tsdb> {
  const { clock, evaluator = evaluatorOver, disk = nodeDisk } = options;
  const dir = resolve(options.dir);
  await disk.ensureFolder(dir).catch((error: unknown) => {
    throw new StorageUnusableError(dir, error);
  });
  // First, since its lock tells whether another process is here.
  const keyValue = await LevelKeyValue.open(join(dir, 'state'), dir);
  let samples: SampleStore;
  try {
    samples = await SampleStore.open({
      disk,
      folder: join(dir, 'log'),
      now: () => clock.now(),
      limits: { ...DEFAULT_LIMITS, ...options.limits },
      seed: randomInt(2 ** 32),
      segmentBytes: SEGMENT_BYTES,
      ...(options.onBackfill !== undefined && { onBackfill: options.onBackfill }),
      ...(options.onSync !== undefined && { onSync: options.onSync }),
    });
  } catch (error) {
    await keyValue[Symbol.asyncDispose]();
    throw error instanceof CodedError ? error : new StorageUnusableError(dir, error);
  }
  const { head } = samples;
  const close = async () => {
    try {
      await samples[Symbol.asyncDispose]();
    } finally {
      await keyValue[Symbol.asyncDispose]();
    }
  };
  return {
    storage: {
      tenant: (id) => tenantStorage(samples, id, evaluator),
      tenants: async () => [...head.tenants.values()].flatMap(({ id, series }) => (series.size > 0 ? [id] : [])).sort(),
      [Symbol.asyncDispose]: close,
    },
    keyValue,
    seenLabels: (id) => seenLabelsOf(() => head.tenants.get(id)?.aliases),
    maintain: (now) => samples.maintain(now),
    stats: () => ({
      tenants: head.tenants.size,
      series: head.seriesCount,
      samples: head.samples,
      labelBytes: head.labelBytes,
      logBytes: samples.logBytes,
      recovery: samples.recovery,
    }),
    sizeOnDisk: () => folderBytes(dir),
    statsOf: (id) => {
      const series = [...(head.tenants.get(id)?.series.values() ?? [])];
      return { series: series.length, samples: series.reduce((sum, each) => sum + samplesOf(each), 0) };
    },
    [Symbol.asyncDispose]: close,
  };
}

/** A tenant exists from its first write on, and for good. */
function seenLabelsOf(lookUp: () => AliasTable | undefined): SeenLabels {
  let known = lookUp();
  const table = () => {
    known ??= lookUp();
    return known;
  };
  return {
    find: (bytes, start, end) => table()?.find(bytes, start, end) ?? 0,
    expectedLength: (bytes, start, limit) => table()?.expectedLength(bytes, start, limit) ?? 0,
    takeExpected: () => table()?.takeExpected() ?? 0,
    learn: (bytes, ref) => table()?.learn(bytes, ref),
    clear: () => table()?.clear(),
  };
}

function tenantStorage(
  samples: SampleStore,
  id: TenantId,
  evaluator: (reader: SeriesReader) => Evaluator,
): TenantStorage {
  const reader = readerOf(samples.head, () => samples.head.tenants.get(id));
  const promql = evaluator(reader);
  return {
    ...reader,
    instant: (expression, time, options) => promql.instant(expression, time, options),
    range: (expression, range, options) => promql.range(expression, range, options),
    ref: async (labelSets, retention = 'raw') => samples.ref(id, labelSets, retention),
    write: async (batch) => samples.write(id, batch),
    describe: async (metadata) => samples.describe(id, metadata),
    commit: () => samples.commit(),
    backfill: (runs, retention = 'raw') => samples.backfill(id, runs, retention),
  };
}
