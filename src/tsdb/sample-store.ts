import type { Labels } from '../model/labels.ts';
import type { SampledSeries } from '../model/series.ts';
import type { TenantId } from '../model/tenant.ts';
import type { Millis } from '../model/time.ts';
import { StorageFullError } from '../storage/errors.ts';
import type { BackfillOutcome } from '../storage/storage.ts';
import {
  type Attachments,
  type AttachOutcomes,
  type MetricMetadata,
  OUTCOME,
  type RefAnswer,
  type RetentionClass,
  type WriteBatch,
} from '../storage/write.ts';
import { attach } from './attach.ts';
import type { StartChanges } from './attachments.ts';
import { Chores } from './chores.ts';
import { sampleCodecOf } from './codec.ts';
import { type CoreExports, loadCore } from './core.ts';
import type { Disk } from './disk.ts';
import { fullWhereUsedUp } from './errors.ts';
import { type StoreFault, StoreFaults } from './faults.ts';
import { Head, longer, MAX_REF } from './head.ts';
import type { HeadSeries } from './head-series.ts';
import { importRuns } from './import-runs.ts';
import { retentionOf, type TenantBounds, type TsdbLimits } from './limits.ts';
import { APPENDED_LATE, type AppendBounds, BatchColumns } from './live-samples.ts';
import { Log } from './log.ts';
import type { SampleCodec } from './partition-chunk.ts';
import { Partitions } from './partitions.ts';
import { MAX_RECORD_LABEL_BYTES, MAX_RECORD_SAMPLES } from './record.ts';
import { type RecoveryReport, recover } from './recovery.ts';
import { overSeriesPerMetric, overSeriesPerTenant } from './series-limits.ts';
import type { TenantHead } from './tenant-head.ts';

export interface SampleStoreOptions {
  readonly disk: Disk;
  /** Whose memory samples are in. Default: one of its own. */
  readonly core?: CoreExports;
  /** The folder of segments and snapshots. */
  readonly folder: string;
  /** The folder of partitions, and the one to name in errors. Without it all samples stay in memory, and none are imported. */
  readonly partitions?: { readonly folder: string; readonly dataFolder: string };
  readonly now: () => Millis;
  readonly limits: TsdbLimits;
  /** Of one tenant, where they differ. */
  readonly boundsOf?: (tenant: TenantId) => TenantBounds;
  /** How long points of a length are kept that the limits have not. Left out: no longer. */
  readonly pointsKeptMs?: (stepMs: number) => Millis;
  /** A number that attackers cannot know: the hash of label bytes starts from it. */
  readonly seed: number;
  readonly segmentBytes: number;
  /** Called once backfilled samples of a series are stored: what was fitted on its history should be fitted again. */
  readonly onBackfill?: (tenant: TenantId, labels: Labels) => void;
  /** Called after each sync of the log, with the time that it took. */
  readonly onSync?: (seconds: number) => void;
  /** Called each time that a chore of maintenance fails. */
  readonly onFault?: (fault: StoreFault) => void;
}

/**
 * Samples of all tenants: the head in memory, the log that makes it durable, and snapshots that keep the log short.
 *
 * What bounds memory: `limits` (bytes of samples, label bytes, series, metadata, backlog) and retention. Segments and
 * snapshots exist to fill the head again; what left it is in partitions, see `chores`.
 */
export class SampleStore implements AsyncDisposable {
  readonly head: Head;
  readonly recovery: RecoveryReport;
  /** Samples that left memory, and imported ones. */
  readonly partitions: Partitions | undefined;
  readonly faults: StoreFaults;
  readonly chores: Chores;
  readonly #options: SampleStoreOptions;
  readonly #log: Log;
  #stagedAttachments: { visible: boolean }[] = [];

  private constructor(
    options: SampleStoreOptions,
    { head, recovery, log, partitions, codec }: Pick<SampleStore, 'head' | 'recovery' | 'partitions'> & Inner,
  ) {
    this.partitions = partitions;
    this.faults = new StoreFaults(options.onFault);
    this.chores = new Chores(options, { head, log, partitions, codec, faults: this.faults });
    this.#options = options;
    this.head = head;
    this.recovery = recovery;
    this.#log = log;
  }

  static async open(options: SampleStoreOptions): Promise<SampleStore> {
    const { disk, folder, segmentBytes, limits, now } = options;
    await disk.ensureFolder(folder);
    const head = new Head(options.seed, options.core ?? (await loadCore()), limits.maxExemplarsPerTenant);
    const { report, nextSegment, logBytes } = await recover(disk, folder, head);
    const onTake = () => store.#takeStaged();
    const { onSync } = options;
    const hooks = { onTake, ...(onSync !== undefined && { onSync }) };
    const log = new Log({ disk, folder, segment: nextSegment, segmentBytes, ...hooks }, logBytes);
    const { core } = head.live;
    const codec = sampleCodecOf(core);
    const partitions =
      options.partitions && (await Partitions.open({ ...options.partitions, seed: options.seed, codec }));
    const store: SampleStore = new SampleStore(options, { head, recovery: report, log, partitions, codec });
    await store.chores.forgetOld(now());
    return store;
  }

  get logBytes(): number {
    return this.#log.sizeBytes;
  }

  /** @throws {StorageFullError} If a series is new, and memory is used up or too much waits for the log already. */
  ref(id: TenantId, labelSets: readonly Uint8Array[], retention: RetentionClass): readonly RefAnswer[] {
    try {
      const bounds = this.#seriesBounds(id);
      return labelSets.map((labels) => {
        const series = this.#seriesOf(id, labels, retention, bounds);
        return 'kind' in series ? series : { kind: 'ref', ref: series.ref };
      });
    } catch (error) {
      throw fullWhereUsedUp(error);
    }
  }

  /**
   * Columns may be views of the store's own memory: they are not copied, and may be empty afterwards.
   * @throws {StorageFullError} If memory is used up: what is stored by then is a duplicate for the next attempt.
   */
  write(id: TenantId, batch: WriteBatch): Uint8Array {
    try {
      return this.#write(id, batch);
    } catch (error) {
      throw fullWhereUsedUp(error);
    }
  }

  #write(id: TenantId, batch: WriteBatch): Uint8Array {
    const count = batch.refs.length;
    const tenant = this.head.tenants.get(id);
    if (tenant === undefined) return new Uint8Array(count).fill(OUTCOME.gone);
    const { head } = this;
    // Each sample may change the start twice.
    if (batch.starts !== undefined && head.attached.held + 32 * count > this.#options.limits.maxAttachedBytes) {
      return new Uint8Array(count).fill(OUTCOME.full);
    }
    const noting = batch.starts !== undefined || tenant.attachments.hasStarts;
    const columns = new BatchColumns(batch, head.live.core.memory, noting);
    const bounds = this.#appendBounds(id, count);
    if (count <= MAX_RECORD_SAMPLES) return this.#append(tenant, columns, 0, count, bounds);
    const outcomes = new Uint8Array(count);
    for (let from = 0; from < count; from += MAX_RECORD_SAMPLES) {
      const to = Math.min(count, from + MAX_RECORD_SAMPLES);
      outcomes.set(this.#append(tenant, columns, from, to, bounds), from);
    }
    return outcomes;
  }

  #append(tenant: TenantHead, columns: BatchColumns, from: number, to: number, bounds: AppendBounds): Uint8Array {
    const appended = this.head.live.append(tenant.table, columns, from, to, bounds);
    const { outcomes, mixed, count, record, failure } = appended;
    // Before the samples: where a crash takes those alone, a retry finds them missing and their starts known.
    if (columns.steady && count > 0 && failure === undefined) this.#noteStarts(tenant, columns, from, outcomes);
    if (count > 0) this.#log.append({ kind: 'packed', tenant: tenant.number, count, bytes: record });
    // After the log: a retry takes what is held for stored.
    if (failure !== undefined) throw failure.error;
    if (mixed)
      for (let i = 0; i < outcomes.length; i++) if (outcomes[i] === APPENDED_LATE) outcomes[i] = OUTCOME.appended;
    return outcomes;
  }

  #noteStarts(tenant: TenantHead, { refs, times, starts }: WriteBatch, from: number, outcomes: Uint8Array): void {
    const changes: StartChanges = { refs: [], times: [], starts: [] };
    for (let i = 0; i < outcomes.length; i++) {
      const isLate = outcomes[i] === APPENDED_LATE;
      if (!isLate && outcomes[i] !== OUTCOME.appended) continue;
      tenant.attachments.noteStart(refs[from + i]!, times[from + i]!, starts?.[from + i] ?? 0, isLate, changes);
    }
    if (changes.refs.length > 0) this.#logStarts(tenant, changes);
  }

  #appendBounds(id: TenantId, samples: number): AppendBounds {
    const { maxSampleBytes, maxBacklogBytes } = this.#options.limits;
    const { outOfOrderMs } = this.#options.boundsOf?.(id) ?? this.#options.limits;
    const latest = this.#latest(id);
    const isRoom = this.#log.backlogBytes + samples * 20 <= maxBacklogBytes;
    return {
      latest,
      oldest: { raw: this.#oldest(id, 'raw'), demand: this.#oldest(id, 'demand') },
      outOfOrderMs,
      mostBytes: isRoom ? maxSampleBytes - this.head.pastBytes : 0,
    };
  }

  attach(id: TenantId, attachments: Attachments): AttachOutcomes {
    const latest = this.#latest(id);
    const { limits, boundsOf } = this.#options;
    return attach(id, attachments, {
      head: this.head,
      limits: { ...limits, ...boundsOf?.(id) },
      room: limits.maxBacklogBytes - this.#log.backlogBytes,
      judgeTime: (series, time) => this.#judgeTime(id, series, time, latest),
      log: (record) => this.#log.append(record),
      stage: (entry) => this.#stagedAttachments.push(entry),
    });
  }

  /** @throws {StorageFullError} If too much waits for the log already. */
  describe(id: TenantId, metadata: readonly MetricMetadata[]): void {
    const tenant = this.#tenant(id);
    if (tenant === undefined) return;
    for (const entry of metadata) {
      const known = tenant.metadata.get(entry.metric);
      if (known === undefined && tenant.metadata.size >= this.#options.limits.maxMetadataPerTenant) continue;
      const { metric, type, help, unit } = entry;
      if (known?.type === type && known.help === help && known.unit === unit) continue;
      this.#checkBacklog(metric.length + help.length + unit.length);
      tenant.metadata.set(metric, { metric, type, help, unit });
      this.#log.append({ kind: 'metadata', tenant: tenant.number, metric, type, help, unit });
    }
  }

  /** @throws {StorageFullError} If the log cannot be written; what was written before is tried again by the next commit. */
  commit(): Promise<void> {
    return this.#log.commit();
  }

  /**
   * Imports runs of the past, in any order, to disk.
   * @throws {RangeError} If the times of a run do not ascend, or the store has no partitions.
   * @throws {StorageFullError}
   */
  async backfill(id: TenantId, runs: readonly SampledSeries[], retention: RetentionClass): Promise<BackfillOutcome> {
    if (this.partitions === undefined)
      throw new RangeError('a store without partitions keeps nothing that is imported');
    const tenant = this.#tenant(id);
    if (tenant === undefined) {
      throw new StorageFullError(`cannot import: the limit of ${this.#options.limits.maxTenants} tenants is reached`);
    }
    // What is a duplicate may be one of a sample that nobody has committed yet.
    await this.#log.commit();
    const bounds = { start: this.#oldest(id, retention), end: this.#latest(id) };
    const { onBackfill } = this.#options;
    return await importRuns(this.head, this.partitions, tenant, runs, { retention, bounds, onBackfill });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.chores.settled();
    try {
      await this.#log[Symbol.asyncDispose]();
    } finally {
      await this.partitions?.[Symbol.asyncDispose]();
    }
  }

  #tenant(id: TenantId): TenantHead | undefined {
    const known = this.head.tenants.get(id);
    if (known !== undefined || this.head.tenants.size >= this.#options.limits.maxTenants) return known;
    const tenant = this.head.addTenant(id);
    this.#log.append({ kind: 'tenant', tenant: tenant.number, nextRef: tenant.nextRef, id });
    return tenant;
  }

  #seriesOf(
    tenantId: TenantId,
    labels: Uint8Array,
    retention: RetentionClass,
    bounds = this.#seriesBounds(tenantId),
  ): HeadSeries | RefusedRef {
    const tenant = this.#tenant(tenantId);
    if (tenant === undefined) {
      const id = 'err-foresail-max-tenants';
      return {
        kind: 'refused',
        id,
        message: `the limit of ${this.#options.limits.maxTenants} tenants is reached (${id})`,
      };
    }
    const known = tenant.find(labels);
    if (known !== undefined) {
      if (longer(known.retention, retention) === known.retention) return known;
      this.head.keepAs(known, longer(known.retention, retention));
      this.#logSeries(tenant, known, labels);
      return known;
    }
    const { maxLabelBytes } = this.#options.limits;
    if (labels.length > MAX_RECORD_LABEL_BYTES) {
      const id = 'err-foresail-labels-too-long';
      return { kind: 'refused', id, message: `its labels are longer than ${MAX_RECORD_LABEL_BYTES} bytes (${id})` };
    }
    const refusal = retention === 'raw' ? overSeriesLimit(tenant, labels, bounds) : undefined;
    if (refusal !== undefined) return refusal;
    if (this.head.labelBytes + labels.length > maxLabelBytes) {
      const id = 'err-foresail-max-label-bytes';
      return {
        kind: 'refused',
        id,
        message: `the limit of ${maxLabelBytes} bytes for labels of all series is reached (${id})`,
      };
    }
    if (tenant.nextRef > MAX_REF) {
      const id = 'err-foresail-references-used-up';
      return { kind: 'refused', id, message: `${MAX_REF} series of the tenant were new since its first one (${id})` };
    }
    this.#checkBacklog(labels.length);
    const series = this.head.addSeries(tenant, tenant.nextRef, labels, retention);
    this.#logSeries(tenant, series, labels);
    return series;
  }

  #seriesBounds(id: TenantId): SeriesBounds {
    const { limits, boundsOf } = this.#options;
    return boundsOf?.(id) ?? { maxSeries: limits.maxSeriesPerTenant, maxSeriesPerMetric: 0 };
  }

  /** While the log cannot be written, what waits for it in memory must not grow for ever. */
  #checkBacklog(bytes: number): void {
    const { maxBacklogBytes } = this.#options.limits;
    if (this.#log.backlogBytes + bytes <= maxBacklogBytes) return;
    throw new StorageFullError(`more than ${maxBacklogBytes} bytes wait for the log: its device is full or too slow`);
  }

  #logSeries(tenant: TenantHead, { ref, retention }: HeadSeries, labels: Uint8Array): void {
    this.#log.append({ kind: 'series', tenant: tenant.number, ref, retention, labels });
  }

  #judgeTime(id: TenantId, series: HeadSeries, time: Millis, latest: Millis): number {
    if (!(time <= latest)) return OUTCOME.tooFarInFuture;
    return time < this.#oldest(id, series.retention) ? OUTCOME.tooOld : OUTCOME.appended;
  }

  /** Live samples of this class that are older are refused now. */
  oldestTaken(id: TenantId, retention: RetentionClass): Millis {
    return this.#oldest(id, retention);
  }

  #latest(id: TenantId): Millis {
    const { boundsOf, limits, now } = this.#options;
    return now() + (boundsOf?.(id).aheadMs ?? limits.aheadMs);
  }

  #oldest(id: TenantId, retention: RetentionClass): Millis {
    const kept = this.#options.now() - retentionOf(this.#options)(id)[retention];
    return Math.max(kept, this.head.floorsOf(id)[retention]);
  }

  #logStarts({ number }: TenantHead, { refs, times, starts }: StartChanges): void {
    for (let at = 0; at < refs.length; at += MAX_RECORD_SAMPLES) {
      const part = <T>(column: readonly T[]) => column.slice(at, at + MAX_RECORD_SAMPLES);
      this.#log.append({
        kind: 'starts',
        tenant: number,
        refs: part(refs),
        times: part(times),
        starts: part(starts),
      });
    }
  }

  #takeStaged(): () => void {
    const publish = this.head.live.takeStaged();
    const attached = this.#stagedAttachments;
    this.#stagedAttachments = [];
    return () => {
      publish();
      for (const entry of attached) entry.visible = true;
    };
  }
}

interface Inner {
  readonly log: Log;
  readonly codec: SampleCodec;
}

type SeriesBounds = Pick<TenantBounds, 'maxSeries' | 'maxSeriesPerMetric'>;
type RefusedRef = Extract<RefAnswer, { kind: 'refused' }>;

/** What the program itself records is not its tenant's to pay for: these hold for what is sent. */
function overSeriesLimit(tenant: TenantHead, labels: Uint8Array, bounds: SeriesBounds): RefusedRef | undefined {
  const { maxSeries, maxSeriesPerMetric } = bounds;
  return (
    overSeriesPerTenant(tenant.series.size, maxSeries) ??
    (maxSeriesPerMetric > 0 ? overSeriesPerMetric(tenant.series, labels, maxSeriesPerMetric) : undefined)
  );
}
