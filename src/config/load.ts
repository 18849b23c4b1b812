import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import type { Role } from '../model/caller.ts';
import type { Problem } from '../model/problem.ts';
import { parseTenant, type TenantId } from '../model/tenant.ts';
import type { LimitsByTenant } from '../model/tenant-limits.ts';
import { parseDuration } from '../model/time.ts';
import { type AlertingSettings, resolveAlerting } from './alerting-settings.ts';
import { type AnomalySettings, resolveAnomaly } from './anomaly-settings.ts';
import { checkSettings } from './check-settings.ts';
import { type CostSettings, resolveCost } from './cost-settings.ts';
import { SettingsError } from './errors.ts';
import { readText } from './read-text.ts';
import { type RulesSettings, resolveRules } from './rules-settings.ts';
import { type SettingsDocument, splitListen } from './schema.ts';
import { resolveScrape, type ScrapeSettings } from './scrape-settings.ts';
import { resolveTenantLimits } from './tenant-limits.ts';
import { type LocatedProblem, parseYaml, type YamlDocument } from './yaml-document.ts';

/** All settings, resolved: lengths in milliseconds, paths absolute, tokens read. */
export interface Settings {
  readonly listen: { readonly host: string; readonly port: number };
  readonly allowedHosts: readonly string[];
  readonly dataFolder: string;
  readonly storage: StorageSettings;
  readonly scrape: ScrapeSettings;
  readonly retentionMs: number;
  /** Points to make of samples, and how long they are kept. */
  readonly downsampling: readonly { readonly stepMs: number; readonly keepMs: number }[];
  readonly tenancy: {
    readonly on: boolean;
    readonly namespaces: ReadonlyMap<string, TenantId>;
    /** Undefined: the header or the credential says whose series are. */
    readonly label: TenantLabel | undefined;
  };
  readonly authentication:
    | { readonly kind: 'none' }
    | { readonly kind: 'tokens'; readonly tokens: readonly Credential[] };
  /** Absolute files and folders. */
  readonly policies: readonly string[];
  readonly otlp: SettingsDocument['otlp'];
  readonly kubernetes: KubernetesAccess;
  /** Whether the cluster's ScalingPolicies are read. */
  readonly customResources: boolean;
  /** Undefined where it is off. */
  readonly kedaScaler: KedaScalerSettings | undefined;
  readonly coordination: CoordinationSettings;
  readonly loops: { readonly scaleMs: number };
  /** `everyMs` is undefined where nothing is trained. */
  readonly training: { readonly everyMs: number | undefined; readonly epochs: number };
  readonly externalMetrics: ExternalMetricsSettings | undefined;
  readonly limits: {
    readonly seriesPerTenant: number;
    readonly sampleBytes: number;
    readonly writeBytes: number;
    readonly requestBytes: number;
    readonly querySamples: number;
    readonly queryTimeoutMs: number;
    readonly queryPoints: number;
    readonly readBytes: number;
  };
  readonly tenantLimits: LimitsByTenant;
  readonly externalLabels: Readonly<Record<string, string>>;
  /** Where people reach this server, without a slash at its end. Not set: the address that it listens on. */
  readonly externalUrl: string;
  readonly rules: RulesSettings;
  readonly anomalies: AnomalySettings;
  readonly cost: CostSettings;
  readonly alerting: AlertingSettings;
  readonly logLevel: SettingsDocument['log']['level'];
  /** Infinite where slow queries are not told. */
  readonly slowQueryMs: number;
}

export interface TenantLabel {
  readonly label: string;
  readonly value: 'tenant' | 'namespace';
  readonly keep: boolean;
}

export type StorageSettings =
  | { readonly kind: 'embedded' }
  | {
      readonly kind: 'prometheus';
      readonly writeUrl: string;
      readonly queryUrl: string;
      readonly tenantBy:
        | { readonly kind: 'none' | 'path' }
        | { readonly kind: 'header' | 'label'; readonly name: string };
      /** Absolute files. */
      readonly bearerTokenFile: string | undefined;
      readonly basicAuth: { readonly username: string; readonly passwordFile: string } | undefined;
      readonly headers: Readonly<Record<string, string>>;
      readonly timeoutMs: number;
      readonly bufferedSamples: number;
      readonly queueBytes: number;
    }
  | {
      readonly kind: 'influx';
      readonly url: string;
      readonly database: string;
      readonly retentionPolicy: string | undefined;
      readonly tenantBy: { readonly kind: 'none' | 'database' } | { readonly kind: 'tag'; readonly name: string };
      readonly username: string | undefined;
      /** An absolute file. */
      readonly passwordFile: string | undefined;
      readonly timeoutMs: number;
      readonly bufferedSamples: number;
      readonly queueBytes: number;
    };

export interface Credential {
  readonly name: string;
  readonly token: string;
  readonly tenant: TenantId;
  readonly role: Role;
  /** Whether it may send the series of every tenant. */
  readonly anyTenant: boolean;
}

export type KubernetesAccess =
  | { readonly kind: 'off' }
  | { readonly kind: 'inCluster' }
  | { readonly kind: 'kubeconfig'; readonly path: string; readonly context?: string };

export interface ExternalMetricsSettings {
  readonly listen: { readonly host: string; readonly port: number };
  readonly service: { readonly namespace: string; readonly name: string; readonly port: number };
  readonly apiService: 'keep' | 'leave';
  /** Absolute files. */
  readonly certificates: 'selfMade' | { readonly cert: string; readonly key: string; readonly ca: string | undefined };
  readonly upstream:
    | { readonly url: string; readonly ca: string | undefined; readonly token: string; readonly skipVerify: boolean }
    | undefined;
}

export interface KedaScalerSettings {
  readonly listen: { readonly host: string; readonly port: number };
  /** Absolute files. */
  readonly tls: { readonly cert: string; readonly key: string; readonly clientCa?: string } | undefined;
}

export type CoordinationSettings =
  | { readonly kind: 'off' }
  | { readonly kind: 'lease'; readonly namespace: string; readonly group: string; readonly leaseMs: number };

export interface LoadOptions {
  /** The settings file. None: the defaults. */
  readonly file?: string;
  /** Win over the file. */
  readonly flags?: { readonly listen?: string; readonly data?: string; readonly logLevel?: string };
  readonly env?: Readonly<Record<string, string | undefined>>;
}

const FLAG_PATHS = { listen: ['listen'], data: ['data'], logLevel: ['log', 'level'] } as const;

/**
 * Reads, checks and resolves the settings. The only reader of the environment.
 * @throws {SettingsError} With every problem at once.
 */
export function loadSettings({ file, flags = {}, env = process.env }: LoadOptions = {}): Settings {
  const source = file === undefined ? noFile() : readSettingsFile(file);
  const { value, flagged } = withFlags(source.value, flags);
  const locate = (problem: Problem): LocatedProblem => {
    const flag = flagged.find(({ path }) => path.join('.') === problem.path.join('.'));
    if (flag !== undefined) return { ...problem, path: [], file: `--${flag.name}`, line: 0, column: 0 };
    return source.locate(problem);
  };
  const { document, problems } = checkSettings(value);
  if (document === undefined) throw new SettingsError(problems.map(locate));
  const folder = file === undefined ? process.cwd() : dirname(resolve(file));
  const dataFolder = flags.data === undefined ? resolve(folder, document.data) : resolve(flags.data);
  const { tokens, tokenProblems } = readTokens(document, folder, env);
  if (tokenProblems.length > 0) throw new SettingsError(tokenProblems.map(locate));
  const scrape = resolveScrape(document.scrape, { folder, tenancyOn: document.tenancy.mode === 'on' });
  if (scrape.kind === 'problems') throw new SettingsError(scrape.problems);
  const alerting = resolveAlerting(document.alerting, { folder, env, tenancyOn: document.tenancy.mode === 'on' });
  if (alerting.problems.length > 0) throw new SettingsError(alerting.problems.map(locate));
  const settings: Settings = {
    listen: splitListen(document.listen),
    allowedHosts: document.allowedHosts,
    dataFolder,
    storage: resolveStorage(document, folder),
    scrape: scrape.settings,
    retentionMs: parseDuration(document.retention),
    downsampling: Object.entries(document.downsampling).flatMap(([step, keep]) => {
      return keep === 'off' ? [] : [{ stepMs: parseDuration(step), keepMs: parseDuration(keep) }];
    }),
    tenancy: {
      on: document.tenancy.mode === 'on',
      label: typeof document.tenancy.from === 'object' ? document.tenancy.from : undefined,
      namespaces: new Map(Object.entries(document.tenancy.namespaces).map(([ns, id]) => [ns, parseTenant(id)])),
    },
    authentication: tokens.length === 0 ? { kind: 'none' } : { kind: 'tokens', tokens },
    policies: document.policies.map((path) => resolve(folder, path)),
    otlp: document.otlp,
    kubernetes: resolveKubernetes(document.kubernetes, folder, env),
    customResources: document.customResources === 'on',
    kedaScaler: resolveKedaScaler(document.kedaScaler, folder),
    coordination: resolveCoordination(document.coordination, env),
    loops: { scaleMs: parseDuration(document.loops.scale) },
    training: {
      everyMs: document.training.every === 'off' ? undefined : parseDuration(document.training.every),
      epochs: document.training.epochs,
    },
    externalMetrics: resolveExternalMetrics(document.externalMetrics, folder),
    limits: limitsOf(document.limits),
    tenantLimits: resolveTenantLimits(document),
    externalLabels: document.externalLabels,
    externalUrl: (document.externalUrl ?? addressOf(splitListen(document.listen))).replace(/\/+$/, ''),
    rules: resolveRules(document.rules, folder),
    anomalies: resolveAnomaly(document.anomalies, folder),
    cost: resolveCost(document.cost, folder),
    alerting: alerting.settings,
    logLevel: document.log.level,
    slowQueryMs: document.log.slowQuery === 'off' ? Number.POSITIVE_INFINITY : parseDuration(document.log.slowQuery),
  };
  return Object.freeze(settings);
}

/** Reads a settings file's one document. */
function readSettingsFile(file: string): YamlDocument {
  const yaml = parseYaml(readText(file), file);
  if (yaml.kind === 'broken') throw new SettingsError(yaml.problems);
  const [document, second] = yaml.documents;
  if (second !== undefined) throw new SettingsError([second.locate({ path: [], message: 'expected one document' })]);
  return document ?? noFile(file);
}

function noFile(file = 'settings'): YamlDocument {
  return { value: {}, locate: (problem) => ({ ...problem, file, line: 0, column: 0 }) };
}

/** The document with the flags in it. `flagged` says which paths a flag gave. */
function withFlags(value: unknown, flags: NonNullable<LoadOptions['flags']>) {
  const flagged: { readonly name: string; readonly path: readonly string[] }[] = [];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { value, flagged };
  const merged: Record<string, unknown> = { ...value };
  for (const [flag, [key, inner]] of Object.entries(FLAG_PATHS)) {
    const given = flags[flag as keyof typeof FLAG_PATHS];
    if (given === undefined) continue;
    merged[key] = inner === undefined ? given : { ...(merged[key] as object | undefined), [inner]: given };
    flagged.push({ name: flag === 'logLevel' ? 'log-level' : flag, path: inner === undefined ? [key] : [key, inner] });
  }
  return { value: merged, flagged };
}

function readTokens(document: SettingsDocument, folder: string, env: NonNullable<LoadOptions['env']>) {
  const tokens: Credential[] = [];
  const tokenProblems: Problem[] = [];
  const entries = typeof document.authentication === 'object' ? document.authentication.tokens : [];
  for (const [i, { name, file, env: variable, tenant, role, writes }] of entries.entries()) {
    const path = ['authentication', 'tokens', i];
    try {
      const text = variable === undefined ? readFileSync(resolve(folder, file!), 'utf8') : (env[variable] ?? '');
      const token = text.trim();
      if (token === '') {
        const source = variable === undefined ? `the file ${file}` : `the environment variable ${variable}`;
        tokenProblems.push({
          path: [...path, variable === undefined ? 'file' : 'env'],
          message: `expected a token, but ${source} is empty`,
        });
        continue;
      }
      tokens.push({ name, token, tenant: parseTenant(tenant), role, anyTenant: writes === 'any' });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      tokenProblems.push({ path: [...path, 'file'], message: `cannot read ${file}: ${code ?? 'unknown reason'}` });
    }
  }
  return { tokens, tokenProblems };
}

function resolveStorage({ storage, tenancy }: SettingsDocument, folder: string): StorageSettings {
  if (storage === 'embedded') return { kind: 'embedded' };
  const { timeout, bufferedSamples, queueBytes } = storage;
  if (storage.kind === 'influx') {
    const { url, database, retentionPolicy, tenants, username, passwordFile } = storage;
    return {
      kind: 'influx',
      ...{ url, database, retentionPolicy, username, bufferedSamples, queueBytes },
      tenantBy:
        tenancy.mode === 'off'
          ? { kind: 'none' }
          : tenants === 'database'
            ? { kind: 'database' }
            : { kind: 'tag', name: tenants.tag },
      passwordFile: passwordFile && resolve(folder, passwordFile),
      timeoutMs: parseDuration(timeout),
    };
  }
  const { write, query, tenants, bearerTokenFile, basicAuth, headers } = storage;
  return {
    kind: 'prometheus',
    writeUrl: write.url,
    queryUrl: query.url,
    tenantBy: tenancy.mode === 'off' ? { kind: 'none' } : tenantByOf(tenants),
    bearerTokenFile: bearerTokenFile && resolve(folder, bearerTokenFile),
    basicAuth: basicAuth && { ...basicAuth, passwordFile: resolve(folder, basicAuth.passwordFile) },
    headers,
    timeoutMs: parseDuration(timeout),
    ...{ bufferedSamples, queueBytes },
  };
}

function addressOf({ host, port }: Settings['listen']): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function tenantByOf(tenants: Extract<SettingsDocument['storage'], { kind: 'prometheus' }>['tenants']) {
  if (tenants === 'path') return { kind: 'path' } as const;
  if ('header' in tenants) return { kind: 'header', name: tenants.header } as const;
  return { kind: 'label', name: tenants.label } as const;
}

function resolveKubernetes(
  setting: SettingsDocument['kubernetes'],
  folder: string,
  env: NonNullable<LoadOptions['env']>,
): KubernetesAccess {
  if (typeof setting === 'object') {
    const { kubeconfig, context } = setting;
    const path = isAbsolute(kubeconfig) ? kubeconfig : resolve(folder, kubeconfig);
    return { kind: 'kubeconfig', path, ...(context !== undefined && { context }) };
  }
  if (setting === 'off' || setting === 'inCluster') return { kind: setting };
  if (env['KUBERNETES_SERVICE_HOST'] !== undefined) return { kind: 'inCluster' };
  // KUBECONFIG may be a list; the client library merges only files that it is given, so the first that exists counts.
  const candidates = [...(env['KUBECONFIG'] ?? '').split(':'), join(env['HOME'] ?? homedir(), '.kube', 'config')];
  const path = candidates.find((candidate) => candidate !== '' && existsSync(candidate));
  return path === undefined ? { kind: 'off' } : { kind: 'kubeconfig', path };
}

function resolveExternalMetrics(
  setting: SettingsDocument['externalMetrics'],
  folder: string,
): ExternalMetricsSettings | undefined {
  if (setting === 'off') return undefined;
  const { listen, service, apiService, certificates, upstream } = setting;
  const file = (path: string) => resolve(folder, path);
  const optional = (path: string | undefined) => (path === undefined ? undefined : file(path));
  return {
    listen: splitListen(listen),
    service,
    apiService,
    certificates:
      certificates === 'selfMade'
        ? certificates
        : { cert: file(certificates.cert), key: file(certificates.key), ca: optional(certificates.ca) },
    upstream: upstream && { ...upstream, ca: optional(upstream.ca), token: file(upstream.token) },
  };
}

function resolveKedaScaler(setting: SettingsDocument['kedaScaler'], folder: string): KedaScalerSettings | undefined {
  if (setting === 'off') return undefined;
  const { listen, tls } = setting;
  const files = tls && {
    cert: resolve(folder, tls.cert),
    key: resolve(folder, tls.key),
    ...(tls.clientCa !== undefined && { clientCa: resolve(folder, tls.clientCa) }),
  };
  return { listen: splitListen(listen), tls: files };
}

/** Kubernetes tells a pod its own namespace there. */
const POD_NAMESPACE = '/var/run/secrets/kubernetes.io/serviceaccount/namespace';

function resolveCoordination(
  { kind, namespace, group, leaseDuration }: SettingsDocument['coordination'],
  env: NonNullable<LoadOptions['env']>,
): CoordinationSettings {
  if (kind === 'off') return { kind };
  const inPod = env['KUBERNETES_SERVICE_HOST'] !== undefined && existsSync(POD_NAMESPACE);
  const own = inPod ? readFileSync(POD_NAMESPACE, 'utf8').trim() : 'default';
  return { kind, namespace: namespace ?? own, group, leaseMs: parseDuration(leaseDuration) };
}

function limitsOf({ queryTimeout, ...limits }: SettingsDocument['limits']): Settings['limits'] {
  return Object.freeze({ ...limits, queryTimeoutMs: parseDuration(queryTimeout) });
}
