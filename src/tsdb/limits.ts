import { DAY, MINUTE } from '../model/time.ts';
import type { RetentionClass } from '../storage/write.ts';

/** What bounds the store. Beyond a bound nothing more is taken, and reading goes on. */
export interface TsdbLimits {
  /** Samples in memory, of all tenants: 16 bytes each, and at most as much again of spare room. */
  readonly maxSamples: number;
  /** Canonical label bytes in memory, of all tenants. A series costs about three times its label bytes. */
  readonly maxLabelBytes: number;
  /** Series of one tenant, as Mimir's `max_global_series_per_user`. */
  readonly maxSeriesPerTenant: number;
  readonly maxTenants: number;
  /** Described metric families of one tenant. */
  readonly maxMetadataPerTenant: number;
  /** Written and not yet synced. */
  readonly maxBacklogBytes: number;
  /** How far behind the newest sample of its series a live sample may come. */
  readonly outOfOrderMs: number;
  readonly retentionMs: Readonly<Record<RetentionClass, number>>;
}

export const DEFAULT_LIMITS: TsdbLimits = {
  maxSamples: 50_000_000,
  maxLabelBytes: 512 << 20,
  maxSeriesPerTenant: 150_000,
  maxTenants: 10_000,
  maxMetadataPerTenant: 20_000,
  maxBacklogBytes: 64 << 20,
  outOfOrderMs: 10 * MINUTE,
  retentionMs: { raw: 15 * DAY, demand: 400 * DAY },
};

/** Samples may be this far ahead of now, as in Prometheus: clocks differ, but the future is not stored here. */
export const MAX_AHEAD_MS = 10 * MINUTE;
