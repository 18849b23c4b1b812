import type { Samples } from '../model/series.ts';
import type { TenantId } from '../model/tenant.ts';
import type { RetentionClass, SeriesRef } from '../storage/write.ts';
import { AliasTables } from './alias-table.ts';
import { bitsOf, mergeRun } from './chunk.ts';
import { dropBefore, type HeadSeries, isEmpty, restoreLive } from './head-series.ts';
import type { LogRecord } from './record.ts';
import { TenantHead } from './tenant-head.ts';

/** All tenants' samples in memory. */
export class Head {
  readonly tenants = new Map<TenantId, TenantHead>();
  readonly #byNumber = new Map<number, TenantHead>();
  readonly #seed: number;
  /** The largest number of a tenant: where damage took a tenant's record, its number is not used again. */
  #lastNumber = 0;
  /** Samples held, staged ones included. */
  samples = 0;
  /** Canonical label bytes of all series. */
  labelBytes = 0;
  /** Readers see nothing older. Set by retention passes; they go back where the clock does. */
  readonly floors: Record<RetentionClass, number> = {
    raw: Number.NEGATIVE_INFINITY,
    demand: Number.NEGATIVE_INFINITY,
  };

  readonly #aliases: AliasTables;

  constructor(seed: number) {
    this.#seed = seed;
    this.#aliases = new AliasTables(seed);
  }

  get seriesCount(): number {
    let count = 0;
    for (const { series } of this.tenants.values()) count += series.size;
    return count;
  }

  addTenant(id: TenantId, number = this.#lastNumber + 1): TenantHead {
    this.#lastNumber = Math.max(this.#lastNumber, number);
    const tenant = new TenantHead(id, number, { seed: this.#seed, aliases: this.#aliases.create() });
    this.tenants.set(id, tenant);
    this.#byNumber.set(number, tenant);
    return tenant;
  }

  addSeries(tenant: TenantHead, ref: SeriesRef, labels: Uint8Array, retention: RetentionClass): HeadSeries {
    this.labelBytes += labels.length;
    return tenant.add(ref, labels, retention);
  }

  /**
   * Puts what a record holds in its place, visible at once. Records may come twice.
   * @returns Samples whose series is unknown: the record that named it was lost.
   */
  restore(record: LogRecord): number {
    const tenant = record.kind === 'end' ? undefined : this.#byNumber.get(record.tenant);
    switch (record.kind) {
      case 'tenant': {
        const found = tenant ?? this.addTenant(record.id as TenantId, record.tenant);
        found.nextRef = Math.max(found.nextRef, record.nextRef);
        return 0;
      }
      case 'series': {
        const known = tenant?.series.get(record.ref);
        if (known !== undefined) known.retention = longer(known.retention, record.retention);
        else if (tenant !== undefined) this.addSeries(tenant, record.ref, record.labels, record.retention);
        return 0;
      }
      case 'samples': {
        const { refs } = record;
        let orphans = 0;
        for (let i = 0; i < refs.length; i++) {
          const series = tenant?.series.get(refs[i]!);
          if (series === undefined) orphans++;
          else this.#restoreLive(series, record, i);
        }
        return orphans;
      }
      case 'run': {
        const series = tenant?.series.get(record.ref);
        if (series === undefined) return record.times.length;
        if (record.layer === 'backfill') this.mergePast(series, record);
        else for (let i = 0; i < record.times.length; i++) this.#restoreLive(series, record, i);
        return 0;
      }
      case 'metadata': {
        const { metric, type, help, unit } = record;
        tenant?.metadata.set(metric, { metric, type, help, unit });
        return 0;
      }
      case 'end':
        return 0;
    }
  }

  /** Adds a backfilled run, visible at once. */
  mergePast(series: HeadSeries, run: Samples): void {
    const before = held(series.past);
    mergeRun(series.past, run);
    this.samples += held(series.past) - before;
  }

  /** Hides and drops what is older than its class is kept. Returns how many samples left memory. */
  drop(now: number, retentionMs: Readonly<Record<RetentionClass, number>>): number {
    for (const retention of ['raw', 'demand'] as const) {
      this.floors[retention] = now - retentionMs[retention];
    }
    let dropped = 0;
    for (const tenant of this.tenants.values()) {
      const gone = new Set<HeadSeries>();
      for (const series of tenant.series.values()) {
        dropped += dropBefore(series, this.floors[series.retention]);
        if (isEmpty(series)) gone.add(series);
      }
      this.labelBytes -= tenant.labelBytes;
      tenant.remove(gone);
      this.labelBytes += tenant.labelBytes;
    }
    this.samples -= dropped;
    return dropped;
  }

  #restoreLive(series: HeadSeries, { times, values }: Samples, index: number): void {
    const words = bitsOf(values);
    const sample = { time: times[index]!, low: words[2 * index]!, high: words[2 * index + 1]! };
    if (restoreLive(series, sample)) this.samples++;
  }
}

/** Once somebody wants a series kept for long, it is. */
export function longer(a: RetentionClass, b: RetentionClass): RetentionClass {
  return a === 'demand' || b === 'demand' ? 'demand' : 'raw';
}

/** Samples of one series in memory, in both layers. */
export function samplesOf({ live, past }: HeadSeries): number {
  return held(live) + held(past);
}

function held(chunks: readonly { readonly count: number }[]): number {
  return chunks.reduce((sum, { count }) => sum + count, 0);
}
