import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { type Problem, problemsOf } from '../model/problem.ts';
import type { RelabelRule } from '../model/relabel.ts';
import type { Discovery, HttpAccess, ScrapeJob, Secret, TlsAccess, TlsVersion } from '../model/scrape-job.ts';
import { DEFAULT_TENANT, InvalidTenantError, parseTenant } from '../model/tenant.ts';
import { parseDuration } from '../model/time.ts';
import { withoutUnsupported } from './prometheus-file.ts';
import {
  type HttpClientConfig,
  PrometheusFile,
  parseSize,
  type RelabelConfig,
  type ScrapeConfig,
  type ScrapeSection,
} from './scrape-schema.ts';
import { type LocatedProblem, parseYaml } from './yaml-document.ts';

/** What is scraped. */
export interface ScrapeSettings {
  readonly jobs: readonly ScrapeJob[];
  /** Keys of an existing configuration that stand for something which Foresail does not do, with their lines. */
  readonly passedOver: readonly string[];
}

export type ResolvedScrape =
  | { readonly kind: 'settings'; readonly settings: ScrapeSettings }
  | { readonly kind: 'problems'; readonly problems: readonly LocatedProblem[] };

type Jobs = Pick<PrometheusFile, 'global' | 'scrape_configs'>;

/** What one key of the scrape section means for another. Paths start at `base`. */
export function scrapeProblems(
  section: ScrapeSection | undefined,
  tenancyOn: boolean,
  base: readonly (string | number)[] = ['scrape'],
): readonly Problem[] {
  if (section === undefined) return [];
  const { file, scrape_configs, tenant } = section;
  const problems: Problem[] = [...tenantProblem([...base, 'tenant'], tenant, tenancyOn)];
  if (file !== undefined && scrape_configs !== undefined) {
    problems.push({ path: [...base, 'file'], message: 'expected at most one of file and scrape_configs' });
  }
  return [...problems, ...jobProblems({ ...section, scrape_configs: scrape_configs ?? [] }, tenancyOn, base)];
}

function jobProblems(
  { global, scrape_configs }: Jobs,
  tenancyOn: boolean,
  base: readonly (string | number)[],
): readonly Problem[] {
  const problems: Problem[] = [];
  const names = new Set<string>();
  for (const [i, job] of scrape_configs.entries()) {
    const path = [...base, 'scrape_configs', i];
    if (names.has(job.job_name)) {
      problems.push({ path: [...path, 'job_name'], message: `the job ${JSON.stringify(job.job_name)} is there twice` });
    }
    names.add(job.job_name);
    const { interval, timeout } = timesOf(job, global);
    if (parseDuration(timeout) > parseDuration(interval)) {
      const key = job.scrape_timeout === undefined ? 'scrape_interval' : 'scrape_timeout';
      const message = `expected a timeout of at most the interval: ${timeout} is longer than ${interval}`;
      problems.push({ path: [...path, key], message });
    }
    if (job.tenant !== undefined) problems.push(...tenantProblem([...path, 'tenant'], job.tenant, tenancyOn));
  }
  return problems;
}

function tenantProblem(path: readonly (string | number)[], tenant: string, tenancyOn: boolean): readonly Problem[] {
  try {
    parseTenant(tenant);
  } catch (error) {
    if (error instanceof InvalidTenantError) return [{ path, message: error.message }];
    throw error;
  }
  if (tenancyOn || tenant === DEFAULT_TENANT) return [];
  return [{ path, message: `expected "default" while tenancy.mode is off, got ${JSON.stringify(tenant)}` }];
}

/** As Prometheus: 10 s, unless the interval is shorter. */
function timesOf(job: ScrapeConfig, global: Jobs['global']) {
  const interval = job.scrape_interval ?? global.scrape_interval;
  const given = job.scrape_timeout ?? global.scrape_timeout ?? '10s';
  const isDefault = job.scrape_timeout === undefined;
  return { interval, timeout: isDefault && parseDuration(given) > parseDuration(interval) ? interval : given };
}

/** Fills in the defaults and makes paths absolute; an existing configuration is read. `folder` is the settings file's. */
export function resolveScrape(
  section: ScrapeSection | undefined,
  { folder, tenancyOn }: { readonly folder: string; readonly tenancyOn: boolean },
): ResolvedScrape {
  if (section === undefined) return { kind: 'settings', settings: { jobs: [], passedOver: [] } };
  if (section.file === undefined) {
    const jobs = jobsOf({ ...section, scrape_configs: section.scrape_configs ?? [] }, section.tenant, folder);
    return { kind: 'settings', settings: { jobs, passedOver: [] } };
  }
  return readPrometheusFile(resolve(folder, section.file), section.tenant, tenancyOn);
}

function readPrometheusFile(file: string, tenant: string, tenancyOn: boolean): ResolvedScrape {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const message = `cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown reason'}`;
    return { kind: 'problems', problems: [{ file, line: 1, column: 1, path: [], message }] };
  }
  const yaml = parseYaml(text, file);
  if (yaml.kind === 'broken') return { kind: 'problems', problems: yaml.problems };
  const [document] = yaml.documents;
  if (document === undefined) {
    return { kind: 'problems', problems: [{ file, line: 1, column: 1, path: [], message: 'expected scrape_configs' }] };
  }
  const { value, passedOver, pathBefore } = withoutUnsupported(document.value);
  const locate = (problem: Problem) => document.locate({ ...problem, path: pathBefore(problem.path) });
  const checked = PrometheusFile.safeParse(value);
  if (!checked.success) {
    const schema = z.toJSONSchema(PrometheusFile, { io: 'input' });
    return { kind: 'problems', problems: problemsOf(checked.error.issues, value, schema).map(locate) };
  }
  const problems = jobProblems(checked.data, tenancyOn, []);
  if (problems.length > 0) return { kind: 'problems', problems: problems.map(locate) };
  const named = passedOver.map(({ path, why }) => {
    const { line } = document.locate({ path, message: '' });
    return `${file}:${line}: ${why}`;
  });
  return { kind: 'settings', settings: { jobs: jobsOf(checked.data, tenant, dirname(file)), passedOver: named } };
}

function jobsOf({ global, scrape_configs }: Jobs, tenant: string, folder: string): readonly ScrapeJob[] {
  return scrape_configs.map((job) => {
    const { interval, timeout } = timesOf(job, global);
    const limit = <
      K extends
        | 'sample_limit'
        | 'target_limit'
        | 'label_limit'
        | 'label_name_length_limit'
        | 'label_value_length_limit'
        | 'keep_dropped_targets',
    >(
      key: K,
    ) => job[key] || (global[key] ?? 0);
    return {
      name: job.job_name,
      tenant: parseTenant(job.tenant ?? tenant),
      intervalMs: parseDuration(interval),
      timeoutMs: parseDuration(timeout),
      metricsPath: job.metrics_path,
      scheme: job.scheme,
      params: Object.fromEntries(Object.entries(job.params).map(([key, values]) => [key, values.map(String)])),
      honorLabels: job.honor_labels,
      honorTimestamps: job.honor_timestamps,
      trackTimestampsStaleness: job.track_timestamps_staleness,
      protocols: job.scrape_protocols ?? global.scrape_protocols,
      fallbackProtocol: job.fallback_scrape_protocol,
      compression: job.enable_compression,
      limits: {
        bodyBytes: parseSize(job.body_size_limit || (global.body_size_limit ?? 0)),
        samples: limit('sample_limit'),
        labels: limit('label_limit'),
        labelNameLength: limit('label_name_length_limit'),
        labelValueLength: limit('label_value_length_limit'),
        targets: limit('target_limit'),
      },
      keepDroppedTargets: limit('keep_dropped_targets'),
      access: accessOf(job, folder),
      discoveries: discoveriesOf(job, folder),
      relabelRules: job.relabel_configs.map(ruleOf),
      metricRelabelRules: job.metric_relabel_configs.map(ruleOf),
    };
  });
}

function ruleOf(config: RelabelConfig): RelabelRule {
  return {
    action: config.action,
    sourceLabels: config.source_labels,
    separator: String(config.separator),
    regex: String(config.regex),
    targetLabel: config.target_label,
    replacement: String(config.replacement),
    modulus: config.modulus ?? 0,
  };
}

function discoveriesOf(job: ScrapeConfig, folder: string): readonly Discovery[] {
  const groups = job.static_configs.map(({ targets, labels }, i) => ({
    source: String(i),
    targets: targets.map((address) => ({ __address__: address })),
    labels: Object.fromEntries(Object.entries(labels).map(([key, value]) => [key, String(value)])),
  }));
  return [
    ...(groups.length > 0 ? [{ kind: 'static', groups } as const] : []),
    ...job.file_sd_configs.map(({ files, refresh_interval }) => ({
      kind: 'file' as const,
      files: files.map((file) => resolve(folder, file)),
      refreshMs: parseDuration(refresh_interval),
    })),
    ...job.http_sd_configs.map((config) => ({
      kind: 'http' as const,
      url: config.url,
      refreshMs: parseDuration(config.refresh_interval),
      access: accessOf(config, folder),
    })),
    ...job.kubernetes_sd_configs.map(({ role, kubeconfig_file, namespaces, selectors, attach_metadata }) => ({
      kind: 'kubernetes' as const,
      role,
      kubeconfig: kubeconfig_file ? resolve(folder, kubeconfig_file) : undefined,
      namespaces: namespaces.names,
      ownNamespace: namespaces.own_namespace,
      selectors,
      attachNode: attach_metadata.node,
    })),
  ];
}

function accessOf(config: HttpClientConfig, folder: string): HttpAccess {
  const { basic_auth: basic, authorization } = config;
  const secret = (text: unknown, file: string | undefined): Secret | undefined => {
    if (file !== undefined) return { kind: 'file', path: resolve(folder, file) };
    return text === undefined ? undefined : { kind: 'text', text: String(text) };
  };
  const none: Secret = { kind: 'text', text: '' };
  const bearer = secret(config.bearer_token, config.bearer_token_file);
  const credentials = authorization && secret(authorization.credentials, authorization.credentials_file);
  const type = authorization?.type ?? 'Bearer';
  const given = credentials ?? bearer;
  return {
    basicAuth: basic && {
      username: secret(basic.username, basic.username_file) ?? none,
      password: secret(basic.password, basic.password_file) ?? none,
    },
    authorization: given && { type, credentials: given },
    headers: Object.entries(config.http_headers ?? {}).map(([name, { values, secrets, files }]) => ({
      name,
      values: [
        ...[...values, ...secrets].map((text) => secret(text, undefined)!),
        ...files.map((file) => secret('', file)!),
      ],
    })),
    tls: tlsOf(config.tls_config, secret),
    followRedirects: config.follow_redirects,
  };
}

const TLS_VERSIONS: Readonly<Record<string, TlsVersion>> = {
  TLS10: 'TLSv1',
  TLS11: 'TLSv1.1',
  TLS12: 'TLSv1.2',
  TLS13: 'TLSv1.3',
};

function tlsOf(
  config: HttpClientConfig['tls_config'],
  secret: (text: unknown, file: string | undefined) => Secret | undefined,
): TlsAccess {
  const version = (written: string | undefined) => (written === undefined ? undefined : TLS_VERSIONS[written]);
  return {
    ca: secret(config?.ca, config?.ca_file),
    cert: secret(config?.cert, config?.cert_file),
    key: secret(config?.key, config?.key_file),
    serverName: config?.server_name || undefined,
    skipVerify: config?.insecure_skip_verify ?? false,
    minVersion: version(config?.min_version),
    maxVersion: version(config?.max_version),
  };
}
