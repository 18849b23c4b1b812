import type { Labels } from '../model/labels.ts';
import { encodeLabels, formatLabels } from '../model/labels.ts';
import type { SampledSeries } from '../model/series.ts';
import type { TenantId } from '../model/tenant.ts';
import type { Millis } from '../model/time.ts';
import { StorageFullError } from '../storage/errors.ts';
import type { BackfillOutcome } from '../storage/storage.ts';
import {
  type MetricMetadata,
  OUTCOME,
  type RefAnswer,
  type RetentionClass,
  type WriteBatch,
} from '../storage/write.ts';
import { appendToChunks, bitsOf, type HeadChunk, insertSample } from './chunk.ts';
import type { Disk } from './disk.ts';
import { Head, longer } from './head.ts';
import { type HeadSeries, judgeLate, type LateSample, storedLive, storedPast } from './head-series.ts';
import { MAX_AHEAD_MS, type TsdbLimits } from './limits.ts';
import { Log } from './log.ts';
import { MAX_RECORD_LABEL_BYTES, MAX_RECORD_SAMPLES } from './record.ts';
import { type RecoveryReport, recover } from './recovery.ts';
import { writeSnapshot } from './snapshot.ts';
import type { TenantHead } from './tenant-head.ts';

export interface SampleStoreOptions {
  readonly disk: Disk;
  /** The folder of segments and snapshots. */
  readonly folder: string;
  readonly now: () => Millis;
  readonly limits: TsdbLimits;
  /** A number that attackers cannot know: the hash of label bytes starts from it. */
  readonly seed: number;
  readonly segmentBytes: number;
  /** Called once backfilled samples of a series are stored: what was fitted on its history should be fitted again. */
  readonly onBackfill?: (tenant: TenantId, labels: Labels) => void;
  /** Called after each sync of the log, with the time that it took. */
  readonly onSync?: (seconds: number) => void;
}

/** A snapshot is not worth its writing while the log is shorter than this many segments. */
const MIN_SEGMENTS = 4;

/** Appended to the log and not synced: readers see it when it is. */
interface Staged {
  readonly chunks: HeadChunk[];
  readonly late: { readonly series: HeadSeries; readonly sample: LateSample }[];
  readonly runs: { readonly series: HeadSeries; readonly times: Float64Array; readonly values: Float64Array }[];
}

/**
 * Samples of all tenants: the head in memory, the log that makes it durable, and snapshots that keep the log short.
 *
 * What bounds memory: `limits` (samples, label bytes, series, metadata, backlog) and retention. The head is the only
 * copy that is read; segments and snapshots exist to fill it again.
 */
export class SampleStore implements AsyncDisposable {
  readonly head: Head;
  readonly recovery: RecoveryReport;
  readonly #options: SampleStoreOptions;
  readonly #log: Log;
  #staged: Staged = { chunks: [], late: [], runs: [] };
  /** Size of the newest snapshot, roughly; the log may grow to it before the next one. */
  #snapshotBytes = 0;
  #maintenance: Promise<void> = Promise.resolve();

  private constructor(options: SampleStoreOptions, head: Head, recovery: RecoveryReport, log: Log) {
    this.#options = options;
    this.head = head;
    this.recovery = recovery;
    this.#log = log;
  }

  static async open(options: SampleStoreOptions): Promise<SampleStore> {
    const { disk, folder, segmentBytes, limits, now } = options;
    await disk.ensureFolder(folder);
    const head = new Head(options.seed);
    const { report, nextSegment, logBytes } = await recover(disk, folder, head);
    head.drop(now(), limits.retentionMs);
    const onTake = () => store.#takeStaged();
    const { onSync } = options;
    const hooks = { onTake, ...(onSync !== undefined && { onSync }) };
    const log = new Log({ disk, folder, segment: nextSegment, segmentBytes, ...hooks }, logBytes);
    const store: SampleStore = new SampleStore(options, head, report, log);
    store.#snapshotBytes = head.samples * 16;
    return store;
  }

  get logBytes(): number {
    return this.#log.sizeBytes;
  }

  /** @throws {StorageFullError} If a series is new and too much waits for the log already. */
  ref(id: TenantId, labelSets: readonly Uint8Array[], retention: RetentionClass): readonly RefAnswer[] {
    return labelSets.map((labels) => {
      const series = this.#seriesOf(id, labels, retention);
      return 'kind' in series ? series : { kind: 'ref', ref: series.ref };
    });
  }

  write(id: TenantId, { refs, times, values }: WriteBatch): Uint8Array {
    const outcomes = new Uint8Array(refs.length);
    const tenant = this.head.tenants.get(id);
    if (tenant === undefined) return outcomes.fill(OUTCOME.gone);
    const words = bitsOf(values);
    const { head } = this;
    const { maxSamples, outOfOrderMs, maxBacklogBytes } = this.#options.limits;
    const latest = this.#options.now() + MAX_AHEAD_MS;
    const room = this.#log.backlogBytes + refs.length * 20 <= maxBacklogBytes ? maxSamples : 0;
    let appended = 0;
    let ref = 0;
    let series: HeadSeries | undefined;
    for (let i = 0; i < refs.length; i++) {
      if (refs[i] !== ref) {
        ref = refs[i]!;
        series = tenant.series.get(ref);
      }
      if (series === undefined) {
        outcomes[i] = OUTCOME.gone;
        continue;
      }
      const time = times[i]!;
      const low = words[2 * i]!;
      const high = words[2 * i + 1]!;
      let outcome = this.#judgeTime(series, time, latest);
      const isLate = time <= series.newest;
      if (outcome === OUTCOME.appended && isLate) outcome = judgeLate(series, { time, low, high }, outOfOrderMs);
      if (outcome === OUTCOME.appended && head.samples >= room) outcome = OUTCOME.full;
      outcomes[i] = outcome;
      if (outcome !== OUTCOME.appended) continue;
      appended++;
      head.samples++;
      if (isLate) {
        const sample = { time, low, high };
        series.late ??= new Map();
        series.late.set(time, sample);
        this.#staged.late.push({ series, sample });
      } else {
        series.newest = time;
        this.#staged.chunks.push(appendToChunks(series.live, time, low, high));
      }
    }
    if (appended === refs.length) this.#logSamples(tenant, { refs, times, values });
    else if (appended > 0) this.#logSamples(tenant, pick({ refs, times, values }, outcomes, appended));
    return outcomes;
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

  async backfill(id: TenantId, runs: readonly SampledSeries[], retention: RetentionClass): Promise<BackfillOutcome> {
    const { maxSamples } = this.#options.limits;
    const total = { appended: 0, duplicates: 0, conflicts: 0, outOfBounds: 0 };
    const changed = new Set<HeadSeries>();
    for (const run of runs) {
      if (this.head.samples + run.times.length > maxSamples) {
        throw new StorageFullError(
          `cannot import ${run.times.length} samples of ${formatLabels(run.labels)}: ${maxSamples} samples are the limit in memory`,
        );
      }
      const series = this.#seriesOf(id, encodeLabels(run.labels), retention);
      if ('kind' in series) throw new StorageFullError(`cannot import ${formatLabels(run.labels)}: ${series.message}`);
      const outcomes = this.#judgeRun(series, run);
      const appended = outcomes.reduce((count, outcome) => count + (outcome === OUTCOME.appended ? 1 : 0), 0);
      for (const outcome of outcomes) {
        if (outcome === OUTCOME.duplicate) total.duplicates++;
        else if (outcome === OUTCOME.conflict) total.conflicts++;
        else if (outcome !== OUTCOME.appended) total.outOfBounds++;
      }
      if (appended === 0) continue;
      total.appended += appended;
      changed.add(series);
      const refs = new Uint32Array(run.times.length);
      const { times, values } = pick({ refs, times: run.times, values: run.values }, outcomes, appended);
      for (let at = 0; at < times.length; at += MAX_RECORD_SAMPLES) {
        const end = at + MAX_RECORD_SAMPLES;
        const part = { times: times.subarray(at, end), values: values.subarray(at, end) };
        this.#log.append({
          kind: 'run',
          tenant: this.#tenant(id)!.number,
          ref: series.ref,
          layer: 'backfill',
          ...part,
        });
      }
      series.stagedRuns++;
      this.#staged.runs.push({ series, times, values });
      // Each run is synced before the next is judged: the backlog stays small, and repeated times are found.
      await this.#log.commit();
    }
    // What is a duplicate may be one of a sample that nobody has committed yet.
    await this.#log.commit();
    for (const { labels } of changed) this.#options.onBackfill?.(id, labels);
    return total;
  }

  /** Retention, and a snapshot when the log has grown enough to be worth one. */
  maintain(now: Millis): Promise<void> {
    return this.#serially(async () => {
      this.head.drop(now, this.#options.limits.retentionMs);
      const bound = Math.max(MIN_SEGMENTS * this.#options.segmentBytes, 2 * this.#snapshotBytes);
      if (this.#log.sizeBytes > bound) await this.#checkpoint();
    });
  }

  /** Writes a snapshot and removes the segments that it replaces. */
  checkpoint(): Promise<void> {
    return this.#serially(() => this.#checkpoint());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#maintenance;
    await this.#log[Symbol.asyncDispose]();
  }

  async #checkpoint(): Promise<void> {
    const { disk, folder } = this.#options;
    const { segment, olderBytes } = await this.#log.cut();
    this.#snapshotBytes = this.head.samples * 16;
    await writeSnapshot(disk, folder, this.head, segment);
    this.#log.removed(olderBytes);
  }

  #serially(step: () => Promise<void>): Promise<void> {
    const result = this.#maintenance.then(step);
    this.#maintenance = result.catch(() => undefined);
    return result;
  }

  #tenant(id: TenantId): TenantHead | undefined {
    const known = this.head.tenants.get(id);
    if (known !== undefined || this.head.tenants.size >= this.#options.limits.maxTenants) return known;
    const tenant = this.head.addTenant(id);
    this.#log.append({ kind: 'tenant', tenant: tenant.number, nextRef: tenant.nextRef, id });
    return tenant;
  }

  #seriesOf(tenantId: TenantId, labels: Uint8Array, retention: RetentionClass): HeadSeries | RefusedRef {
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
      known.retention = longer(known.retention, retention);
      this.#logSeries(tenant, known, labels);
      return known;
    }
    const { maxSeriesPerTenant, maxLabelBytes } = this.#options.limits;
    if (labels.length > MAX_RECORD_LABEL_BYTES) {
      const id = 'err-foresail-labels-too-long';
      return { kind: 'refused', id, message: `its labels are longer than ${MAX_RECORD_LABEL_BYTES} bytes (${id})` };
    }
    if (tenant.series.size >= maxSeriesPerTenant) {
      const id = 'err-mimir-max-series-per-user';
      const remedy =
        'To adjust the related per-tenant limit, configure limits.maxSeries, or contact your service administrator.';
      return {
        kind: 'refused',
        id,
        message: `per-user series limit of ${maxSeriesPerTenant} exceeded (${id}). ${remedy}`,
      };
    }
    if (this.head.labelBytes + labels.length > maxLabelBytes) {
      const id = 'err-foresail-max-label-bytes';
      return {
        kind: 'refused',
        id,
        message: `the limit of ${maxLabelBytes} bytes for labels of all series is reached (${id})`,
      };
    }
    this.#checkBacklog(labels.length);
    const series = this.head.addSeries(tenant, tenant.nextRef, labels, retention);
    this.#logSeries(tenant, series, labels);
    return series;
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

  #judgeTime(series: HeadSeries, time: Millis, latest: Millis): number {
    if (!(time <= latest)) return OUTCOME.tooFarInFuture;
    return time < this.#oldest(series.retention, latest) ? OUTCOME.tooOld : OUTCOME.appended;
  }

  #oldest(retention: RetentionClass, latest: Millis): Millis {
    const kept = latest - MAX_AHEAD_MS - this.#options.limits.retentionMs[retention];
    return Math.max(kept, this.head.floors[retention]);
  }

  #judgeRun(series: HeadSeries, { times, values }: SampledSeries): Uint8Array {
    const outcomes = new Uint8Array(times.length);
    const latest = this.#options.now() + MAX_AHEAD_MS;
    const words = bitsOf(values);
    let newest = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < times.length; i++) {
      const time = times[i]!;
      if (time <= newest) {
        throw new RangeError(`cannot import ${formatLabels(series.labels)}: its times do not ascend at index ${i}`);
      }
      newest = time;
      outcomes[i] = this.#judgeTime(series, time, latest);
      if (outcomes[i] !== OUTCOME.appended) continue;
      const stored = storedLive(series, time) ?? storedPast(series, time);
      if (stored === undefined) continue;
      const same = stored.low === words[2 * i] && stored.high === words[2 * i + 1];
      outcomes[i] = same ? OUTCOME.duplicate : OUTCOME.conflict;
    }
    return outcomes;
  }

  #logSamples({ number }: TenantHead, { refs, times, values }: WriteBatch): void {
    for (let at = 0; at < refs.length; at += MAX_RECORD_SAMPLES) {
      const end = at + MAX_RECORD_SAMPLES;
      this.#log.append({
        kind: 'samples',
        tenant: number,
        refs: refs.subarray(at, end),
        times: times.subarray(at, end),
        values: values.subarray(at, end),
      });
    }
  }

  #takeStaged(): () => void {
    const { chunks, late, runs } = this.#staged;
    this.#staged = { chunks: [], late: [], runs: [] };
    return () => {
      for (const chunk of chunks) chunk.visible++;
      for (const { series, sample } of late) {
        insertSample(series.live, sample.time, sample.low, sample.high);
        series.late?.delete(sample.time);
      }
      for (const { series, times, values } of runs) {
        this.head.mergePast(series, { times, values });
        series.stagedRuns--;
      }
    };
  }
}

type RefusedRef = Extract<RefAnswer, { kind: 'refused' }>;

/** The samples whose outcome is `appended`. Copies bits. */
function pick({ refs, times, values }: WriteBatch, outcomes: Uint8Array, count: number): WriteBatch {
  const picked = { refs: new Uint32Array(count), times: new Float64Array(count), values: new Float64Array(count) };
  const from = bitsOf(values);
  const to = bitsOf(picked.values);
  let n = 0;
  for (let i = 0; i < refs.length; i++) {
    if (outcomes[i] !== OUTCOME.appended) continue;
    picked.refs[n] = refs[i]!;
    picked.times[n] = times[i]!;
    to[2 * n] = from[2 * i]!;
    to[2 * n + 1] = from[2 * i + 1]!;
    n++;
  }
  return picked;
}
