import type { TenantId } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import type { RetentionClass } from '../storage/write.ts';

/** What bounds the store. Beyond a bound nothing more is taken, and reading goes on. */
export interface TsdbLimits {
  /** Bytes of samples in memory, of all tenants: encoded ones and those in open buffers. At most 2 GiB: others need the rest of 4. */
  readonly maxSampleBytes: number;
  /** Canonical label bytes in memory, of all tenants. They are held as numbers of labels: a series costs 0.5 kB beside its samples. */
  readonly maxLabelBytes: number;
  /** Series of one tenant, as Mimir's `max_global_series_per_user`. */
  readonly maxSeriesPerTenant: number;
  readonly maxTenants: number;
  /** Described metric families of one tenant. */
  readonly maxMetadataPerTenant: number;
  /** Exemplars of one tenant, as Mimir's `max_global_exemplars_per_user`: beyond it the oldest go. */
  readonly maxExemplarsPerTenant: number;
  /** Exemplars, native histograms and start times in memory, of all tenants. */
  readonly maxAttachedBytes: number;
  /** Written and not yet synced. */
  readonly maxBacklogBytes: number;
  /** How far behind the newest sample of its series a live sample may come. */
  readonly outOfOrderMs: number;
  /** How far ahead of now a sample may be: clocks differ, but the future is not stored here. */
  readonly aheadMs: number;
  /** Samples older than this go to disk, in whole chunks: up to twice as much is in memory. */
  readonly headMs: number;
  readonly retentionMs: Readonly<Record<RetentionClass, number>>;
  /** None: no points are made. */
  readonly tiers: readonly TierLimits[];
}

/** Points that are made of samples, and how long they are kept, in ms. */
export interface TierLimits {
  /** Whole minutes that divide a day. */
  readonly stepMs: number;
  readonly keepMs: number;
}

/** What one tenant may have; 0 is no bound. */
export interface TenantBounds {
  readonly maxSeries: number;
  /** As Mimir's `max_global_series_per_metric`. */
  readonly maxSeriesPerMetric: number;
  readonly outOfOrderMs: number;
  /** As Mimir's `creation_grace_period`. Left out: the store's. */
  readonly aheadMs?: number;
  /** As Mimir's `compactor_blocks_retention_period`, of samples of class `raw` and of points. Left out: the store's. */
  readonly rawRetentionMs?: number;
}

export const DEFAULT_LIMITS: TsdbLimits = {
  maxSampleBytes: 1 << 30,
  maxLabelBytes: 512 << 20,
  maxSeriesPerTenant: 150_000,
  maxTenants: 10_000,
  maxMetadataPerTenant: 20_000,
  maxExemplarsPerTenant: 100_000,
  maxAttachedBytes: 512 << 20,
  maxBacklogBytes: 64 << 20,
  outOfOrderMs: 10 * MINUTE,
  // As in Prometheus and Mimir.
  aheadMs: 10 * MINUTE,
  headMs: 2 * HOUR,
  retentionMs: { raw: 15 * DAY, demand: 400 * DAY },
  tiers: [],
};

/** How long a tenant's samples are kept, in ms. */
export type RetentionOf = (tenant: TenantId) => Readonly<Record<RetentionClass, number>>;

/** What the program itself records is kept as long for every tenant. */
export function retentionOf({
  limits,
  boundsOf,
}: {
  readonly limits: TsdbLimits;
  readonly boundsOf?: (tenant: TenantId) => TenantBounds;
}): RetentionOf {
  const { raw, demand } = limits.retentionMs;
  return (tenant) => ({ raw: boundsOf?.(tenant).rawRetentionMs ?? raw, demand });
}
