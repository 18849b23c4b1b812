import { z } from 'zod';
import { type Problem, problemsOf } from '../model/problem.ts';
import { DEFAULT_TENANT, InvalidTenantError, parseTenant } from '../model/tenant.ts';
import { MINUTE, parseDuration, SECOND } from '../model/time.ts';
import { isLoopback, SettingsDocument, splitListen } from './schema.ts';

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
  ];
  return problems.length > 0 ? { problems } : { document: checked.data, problems };
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

function tenantProblems({ tenancy, authentication }: SettingsDocument): readonly Problem[] {
  const named = Object.entries(tenancy.namespaces).map(([ns, id]) => ({ path: ['tenancy', 'namespaces', ns], id }));
  const tokens = typeof authentication === 'object' ? authentication.tokens : [];
  const problems = [
    ...named,
    ...tokens.map(({ tenant }, i) => ({ path: ['authentication', 'tokens', i, 'tenant'], id: tenant })),
  ].flatMap(({ path, id }) => tenantProblem(path, id));
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
