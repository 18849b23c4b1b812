import { decodeLabels, encodeLabels } from '../model/labels.ts';
import type { TenantId } from '../model/tenant.ts';
import type { MetricMetadata, RetentionClass, SeriesRef } from '../storage/write.ts';
import type { AliasTable } from './alias-table.ts';
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
  #forgottenBytes = 0;

  constructor(id: TenantId, number: number, { seed, aliases }: { seed: number; aliases: AliasTable }) {
    this.id = id;
    this.number = number;
    this.#seed = seed;
    this.aliases = aliases;
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

  /**
   * Forgets series. Their references answer `gone` from now on; aliases of them are found out of date when they are
   * next used, which pods that ended never do.
   */
  remove(gone: ReadonlySet<HeadSeries>): void {
    if (gone.size === 0) return;
    this.index.remove(gone);
    for (const { ref, labels } of gone) {
      const bytes = encodeLabels(labels);
      this.series.delete(ref);
      this.#byLabels.set(bytes, 0);
      this.labelBytes -= bytes.length;
      this.#forgottenBytes += bytes.length;
    }
    // The table keeps the bytes of what it forgot: it is made anew once they are half of it.
    if (this.#forgottenBytes <= this.labelBytes) return;
    this.#byLabels = new BytesTable(this.#seed);
    this.#forgottenBytes = 0;
    for (const series of this.series.values()) this.#byLabels.set(encodeLabels(series.labels), series.ref);
  }
}
