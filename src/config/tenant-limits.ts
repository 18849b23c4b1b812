import { z } from 'zod';
import type { Problem } from '../model/problem.ts';
import { parseTenant, type TenantId } from '../model/tenant.ts';
import { type LimitsByTenant, type TenantLimits, TIER_LIMITS, TIERS } from '../model/tenant-limits.ts';
import { DAY, HOUR, parseDuration } from '../model/time.ts';

/** The setting `tenantLimits`: names are Mimir's, so that its runtime overrides can be copied. */

const MOST = 1_000_000_000;
const count = z.int().min(0).max(MOST);
const rate = z.number().min(0).max(MOST);
const perSeries = z.int().min(1).max(1_000_000);

const window = z
  .string()
  .refine(isWindow, { error: (issue) => `expected 0s to 1d, such as 10m, got ${JSON.stringify(issue.input)}` });

const retention = z.string().refine(isRetention, {
  error: (issue) => `expected 0s or 1h to 3650d, such as 30d, got ${JSON.stringify(issue.input)}`,
});

const length = z.string().refine((text) => isLength(text, (ms) => ms >= 0 && ms <= 3650 * DAY), {
  error: (issue) => `expected 0s to 3650d, such as 30d, got ${JSON.stringify(issue.input)}`,
});

const LimitSet = z.strictObject({
  ingestion_rate: rate.optional(),
  ingestion_burst_size: count.optional(),
  request_rate: rate.optional(),
  request_burst_size: count.optional(),
  max_recv_msg_size: count.optional(),
  max_global_series_per_user: count.optional(),
  max_global_series_per_metric: count.optional(),
  max_label_names_per_series: perSeries.optional(),
  max_label_name_length: perSeries.optional(),
  max_label_value_length: perSeries.optional(),
  max_metadata_length: perSeries.optional(),
  out_of_order_time_window: window.optional(),
  creation_grace_period: window.optional(),
  compactor_blocks_retention_period: retention.optional(),
  max_fetched_series_per_query: count.optional(),
  max_samples_per_query: count.optional(),
  max_estimated_memory_consumption_per_query: z.int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
  max_query_expression_size_bytes: count.optional(),
  max_total_query_length: length.optional(),
  max_query_lookback: length.optional(),
  query_timeout: length.optional(),
  max_query_parallelism: z.int().min(1).max(10_000).optional(),
  max_outstanding_requests_per_tenant: count.optional(),
});
type LimitSet = z.infer<typeof LimitSet>;

const tier = z.enum(TIERS);

export const TenantLimitsDocument = z
  .strictObject({
    tier: tier
      .optional()
      .describe(
        'The tier of tenants that name none. Not set: standard while tenancy.mode is on, else enterprise, which is bounded by `limits` alone.',
      )
      .meta({ examples: ['standard'] }),
    tiers: z
      .partialRecord(tier, LimitSet)
      .default({})
      .describe(
        'What differs from the tiers as they come, such as {starter: {ingestion_rate: 5000}}. docs/reference/limits.md has all names and values.',
      ),
    tenants: z
      .record(z.string(), LimitSet.extend({ tier: tier.optional() }))
      .default({})
      .describe(
        'The tier of a tenant, and what differs for it alone, such as {acme: {tier: starter, max_global_series_per_user: 20000}}.',
      ),
  })
  .prefault({})
  .describe('What one tenant may do, under the names of the limits of Mimir. 0 is no bound.');

interface Settled {
  readonly tenancy: { readonly mode: 'on' | 'off' };
  readonly limits: {
    readonly seriesPerTenant: number;
    readonly writeBytes: number;
    readonly querySamples: number;
    readonly queryTimeout: string;
  };
  readonly tenantLimits: z.infer<typeof TenantLimitsDocument>;
}

/** The limits of every tenant: the tier as it comes, then what the settings change of the tier, then the tenant's own. */
export function resolveTenantLimits({ tenancy, limits, tenantLimits }: Settled): LimitsByTenant {
  const { tiers, tenants, tier = tenancy.mode === 'on' ? 'standard' : 'enterprise' } = tenantLimits;
  const resolve = (of: keyof typeof TIER_LIMITS, own: LimitSet): TenantLimits => {
    const merged = { ...TIER_LIMITS[of], ...resolved(tiers[of] ?? {}), ...resolved(own) };
    // What bounds the process bounds each of its tenants.
    const within = (value: number, most: number) => (value === 0 ? most : Math.min(value, most));
    return Object.freeze({
      ...merged,
      ingestion_burst_size: merged.ingestion_burst_size || Math.ceil(merged.ingestion_rate),
      request_burst_size: merged.request_burst_size || Math.ceil(merged.request_rate),
      max_global_series_per_user: within(merged.max_global_series_per_user, limits.seriesPerTenant),
      max_recv_msg_size: within(merged.max_recv_msg_size, limits.writeBytes),
      max_samples_per_query: within(merged.max_samples_per_query, limits.querySamples),
      query_timeout: within(merged.query_timeout, parseDuration(limits.queryTimeout)),
    });
  };
  const named = Object.entries(tenants).map(([id, { tier: own = tier, ...set }]): [TenantId, TenantLimits] => {
    return [parseTenant(id), resolve(own, set)];
  });
  return { others: resolve(tier, {}), named: new Map(named) };
}

/** What is written of a set, in the units of `TenantLimits`. */
function resolved(set: LimitSet): Partial<TenantLimits> {
  const given = Object.entries(set).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    given.map(([name, value]) => [name, typeof value === 'string' ? parseWindow(value) : value]),
  );
}

/** A limit that another setting overrules would be a trap: it is refused. */
export function tenantLimitProblems({ limits, tenantLimits }: Settled): readonly Problem[] {
  const { tiers, tenants } = tenantLimits;
  const sets = [
    ...Object.entries(tiers).map(([id, set]) => ({ path: ['tenantLimits', 'tiers', id], set })),
    ...Object.entries(tenants).map(([id, set]) => ({ path: ['tenantLimits', 'tenants', id], set })),
  ];
  const bounds = [
    { key: 'max_global_series_per_user', most: limits.seriesPerTenant, by: 'limits.seriesPerTenant' },
    { key: 'max_recv_msg_size', most: limits.writeBytes, by: 'limits.writeBytes' },
    { key: 'max_samples_per_query', most: limits.querySamples, by: 'limits.querySamples' },
  ] as const;
  return sets.flatMap(({ path, set }) =>
    bounds.flatMap(({ key, most, by }) => {
      const value = set?.[key] ?? 0;
      if (value <= most) return [];
      return [{ path: [...path, key], message: `expected at most ${most}, which is ${by}, got ${value}` }];
    }),
  );
}

/** `0s` is nothing: no window, or no bound. */
function parseWindow(text: string): number {
  return /^0(ms|s|m|h|d)?$/.test(text) ? 0 : parseDuration(text);
}

function isWindow(text: string): boolean {
  return isLength(text, (ms) => ms >= 0 && ms <= DAY);
}

function isRetention(text: string): boolean {
  return isLength(text, (ms) => ms === 0 || (ms >= HOUR && ms <= 3650 * DAY));
}

function isLength(text: string, isRight: (ms: number) => boolean): boolean {
  try {
    return isRight(parseWindow(text));
  } catch {
    return false;
  }
}
