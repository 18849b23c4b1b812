import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Flapping } from '../alerting/held.ts';
import type { InhibitRule } from '../alerting/inhibit.ts';
import { parseMatchers } from '../alerting/matchers.ts';
import type { HttpAccess, Integration, Receiver, TlsAccess } from '../alerting/receiver.ts';
import type { Route } from '../alerting/route.ts';
import type { Problem } from '../model/problem.ts';
import { Secret } from '../model/secret.ts';
import { InvalidTenantError, parseTenant } from '../model/tenant.ts';
import { parseDuration } from '../model/time.ts';
import type { AlertingDocument, ReceiverDocument, RouteDocument, SecretSource } from './alerting-schema.ts';

/** As loaded: lengths in milliseconds, paths absolute, secrets and templates read. */
export interface AlertingSettings {
  readonly receivers: readonly Receiver[];
  /** Undefined: nobody is told. */
  readonly route: Route | undefined;
  readonly tenantRoutes: ReadonlyMap<string, Route>;
  readonly inhibitRules: readonly InhibitRule[];
  /** What the files of templates say, one behind the other. */
  readonly templates: string;
  readonly flapping: Flapping;
  readonly retryForMs: number;
  readonly queueLength: number;
  readonly queueBytes: number;
  readonly alertsPerTenant: number;
}

type Path = readonly (string | number)[];
const BASE = 'alerting';

/** What one key of the section means for another. */
export function alertingProblems(section: AlertingDocument, tenancyOn: boolean): readonly Problem[] {
  const problems: Problem[] = [];
  const names = new Set<string>();
  for (const [i, { name, tenants }] of section.receivers.entries()) {
    const path = [BASE, 'receivers', i];
    if (names.has(name))
      problems.push({ path: [...path, 'name'], message: `the receiver ${JSON.stringify(name)} is there twice` });
    names.add(name);
    if (tenancyOn && tenants === undefined) {
      const message = 'missing: expected the tenants whose alerts it may hear of, or all, while tenancy.mode is on';
      problems.push({ path: [...path, 'tenants'], message });
    }
    if (Array.isArray(tenants)) {
      for (const [j, tenant] of tenants.entries()) problems.push(...tenantProblem([...path, 'tenants', j], tenant));
    }
  }
  if (section.receivers.length > 0 && section.route === undefined && Object.keys(section.tenants).length === 0) {
    problems.push({ path: [BASE, 'route'], message: 'missing: expected {receiver: NAME}, since there are receivers' });
  }
  if (section.route !== undefined) problems.push(...routeProblems(section.route, [BASE, 'route'], names, true));
  for (const [tenant, { route }] of Object.entries(section.tenants)) {
    const path = [BASE, 'tenants', tenant];
    problems.push(...tenantProblem(path, tenant), ...routeProblems(route, [...path, 'route'], names, true));
    if (!tenancyOn) problems.push({ path, message: 'expected none while tenancy.mode is off' });
  }
  return problems;
}

function tenantProblem(path: Path, tenant: string): readonly Problem[] {
  try {
    parseTenant(tenant);
    return [];
  } catch (error) {
    if (error instanceof InvalidTenantError) return [{ path, message: error.message }];
    throw error;
  }
}

function routeProblems(
  { receiver, matchers, routes }: RouteDocument,
  path: Path,
  names: ReadonlySet<string>,
  isTop: boolean,
): readonly Problem[] {
  const problems: Problem[] = [];
  if (isTop && receiver === undefined) problems.push({ path: [...path, 'receiver'], message: 'missing: expected one' });
  if (isTop && matchers.length > 0) {
    problems.push({ path: [...path, 'matchers'], message: 'expected none at the top: every alert comes this way' });
  }
  if (receiver !== undefined && !names.has(receiver)) {
    const known = [...names].slice(0, 10).join(', ') || 'none';
    const message = `there is no receiver ${JSON.stringify(receiver)} (there are: ${known})`;
    problems.push({ path: [...path, 'receiver'], message });
  }
  const below = routes.flatMap((child, i) => routeProblems(child, [...path, 'routes', i], names, false));
  return [...problems, ...below];
}

export interface ResolveContext {
  /** Of the settings file. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly tenancyOn: boolean;
}

/** Fills in what is inherited, and reads secrets and templates. Whatever cannot be read is among the problems. */
export function resolveAlerting(
  section: AlertingDocument,
  context: ResolveContext,
): { readonly settings: AlertingSettings; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const read = (path: Path, file: string): string => {
    try {
      return readFileSync(resolve(context.folder, file), 'utf8');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      problems.push({ path, message: `cannot read ${file}: ${code ?? 'unknown reason'}` });
      return '';
    }
  };
  const secretAt = (path: Path, { file, env }: SecretSource): Secret => {
    const before = problems.length;
    const text = env === undefined ? read([...path, 'file'], file!).trim() : (context.env[env] ?? '').trim();
    if (text === '' && problems.length === before) {
      const where = env === undefined ? `the file ${file}` : `the environment variable ${env}`;
      problems.push({
        path: [...path, env === undefined ? 'file' : 'env'],
        message: `expected a secret, but ${where} is empty`,
      });
    }
    return new Secret(text);
  };
  const reader = { read, secretAt };
  const receivers = section.receivers.map((receiver, i): Receiver => {
    const { name, tenants } = receiver;
    const integrations = integrationsOf(receiver, [BASE, 'receivers', i], reader);
    return { name, tenants: context.tenancyOn ? (tenants ?? []) : 'all', integrations };
  });
  const { route, tenants, inhibitRules, templates, flapping } = section;
  const settings: AlertingSettings = {
    receivers,
    route: route && resolveRoute(route, TOP),
    tenantRoutes: new Map(Object.entries(tenants).map(([id, own]) => [id, resolveRoute(own.route, TOP)])),
    inhibitRules: inhibitRules.map(({ sourceMatchers, targetMatchers, equal }) => ({
      sourceMatchers: sourceMatchers.flatMap(parseMatchers),
      targetMatchers: targetMatchers.flatMap(parseMatchers),
      equal,
    })),
    templates: templates.map((file, i) => read([BASE, 'templates', i], file)).join(''),
    flapping: {
      starts: flapping.starts === 'off' ? Number.POSITIVE_INFINITY : flapping.starts,
      withinMs: parseDuration(flapping.within),
      settleMs: parseDuration(flapping.settle),
    },
    retryForMs: parseDuration(section.retryFor),
    queueLength: section.queueLength,
    queueBytes: section.queueBytes,
    alertsPerTenant: section.alertsPerTenant,
  };
  return { settings, problems };
}

/** Alertmanager's. */
const TOP: Omit<Route, 'matchers' | 'continue' | 'routes'> = {
  receiver: '',
  groupBy: [],
  groupWaitMs: parseDuration('30s'),
  groupIntervalMs: parseDuration('5m'),
  repeatIntervalMs: parseDuration('4h'),
};

function resolveRoute(document: RouteDocument, above: Omit<Route, 'matchers' | 'continue' | 'routes'>): Route {
  const { receiver, groupBy, groupWait, groupInterval, repeatInterval } = document;
  const own = {
    receiver: receiver ?? above.receiver,
    groupBy: groupBy === undefined ? above.groupBy : groupBy.includes('...') ? ('all' as const) : groupBy,
    groupWaitMs: lengthOf(groupWait) ?? above.groupWaitMs,
    groupIntervalMs: lengthOf(groupInterval) ?? above.groupIntervalMs,
    repeatIntervalMs: lengthOf(repeatInterval) ?? above.repeatIntervalMs,
  };
  return {
    ...own,
    matchers: document.matchers.flatMap(parseMatchers),
    continue: document.continue,
    routes: document.routes.map((child) => resolveRoute(child, own)),
  };
}

function lengthOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return text === '0s' ? 0 : parseDuration(text);
}

interface Reader {
  readonly read: (path: Path, file: string) => string;
  readonly secretAt: (path: Path, source: SecretSource) => Secret;
}

function integrationsOf(document: ReceiverDocument, base: Path, { read, secretAt }: Reader): readonly Integration[] {
  const commonOf = (
    kind: string,
    i: number,
    of: { readonly sendResolved?: boolean; readonly timeout: string; readonly maxPerMinute?: number },
  ) => ({
    id: `${kind}[${i}]`,
    sendResolved: of.sendResolved ?? true,
    timeoutMs: parseDuration(of.timeout),
    maxPerMinute: of.maxPerMinute ?? 60,
  });
  const tlsOf = (
    path: Path,
    { caFile, serverName, insecureSkipVerify }: ReceiverDocument['webhookConfigs'][number]['tlsConfig'],
  ): TlsAccess => ({
    ca: caFile === undefined ? undefined : read([...path, 'tlsConfig', 'caFile'], caFile),
    serverName,
    insecureSkipVerify,
  });
  const accessOf = (
    path: Path,
    of: Pick<ReceiverDocument['webhookConfigs'][number], 'bearerToken' | 'basicAuth' | 'tlsConfig'>,
  ): HttpAccess => ({
    bearerToken: of.bearerToken && secretAt([...path, 'bearerToken'], of.bearerToken),
    basicAuth: of.basicAuth && {
      username: of.basicAuth.username,
      password: secretAt([...path, 'basicAuth', 'password'], of.basicAuth.password),
    },
    tls: tlsOf(path, of.tlsConfig),
  });
  const at = (key: string, i: number): Path => [...base, key, i];
  return [
    ...document.alertmanagerConfigs.map((of, i): Integration => {
      const urls = of.urls.map((each) => each.replace(/\/+$/, '').replace(/\/api\/v2\/alerts$/, ''));
      const access = accessOf(at('alertmanagerConfigs', i), of);
      return { kind: 'alertmanager', ...commonOf('alertmanager', i, of), urls, access };
    }),
    ...document.webhookConfigs.map((of, i): Integration => {
      const path = at('webhookConfigs', i);
      return {
        kind: 'webhook',
        ...commonOf('webhook', i, of),
        url: typeof of.url === 'string' ? new Secret(of.url) : secretAt([...path, 'url'], of.url),
        signingKey: of.signingKey && secretAt([...path, 'signingKey'], of.signingKey),
        access: accessOf(path, of),
      };
    }),
    ...document.emailConfigs.map((of, i): Integration => {
      const path = at('emailConfigs', i);
      const { to, from, hello, authUsername, security, headers, subject, html, text } = of;
      const colon = of.smarthost.lastIndexOf(':');
      const host = of.smarthost.slice(0, colon).replace(/^\[|\]$/g, '');
      return {
        kind: 'email',
        ...commonOf('email', i, of),
        ...{ to, from, hello, authUsername, security, headers, subject, html, text },
        smarthost: { host, port: Number(of.smarthost.slice(colon + 1)) },
        authPassword: of.authPassword && secretAt([...path, 'authPassword'], of.authPassword),
        tls: tlsOf(path, of.tlsConfig),
      };
    }),
    ...document.slackConfigs.map((of, i): Integration => {
      const { channel, title, text } = of;
      const apiUrl = secretAt([...at('slackConfigs', i), 'apiUrl'], of.apiUrl);
      return { kind: 'slack', ...commonOf('slack', i, of), ...{ apiUrl, channel, title, text } };
    }),
    ...document.msteamsConfigs.map((of, i): Integration => {
      const { title, text } = of;
      const webhookUrl = secretAt([...at('msteamsConfigs', i), 'webhookUrl'], of.webhookUrl);
      return { kind: 'msteams', ...commonOf('msteams', i, of), ...{ webhookUrl, title, text } };
    }),
    ...document.pagerdutyConfigs.map((of, i): Integration => {
      const { url, description } = of;
      const routingKey = secretAt([...at('pagerdutyConfigs', i), 'routingKey'], of.routingKey);
      return { kind: 'pagerduty', ...commonOf('pagerduty', i, of), ...{ routingKey, url, description } };
    }),
  ];
}
