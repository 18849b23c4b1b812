import type { TenantId } from './tenant.ts';
import { MINUTE } from './time.ts';

/**
 * What one tenant may do, under the names of Mimir's limits
 * (operations/mimir/mimir-flags-defaults.json). Where 0 is said to mean no bound, the process's own bounds still hold.
 */
export interface TenantLimits {
  /** Samples, exemplars and metadata per second. 0: no bound. */
  readonly ingestion_rate: number;
  /** Of them at once. */
  readonly ingestion_burst_size: number;
  /** Write requests per second. 0: no bound. */
  readonly request_rate: number;
  readonly request_burst_size: number;
  /** Bytes of one write request, packed and unpacked. 0: no bound. */
  readonly max_recv_msg_size: number;
  /** Series in memory. 0: no bound. */
  readonly max_global_series_per_user: number;
  /** Series in memory of one metric name. 0: no bound. */
  readonly max_global_series_per_metric: number;
  readonly max_label_names_per_series: number;
  /** Bytes of UTF-8, as the two below. */
  readonly max_label_name_length: number;
  readonly max_label_value_length: number;
  readonly max_metadata_length: number;
  /** Milliseconds that a sample may be older than the newest of its series. */
  readonly out_of_order_time_window: number;
  /** Milliseconds that a sample may be ahead of now. */
  readonly creation_grace_period: number;
  /** Milliseconds that samples are kept. 0: as long as the process keeps them (`retention`). */
  readonly compactor_blocks_retention_period: number;
  /** Series that one query may select. 0: no bound, as of the next five. */
  readonly max_fetched_series_per_query: number;
  /** Samples that one query may hold in memory. */
  readonly max_samples_per_query: number;
  /** Bytes of memory that one query may take, as they are estimated by its samples. */
  readonly max_estimated_memory_consumption_per_query: number;
  /** Bytes of one query's text. */
  readonly max_query_expression_size_bytes: number;
  /** Milliseconds from the start of a range to its end. */
  readonly max_total_query_length: number;
  /** Milliseconds back from now that queries see. */
  readonly max_query_lookback: number;
  /** Milliseconds for one query. 0: as the process has it (`limits.queryTimeout`). */
  readonly query_timeout: number;
  /** Queries that run at once; further ones wait. */
  readonly max_query_parallelism: number;
  /** Queries that wait. */
  readonly max_outstanding_requests_per_tenant: number;
}

export const TIERS = ['starter', 'standard', 'enterprise'] as const;
export type Tier = (typeof TIERS)[number];

/** Mimir's defaults, but for a window that takes what senders send again after a pause, and queries at once. */
const MIMIR: TenantLimits = {
  ingestion_rate: 10_000,
  ingestion_burst_size: 200_000,
  request_rate: 0,
  request_burst_size: 0,
  max_recv_msg_size: 0,
  max_global_series_per_user: 150_000,
  max_global_series_per_metric: 0,
  max_label_names_per_series: 30,
  max_label_name_length: 1_024,
  max_label_value_length: 2_048,
  max_metadata_length: 1_024,
  out_of_order_time_window: 10 * MINUTE,
  creation_grace_period: 10 * MINUTE,
  compactor_blocks_retention_period: 0,
  max_fetched_series_per_query: 0,
  max_samples_per_query: 0,
  max_estimated_memory_consumption_per_query: 0,
  max_query_expression_size_bytes: 0,
  max_total_query_length: 0,
  max_query_lookback: 0,
  query_timeout: 0,
  // Mimir has 14, of parts of queries in several processes. Here one thread evaluates: more at once take memory, and
  // answer no sooner.
  max_query_parallelism: 4,
  max_outstanding_requests_per_tenant: 100,
};

/**
 * What the tiers are where the settings say nothing else. Mimir's defaults are `starter`. `standard` carries a
 * Prometheus of a million series each 15 s while it catches up at half as much again. `enterprise` is bounded by the
 * process alone: it is what the one tenant of a machine has while tenancy is off.
 */
export const TIER_LIMITS: Readonly<Record<Tier, TenantLimits>> = {
  starter: MIMIR,
  standard: {
    ...MIMIR,
    ingestion_rate: 100_000,
    ingestion_burst_size: 2_000_000,
    max_global_series_per_user: 500_000,
  },
  enterprise: {
    ...MIMIR,
    ingestion_rate: 0,
    ingestion_burst_size: 0,
    max_global_series_per_user: 0,
  },
};

/** The limits of every tenant, resolved. */
export interface LimitsByTenant {
  /** Of tenants that the settings do not name. */
  readonly others: TenantLimits;
  readonly named: ReadonlyMap<TenantId, TenantLimits>;
}

export function limitsOf({ others, named }: LimitsByTenant, tenant: TenantId): TenantLimits {
  return named.get(tenant) ?? others;
}
