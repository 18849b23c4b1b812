import { decodeLabels, encodeLabels } from '../model/labels.ts';
import type { TenantId } from '../model/tenant.ts';
import type { MetricMetadata, RetentionClass, SeriesRef } from '../storage/write.ts';
import { AliasTable } from './alias-table.ts';
import { BytesTable, viewOf } from './bytes-table.ts';
import { type HeadSeries, newSeries } from './head-series.ts';
import { LabelIndex } from './label-index.ts';

/** One tenant's series in memory, by reference, by label bytes and by labels. */
export class TenantHead {
  readonly id: TenantId;
  /** The tenant's number in the log. */
  readonly number: number;
  readonly series = new Map<SeriesRef, HeadSeries>();
  readonly index = new LabelIndex<HeadSeries>();
  readonly aliases: AliasTable;
  readonly metadata = new Map<string, MetricMetadata>();
  /** References are never used twice. */
  nextRef: SeriesRef = 1;
  labelBytes = 0;
  readonly #seed: number;
  #byLabels: BytesTable;

  constructor(id: TenantId, number: number, seed: number) {
    this.id = id;
    this.number = number;
    this.#seed = seed;
    this.aliases = new AliasTable(seed);
    this.#byLabels = new BytesTable(seed);
  }

  find(labelBytes: Uint8Array): HeadSeries | undefined {
    return this.series.get(this.#byLabels.find(viewOf(labelBytes), 0, labelBytes.length));
  }

  add(ref: SeriesRef, labelBytes: Uint8Array, retention: RetentionClass): HeadSeries {
    const series = newSeries(ref, this.index.intern(decodeLabels(labelBytes)), retention);
    this.series.set(ref, series);
    this.#byLabels.set(labelBytes, ref);
    this.index.add(series);
    this.labelBytes += labelBytes.length;
    this.nextRef = Math.max(this.nextRef, ref + 1);
    return series;
  }

  /** Forgets series. Their references answer `gone` from now on. */
  remove(gone: ReadonlySet<HeadSeries>): void {
    if (gone.size === 0) return;
    for (const { ref } of gone) this.series.delete(ref);
    this.index.remove(gone);
    this.aliases.clear();
    this.#byLabels = new BytesTable(this.#seed);
    this.labelBytes = 0;
    for (const series of this.series.values()) {
      const bytes = encodeLabels(series.labels);
      this.#byLabels.set(bytes, series.ref);
      this.labelBytes += bytes.length;
    }
  }
}
