import type { Samples } from '../model/series.ts';
import type { TenantId } from '../model/tenant.ts';
import type { Millis } from '../model/time.ts';
import type { RetentionClass, SeriesRef } from '../storage/write.ts';
import { isAttachmentRecord } from './attachment-record.ts';
import type { AttachedBytes } from './attachments.ts';
import { mergeRun } from './chunk.ts';
import { decodeSampleBytes } from './codec.ts';
import { dropPastBefore, type HeadSeries } from './head-series.ts';
import { type LabelExports, LabelTexts } from './label-texts.ts';
import { LabelValues } from './label-values.ts';
import type { RetentionOf } from './limits.ts';
import { type LiveExports, LiveSamples } from './live-samples.ts';
import { dayOf } from './partition-key.ts';
import type { LogRecord } from './record.ts';
import { Selections } from './selections.ts';
import { TenantHead } from './tenant-head.ts';
import { Turns } from './turns.ts';

/** Series that are forgotten in one turn. */
const MOST_GONE = 512;

/** References are 32 bits in the log, and the next one is noted there too. */
export const MAX_REF = 0xffff_fffe;

/** All tenants' samples in memory. */
export class Head {
  readonly tenants = new Map<TenantId, TenantHead>();
  readonly #byNumber = new Map<number, TenantHead>();
  readonly #texts: LabelTexts;
  readonly #maxExemplars: number;
  /** The largest number of a tenant: where damage took a tenant's record, its number is not used again. */
  #lastNumber = 0;
  readonly live: LiveSamples;
  readonly selections = new Selections();
  readonly labelValues = new LabelValues();
  /** Backfilled samples held. */
  #pastSamples = 0;
  /** Grows whenever live samples that are on disk leave memory. */
  moves = 0;
  /** Canonical label bytes of all series. */
  labelBytes = 0;
  /** Bytes of exemplars, histograms and start times. */
  readonly attached: AttachedBytes = { held: 0 };
  /** How long each tenant's samples are kept, and when the last retention pass was: none yet. */
  #kept: { readonly at: number; readonly retentionOf: RetentionOf } = {
    at: Number.NEGATIVE_INFINITY,
    retentionOf: () => ({ raw: 0, demand: 0 }),
  };

  /**
   * @param seed A number that attackers cannot know: hashes of labels start from it.
   * @param maxExemplars What recovery keeps of one tenant.
   */
  constructor(seed: number, core: LiveExports & LabelExports, maxExemplars = Number.POSITIVE_INFINITY) {
    this.live = new LiveSamples(core);
    core.seedLabelSets(seed, ~seed, Math.imul(seed, 0x9e3779b1), seed ^ 0x5bd1e995);
    this.#texts = new LabelTexts(core);
    this.#maxExemplars = maxExemplars;
  }

  /** Samples held, staged ones included. */
  get samples(): number {
    return this.live.samples + this.#pastSamples;
  }

  /** Bytes of all samples. */
  get sampleBytes(): number {
    return this.live.bytes + this.pastBytes;
  }

  get pastBytes(): number {
    return this.#pastSamples * 16;
  }

  get seriesCount(): number {
    let count = 0;
    for (const { series } of this.tenants.values()) count += series.size;
    return count;
  }

  addTenant(id: TenantId, number = this.#lastNumber + 1): TenantHead {
    this.#lastNumber = Math.max(this.#lastNumber, number);
    const tenant = new TenantHead(id, number, { attached: this.attached, live: this.live, texts: this.#texts });
    this.tenants.set(id, tenant);
    this.#byNumber.set(number, tenant);
    return tenant;
  }

  addSeries(tenant: TenantHead, ref: SeriesRef, labels: Uint8Array, retention: RetentionClass): HeadSeries {
    const series = tenant.add(ref, labels, retention);
    this.labelBytes += labels.length;
    return series;
  }

  /**
   * Puts what a record holds in its place, visible at once. Records may come twice.
   * @returns Samples whose series is unknown: the record that named it was lost.
   */
  restore(record: LogRecord): number {
    const tenant = record.kind === 'end' ? undefined : this.#byNumber.get(record.tenant);
    if (isAttachmentRecord(record)) {
      return tenant?.attachments.restore(record, (ref) => tenant.series.has(ref), this.#maxExemplars) ?? 0;
    }
    switch (record.kind) {
      case 'tenant': {
        const found = tenant ?? this.addTenant(record.id as TenantId, record.tenant);
        found.nextRef = Math.max(found.nextRef, record.nextRef);
        return 0;
      }
      case 'series': {
        const known = tenant?.series.get(record.ref);
        if (known !== undefined) this.keepAs(known, longer(known.retention, record.retention));
        else if (record.ref > MAX_REF) throw new RangeError(`no series has the reference ${record.ref}`);
        else if (tenant !== undefined) this.addSeries(tenant, record.ref, record.labels, record.retention);
        return 0;
      }
      case 'samples': {
        return tenant === undefined ? record.refs.length : this.live.restoreBatch(tenant.table, record);
      }
      case 'packed':
        return tenant === undefined ? record.count : this.live.restoreRecord(tenant.table, record.bytes, record.count);
      case 'run': {
        const series = tenant?.series.get(record.ref);
        if (series === undefined) return record.times.length;
        if (record.layer === 'backfill') this.mergePast(series, record);
        else this.live.restoreRun(series.slot, record);
        return 0;
      }
      case 'chunk':
        return this.#restoreChunk(tenant?.series.get(record.ref), record);
      case 'metadata': {
        const { metric, type, help, unit } = record;
        tenant?.metadata.set(metric, { metric, type, help, unit });
        return 0;
      }
      case 'end':
        return 0;
    }
  }

  /**
   * Adds a backfilled run, visible at once.
   * @throws {RangeError} If its times do not ascend.
   */
  mergePast(series: HeadSeries, run: Samples): void {
    if (!ascends(run.times)) throw new RangeError('the times of a run do not ascend');
    const before = held(series.past);
    series.changePast((past) => mergeRun(past, run));
    this.#pastSamples += held(series.past) - before;
  }

  /** Lets go of a series' backfilled samples. */
  dropPast(series: HeadSeries): void {
    this.#pastSamples -= held(series.past);
    series.changePast((past) => past.splice(0));
  }

  keepAs(series: HeadSeries, retention: RetentionClass): void {
    this.live.keepAs(series.slot, retention);
  }

  /** Samples of one series in memory, in both layers. */
  samplesOf({ slot, past }: HeadSeries): number {
    return this.live.core.countIn(slot) + held(past);
  }

  /** The days of the newest live samples of all series. */
  async newestDays(): Promise<ReadonlySet<Millis>> {
    const days = new Set<Millis>();
    const turns = new Turns();
    for (const { series: all } of this.tenants.values()) {
      for (const { slot } of all.values()) {
        const pause = turns.due();
        if (pause !== undefined) await pause;
        const newest = this.live.core.newestOf(slot);
        if (newest !== Number.NEGATIVE_INFINITY) days.add(dayOf(newest));
      }
    }
    return days;
  }

  /** Readers of a tenant see nothing older. Retention passes move it; back, where the clock went back. */
  floorsOf(tenant: TenantId): Record<RetentionClass, number> {
    const { raw, demand } = this.#kept.retentionOf(tenant);
    return { raw: this.#kept.at - raw, demand: this.#kept.at - demand };
  }

  /**
   * Hides and drops what is older than its tenant keeps its class, and forgets series that hold nothing, where it `forgets`.
   * Other work gets its turn in between. Returns how many samples left memory.
   */
  async drop(now: number, retentionOf: RetentionOf, { forgets = true } = {}): Promise<number> {
    this.#kept = { at: now, retentionOf };
    const turns = new Turns();
    let dropped = 0;
    for (const tenant of this.tenants.values()) {
      const floors = this.floorsOf(tenant.id);
      tenant.attachments.dropBefore((ref) => floors[tenant.series.get(ref)!.retention]);
      const gone: HeadSeries[] = [];
      for (const series of tenant.series.values()) {
        const pause = gone.length < MOST_GONE ? turns.due() : turns.next();
        if (pause !== undefined) {
          // What is empty now may not be when the next turn comes.
          this.#forget(tenant, gone);
          await pause;
        }
        const floor = floors[series.retention];
        const past = dropPastBefore(series, floor);
        this.#pastSamples -= past;
        dropped += past + this.live.core.dropBefore(series.slot, floor);
        const isEmpty = series.past.length === 0 && this.live.isEmpty(series.slot);
        if (forgets && isEmpty && !tenant.attachments.holds(series.ref)) gone.push(series);
      }
      this.#forget(tenant, gone);
    }
    return dropped;
  }

  #forget(tenant: TenantHead, gone: HeadSeries[]): void {
    this.labelBytes -= tenant.labelBytes;
    for (const series of gone) tenant.remove(series);
    this.labelBytes += tenant.labelBytes;
    gone.length = 0;
  }

  #restoreChunk(series: HeadSeries | undefined, { layer, bytes }: Extract<LogRecord, { kind: 'chunk' }>): number {
    // How many samples are lost with bytes that are damaged is not known: it is one at least.
    if (series === undefined) return 1;
    if (layer === 'live') return this.live.restoreChunk(series.slot, bytes) ? 0 : 1;
    try {
      this.mergePast(series, decodeSampleBytes(this.live.core, bytes));
      return 0;
    } catch (error) {
      if (error instanceof RangeError) return 1;
      throw error;
    }
  }
}

/** Once somebody wants a series kept for long, it is. */
export function longer(a: RetentionClass, b: RetentionClass): RetentionClass {
  return a === 'demand' || b === 'demand' ? 'demand' : 'raw';
}

function held(chunks: readonly { readonly count: number }[]): number {
  return chunks.reduce((sum, { count }) => sum + count, 0);
}

function ascends(times: Float64Array): boolean {
  if (times.length > 0 && !(Number.isFinite(times[0]!) && Number.isFinite(times.at(-1)!))) return false;
  for (let i = 1; i < times.length; i++) if (!(times[i]! > times[i - 1]!)) return false;
  return true;
}
