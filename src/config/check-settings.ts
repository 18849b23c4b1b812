import { z } from 'zod';
import { type Problem, problemsOf } from '../model/problem.ts';
import { DEFAULT_TENANT, InvalidTenantError, parseTenant } from '../model/tenant.ts';
import { DAY, MINUTE, parseDuration, SECOND } from '../model/time.ts';
import { alertingProblems } from './alerting-settings.ts';
import { anomalyProblems } from './anomaly-settings.ts';
import { costProblems } from './cost-settings.ts';
import { ruleSettingsProblems } from './rules-settings.ts';
import { isLoopback, SettingsDocument, splitListen } from './schema.ts';
import { scrapeProblems } from './scrape-settings.ts';
import { tenantLimitProblems } from './tenant-limits.ts';

/** Checks a settings document: by the schema, then what one field means for another. */
export function checkSettings(value: unknown): {
  readonly document?: SettingsDocument;
  readonly problems: readonly Problem[];
} {
  const checked = SettingsDocument.safeParse(value);
  if (!checked.success) {
    const schema = z.toJSONSchema(SettingsDocument, { io: 'input' });
    return { problems: problemsOf(checked.error.issues, value, schema) };
  }
  const problems = [
    ...exposureProblems(checked.data),
    ...scalerProblems(checked.data),
    ...tenantProblems(checked.data),
    ...coordinationProblems(checked.data),
    ...storageProblems(checked.data),
    ...tenantLimitProblems(checked.data),
    ...downsamplingProblems(checked.data),
    ...alertingProblems(checked.data.alerting, checked.data.tenancy.mode === 'on'),
    ...scrapeProblems(checked.data.scrape, checked.data.tenancy.mode === 'on'),
    ...anomalyProblems(checked.data.anomalies, checked.data.tenancy.mode === 'on'),
    ...ruleSettingsProblems(checked.data.rules, checked.data.tenancy.mode === 'on'),
    ...costProblems(checked.data.cost, checked.data.tenancy.mode === 'on'),
    ...reportProblems(checked.data),
  ];
  return problems.length > 0 ? { problems } : { document: checked.data, problems };
}

/** Reports go to receivers of alerts, by mail. */
function reportProblems({ cost, alerting, tenancy }: SettingsDocument): readonly Problem[] {
  const hear = (tenant: string) =>
    alerting.receivers.filter(
      ({ tenants = [], emailConfigs = [] }) =>
        emailConfigs.length > 0 && (tenancy.mode === 'off' || tenants === 'all' || tenants.includes(tenant)),
    );
  return cost.reports.flatMap(({ tenant, receivers }, i) =>
    receivers.flatMap((name, k): readonly Problem[] => {
      if (hear(tenant).some((receiver) => receiver.name === name)) return [];
      const message = `expected the name of a receiver in alerting.receivers with emailConfigs that the tenant ${tenant} may use, got ${JSON.stringify(name)}`;
      return [{ path: ['cost', 'reports', i, 'receivers', k], message }];
    }),
  );
}

function exposureProblems(document: SettingsDocument): readonly Problem[] {
  if (document.authentication !== undefined || isLoopback(splitListen(document.listen).host)) return [];
  const message = `${document.listen} can be reached from other machines, and nobody would be asked who they are: set authentication.tokens, or write "authentication: none"`;
  return [{ path: ['listen'], message }];
}

function scalerProblems({ kedaScaler }: SettingsDocument): readonly Problem[] {
  if (kedaScaler === 'off' || kedaScaler.authentication !== undefined || kedaScaler.tls?.clientCa !== undefined)
    return [];
  if (isLoopback(splitListen(kedaScaler.listen).host)) return [];
  const message = `${kedaScaler.listen} can be reached from other machines, and nobody would be asked who they are: set kedaScaler.tls.clientCa, or write "authentication: none" there`;
  return [{ path: ['kedaScaler', 'listen'], message }];
}

/** Shorter leases are lost to a garbage collection; with longer ones nobody acts for minutes. */
const LEASE_MS = { least: 3 * SECOND, most: 5 * MINUTE };

function coordinationProblems({ coordination, kubernetes }: SettingsDocument): readonly Problem[] {
  const problems: Problem[] = [];
  const leaseMs = parseDuration(coordination.leaseDuration);
  if (leaseMs < LEASE_MS.least || leaseMs > LEASE_MS.most) {
    const message = `expected 3s to 5m, got ${JSON.stringify(coordination.leaseDuration)}`;
    problems.push({ path: ['coordination', 'leaseDuration'], message });
  }
  if (coordination.kind === 'lease' && kubernetes === 'off') {
    problems.push({ path: ['coordination', 'kind'], message: 'expected "off" while kubernetes is off, got "lease"' });
  }
  return problems;
}

/** Samples of a day are made points of some hours after it ended, when series that come seldom left memory too. */
const LEAST_RETENTION_MS = 2 * DAY;

function downsamplingProblems({ retention, downsampling, storage }: SettingsDocument): readonly Problem[] {
  const retentionMs = parseDuration(retention);
  return Object.entries(downsampling).flatMap(([step, keep]): readonly Problem[] => {
    if (keep === 'off') return [];
    const path = ['downsampling', step];
    if (storage !== 'embedded') return [{ path, message: 'expected off: samples are kept by the engine of `storage`' }];
    if (retentionMs < LEAST_RETENTION_MS) return [{ path, message: 'expected off, or a retention of 2d at least' }];
    if (parseDuration(keep) > retentionMs) return [];
    return [{ path, message: `expected off, or longer than retention (${retention}), got ${keep}` }];
  });
}

/** Where the tenant stands in the address of a cluster. */
const TENANT_IN_PATH = '{tenant}';

function storageProblems({ storage, tenancy }: SettingsDocument): readonly Problem[] {
  if (storage === 'embedded') return [];
  const problems: Problem[] = [];
  if (storage.kind === 'influx') {
    const { username, password } = new URL(storage.url);
    if (username !== '' || password !== '') {
      const message = 'expected no user in the address: use storage.username and storage.passwordFile';
      problems.push({ path: ['storage', 'url'], message });
    }
    if (storage.passwordFile !== undefined && storage.username === undefined) {
      problems.push({ path: ['storage', 'passwordFile'], message: 'expected storage.username beside it' });
    }
    return problems;
  }
  const byPath = tenancy.mode === 'on' && storage.tenants === 'path';
  for (const key of ['write', 'query'] as const) {
    const { url } = storage[key];
    const path = ['storage', key, 'url'];
    const { username, password } = new URL(url);
    if (username !== '' || password !== '') {
      problems.push({ path, message: 'expected no user in the address: use storage.basicAuth' });
    }
    // An address may hold braces, but as it is parsed they are escaped.
    const hasTenant = url.includes(TENANT_IN_PATH);
    if (byPath && !hasTenant) {
      problems.push({ path, message: `expected ${TENANT_IN_PATH} in it, since storage.tenants is path` });
    }
    if (!byPath && hasTenant) {
      const message = `expected no ${TENANT_IN_PATH} in it unless storage.tenants is path and tenancy.mode is on`;
      problems.push({ path, message });
    }
  }
  if (storage.bearerTokenFile !== undefined && storage.basicAuth !== undefined) {
    problems.push({ path: ['storage', 'basicAuth'], message: 'expected one of bearerTokenFile and basicAuth' });
  }
  return problems;
}

function tenantProblems({ tenancy, authentication, tenantLimits }: SettingsDocument): readonly Problem[] {
  const named = Object.entries(tenancy.namespaces).map(([ns, id]) => ({ path: ['tenancy', 'namespaces', ns], id }));
  const tokens = typeof authentication === 'object' ? authentication.tokens : [];
  const limited = Object.keys(tenantLimits.tenants).map((id) => ({ path: ['tenantLimits', 'tenants', id], id }));
  const problems = [
    ...named,
    ...limited,
    ...tokens.map(({ tenant }, i) => ({ path: ['authentication', 'tokens', i, 'tenant'], id: tenant })),
  ].flatMap(({ path, id }) => tenantProblem(path, id));
  if (tenancy.mode === 'off' && tenancy.from !== 'header') {
    problems.push({ path: ['tenancy', 'from'], message: 'expected "header" while tenancy.mode is off' });
  }
  for (const [i, { tenant }] of tokens.entries()) {
    if (tenancy.mode === 'on' || tenant === DEFAULT_TENANT) continue;
    const message = `expected "default" while tenancy.mode is off, got ${JSON.stringify(tenant)}`;
    problems.push({ path: ['authentication', 'tokens', i, 'tenant'], message });
  }
  return problems;
}

function tenantProblem(path: readonly (string | number)[], id: string): Problem[] {
  try {
    parseTenant(id);
    return [];
  } catch (error) {
    if (error instanceof InvalidTenantError) return [{ path, message: error.message }];
    throw error;
  }
}
