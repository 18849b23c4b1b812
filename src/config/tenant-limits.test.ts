import { describe, expect, test } from 'vitest';
import { parseTenant } from '../model/tenant.ts';
import { limitsOf, TIER_LIMITS } from '../model/tenant-limits.ts';
import { DAY, HOUR } from '../model/time.ts';
import { checkSettings } from './check-settings.ts';
import { resolveTenantLimits } from './tenant-limits.ts';

function limitsIn(settings: object, tenant = 'acme') {
  const { document, problems } = checkSettings(settings);
  expect(problems).toEqual([]);
  return limitsOf(resolveTenantLimits(document!), parseTenant(tenant));
}

describe('resolveTenantLimits()', () => {
  const on = { tenancy: { mode: 'on' } };
  test.each([
    { name: 'leaves one tenant to the bounds of the process', settings: {}, want: { ingestion_rate: 0 } },
    { name: 'gives tenants the standard tier', settings: on, want: { ingestion_rate: 100_000 } },
    {
      name: 'takes the tier that tenants have by default',
      settings: { ...on, tenantLimits: { tier: 'starter' } },
      want: { ingestion_rate: 10_000, ingestion_burst_size: 200_000, max_global_series_per_user: 150_000 },
    },
    {
      name: "lets the settings of a tier win over the tier, and the tenant's own over both",
      settings: {
        ...on,
        tenantLimits: {
          tiers: { starter: { ingestion_rate: 5, max_label_names_per_series: 10 } },
          tenants: { acme: { tier: 'starter', max_label_names_per_series: 12 } },
        },
      },
      want: { ingestion_rate: 5, max_label_names_per_series: 12, max_label_name_length: 1_024 },
    },
    {
      name: 'leaves other tenants as they are',
      settings: { ...on, tenantLimits: { tenants: { other: { ingestion_rate: 1 } } } },
      want: { ingestion_rate: 100_000 },
    },
    {
      name: 'bounds every tenant by the process',
      settings: { ...on, limits: { seriesPerTenant: 7, writeBytes: 2048 } },
      want: { max_global_series_per_user: 7, max_recv_msg_size: 2048 },
    },
    {
      name: 'reads a window as milliseconds, and 0s as none',
      settings: { ...on, tenantLimits: { tenants: { acme: { out_of_order_time_window: '0s' } } } },
      want: { out_of_order_time_window: 0 },
    },
    {
      name: 'reads how long samples are kept, and how far ahead they may be',
      settings: {
        tenantLimits: {
          tiers: { enterprise: { compactor_blocks_retention_period: '30d' } },
          tenants: { acme: { creation_grace_period: '1h' } },
        },
      },
      want: { compactor_blocks_retention_period: 30 * DAY, creation_grace_period: HOUR },
    },
    {
      name: 'lets a second go through at once where no burst is said',
      settings: { ...on, tenantLimits: { tenants: { acme: { request_rate: 2.5 } } } },
      want: { request_rate: 2.5, request_burst_size: 3 },
    },
  ])('$name', ({ settings, want }) => {
    expect(limitsIn(settings)).toMatchObject(want);
  });

  test("has Mimir's defaults as the starter tier", () => {
    // grafana/mimir, operations/mimir/mimir-flags-defaults.json; the window alone is longer here.
    expect(TIER_LIMITS.starter).toMatchObject({
      ingestion_rate: 10_000,
      ingestion_burst_size: 200_000,
      request_rate: 0,
      max_global_series_per_user: 150_000,
      max_global_series_per_metric: 0,
      max_label_names_per_series: 30,
      max_label_name_length: 1_024,
      max_label_value_length: 2_048,
      max_metadata_length: 1_024,
      creation_grace_period: 600_000,
      compactor_blocks_retention_period: 0,
    });
  });
});

describe('checkSettings() refuses', () => {
  test.each([
    {
      name: 'a limit that there is not',
      set: { ingestion_rat: 1 },
      path: 'ingestion_rat',
      why: /did you mean|unknown key/,
    },
    { name: 'a negative rate', set: { ingestion_rate: -1 }, path: 'ingestion_rate', why: /at least 0/ },
    {
      name: 'half a series',
      set: { max_global_series_per_metric: 0.5 },
      path: 'max_global_series_per_metric',
      why: /expected/,
    },
    {
      name: 'a window that is none',
      set: { out_of_order_time_window: 'soon' },
      path: 'out_of_order_time_window',
      why: /0s to 1d/,
    },
    {
      name: 'a window that is too long',
      set: { out_of_order_time_window: '2d' },
      path: 'out_of_order_time_window',
      why: /0s to 1d/,
    },
    {
      name: 'more series than the process gives a tenant',
      set: { max_global_series_per_user: 500_001 },
      path: 'max_global_series_per_user',
      why: /at most 500000, which is limits.seriesPerTenant/,
    },
    {
      name: 'more samples of a query than the process allows',
      set: { max_samples_per_query: 50_000_001 },
      path: 'max_samples_per_query',
      why: /at most 50000000, which is limits.querySamples/,
    },
    { name: 'no query at once', set: { max_query_parallelism: 0 }, path: 'max_query_parallelism', why: /at least 1/ },
    {
      name: 'a range that is none',
      set: { max_total_query_length: 'x' },
      path: 'max_total_query_length',
      why: /3650d/,
    },
    { name: 'a tier that there is not', set: { tier: 'gold' }, path: 'tier', why: /"starter"/ },
  ])('$name', ({ set, path, why }) => {
    const { problems } = checkSettings({ tenantLimits: { tenants: { acme: set } } });
    expect(problems.map((problem) => [problem.path.join('.'), `${problem.message} ${problem.suggestion}`])).toEqual([
      [`tenantLimits.tenants.acme.${path}`, expect.stringMatching(why)],
    ]);
  });

  test('limits of queries: in the units of the code, and within those of the process', () => {
    const set = { query_timeout: '30s', max_total_query_length: '30d', max_samples_per_query: 1000 };
    const { document } = checkSettings({ limits: { queryTimeout: '1m' }, tenantLimits: { tenants: { acme: set } } });
    const limits = resolveTenantLimits(document!);
    expect(limitsOf(limits, parseTenant('acme'))).toMatchObject({
      ...{ query_timeout: 30_000, max_total_query_length: 30 * 86_400_000, max_samples_per_query: 1000 },
    });
    expect(limits.others).toMatchObject({ query_timeout: 60_000, max_samples_per_query: 50_000_000 });
  });

  test('a tenant that cannot be one, and a tier that there is not', () => {
    const { problems } = checkSettings({ tenantLimits: { tenants: { 'a/b': {} } } });
    expect(problems.map(({ path }) => path)).toEqual([['tenantLimits', 'tenants', 'a/b']]);
    expect(checkSettings({ tenantLimits: { tiers: { gold: {} } } }).problems).toHaveLength(1);
  });
});
