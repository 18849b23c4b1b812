import type { TenantId } from '../model/tenant.ts';
import type { MetricMetadata, RetentionClass, SeriesRef } from '../storage/write.ts';
import { type AttachedBytes, TenantAttachments } from './attachments.ts';
import type { HeadSeries } from './head-series.ts';
import type { LabelTexts } from './label-texts.ts';
import type { LiveSamples } from './live-samples.ts';
import { SeriesIndex } from './series-index.ts';

export interface TenantHeadOptions {
  readonly attached: AttachedBytes;
  readonly live: LiveSamples;
  readonly texts: LabelTexts;
}

/** One tenant in memory. */
export class TenantHead {
  readonly id: TenantId;
  /** The tenant's number in the log. */
  readonly number: number;
  readonly series: SeriesIndex;
  readonly attachments: TenantAttachments;
  readonly metadata = new Map<string, MetricMetadata>();
  /** References are never used twice. */
  nextRef: SeriesRef = 1;
  labelBytes = 0;
  /** While samples are deleted: writers wait for it. */
  held: Promise<void> | undefined;

  constructor(id: TenantId, number: number, { attached, live, texts }: TenantHeadOptions) {
    this.id = id;
    this.number = number;
    this.series = new SeriesIndex(live, texts);
    this.attachments = new TenantAttachments(attached);
  }

  /** From references to slots, in WebAssembly memory. */
  get table(): number {
    return this.series.table;
  }

  find(labelBytes: Uint8Array): HeadSeries | undefined {
    return this.series.find(labelBytes);
  }

  /** @throws {RangeError} If the bytes are no label set. */
  add(ref: SeriesRef, labelBytes: Uint8Array, retention: RetentionClass): HeadSeries {
    const series = this.series.add(ref, labelBytes, retention);
    this.labelBytes += labelBytes.length;
    this.nextRef = Math.max(this.nextRef, ref + 1);
    return series;
  }

  /**
   * Forgets a series. Its reference answers `gone` from now on; aliases of it are found out of date when they are next
   * used, which those of pods that ended never are.
   */
  remove(series: HeadSeries): void {
    this.labelBytes -= series.labelBytes.length;
    this.series.remove(series);
    this.attachments.remove(series.ref);
  }
}
