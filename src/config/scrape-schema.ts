import { z } from 'zod';
import { compileRelabel, RELABEL_ACTIONS, RELABEL_DEFAULTS } from '../model/relabel.ts';
import { KUBERNETES_ROLES, SCRAPE_PROTOCOLS } from '../model/scrape-job.ts';
import { parseDuration } from '../model/time.ts';

/** The scrape configuration: the keys, defaults and meanings are Prometheus's own, so that its YAML works here. */

/** Prometheus takes numbers and truth values where a text is meant. */
const text = z.union([z.string(), z.number(), z.boolean()]);
const name = z.string().min(1);
const labels = z.record(z.string().min(1), text);
const count = z.int().min(0).max(1_000_000_000);

const duration = z.string().refine(isDuration, {
  error: (issue) => `expected a duration such as 15s, 1m or 1m30s, got ${JSON.stringify(issue.input)}`,
});

const SIZE = /^(\d+(?:\.\d+)?)(B|[KMGTPE]i?B)?$/;
const size = z.union([z.literal(0), z.string().regex(SIZE, { error: 'expected a size such as 10MB, or 0' })]);

const protocols = z.array(z.enum(SCRAPE_PROTOCOLS)).min(1);

const TLS_VERSIONS = ['TLS10', 'TLS11', 'TLS12', 'TLS13'] as const;

const tlsConfig = z
  .strictObject({
    ca: name.optional(),
    ca_file: name.optional(),
    cert: name.optional(),
    cert_file: name.optional(),
    key: name.optional(),
    key_file: name.optional(),
    server_name: z.string().optional(),
    insecure_skip_verify: z.boolean().default(false),
    min_version: z.enum(TLS_VERSIONS).optional(),
    max_version: z.enum(TLS_VERSIONS).optional(),
  })
  .check(atMostOne('ca', 'ca_file'), atMostOne('cert', 'cert_file'), atMostOne('key', 'key_file'));

/** How an address is asked: the same keys stand in a job and in `http_sd_configs`. */
const httpClient = {
  basic_auth: z
    .strictObject({
      username: text.optional(),
      username_file: name.optional(),
      password: text.optional(),
      password_file: name.optional(),
    })
    .check(atMostOne('username', 'username_file'), atMostOne('password', 'password_file'))
    .optional(),
  authorization: z
    .strictObject({
      type: name.default('Bearer'),
      credentials: z.string().optional(),
      credentials_file: name.optional(),
    })
    .check(atMostOne('credentials', 'credentials_file'))
    .optional(),
  bearer_token: z.string().optional(),
  bearer_token_file: name.optional(),
  http_headers: z
    .record(
      name,
      z.strictObject({
        values: z.array(z.string()).default([]),
        secrets: z.array(z.string()).default([]),
        files: z.array(name).default([]),
      }),
    )
    .optional(),
  tls_config: tlsConfig.optional(),
  follow_redirects: z.boolean().default(true),
  enable_http2: z.boolean().optional(),
};

const CREDENTIALS = ['basic_auth', 'authorization', 'bearer_token', 'bearer_token_file'] as const;

const staticConfig = z.strictObject({ targets: z.array(name).default([]), labels: labels.default({}) });

const FILE = /^.*\.(json|yml|yaml|JSON|YML|YAML)$/;
const fileDiscovery = z.strictObject({
  files: z.array(z.string().regex(FILE, { error: 'expected a path that ends in .json, .yml or .yaml' })).min(1),
  refresh_interval: duration.default('5m'),
});

const httpDiscovery = z
  .strictObject({
    ...httpClient,
    url: z.url({ protocol: /^https?$/, error: 'expected an address such as http://inventory:8080/targets' }),
    refresh_interval: duration.default('60s'),
  })
  .check(atMostOne(...CREDENTIALS));

const kubernetesDiscovery = z.strictObject({
  role: z.enum(KUBERNETES_ROLES),
  kubeconfig_file: z.string().optional(),
  namespaces: z
    .strictObject({ own_namespace: z.boolean().default(false), names: z.array(name).default([]) })
    .prefault({}),
  selectors: z
    .array(
      z.strictObject({
        role: z.enum(KUBERNETES_ROLES),
        label: z.string().default(''),
        field: z.string().default(''),
      }),
    )
    .default([]),
  attach_metadata: z.strictObject({ node: z.boolean().default(false) }).prefault({}),
});

const NEEDS_TARGET = ['replace', 'lowercase', 'uppercase', 'hashmod', 'keepequal', 'dropequal'];

const relabelConfig = z
  .strictObject({
    source_labels: z.array(name).default([]),
    separator: text.default(RELABEL_DEFAULTS.separator),
    regex: text
      .refine((value) => regexFault(String(value)) === undefined, {
        error: (issue) => regexFault(String(issue.input)) ?? 'expected a regular expression',
      })
      .default(RELABEL_DEFAULTS.regex),
    modulus: z.int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
    target_label: z.string().default(''),
    replacement: text.default(RELABEL_DEFAULTS.replacement),
    action: z.enum(RELABEL_ACTIONS).default('replace'),
  })
  .check((context) => {
    const { action, modulus, target_label } = context.value;
    const problem = (key: string, message: string) =>
      context.issues.push({ code: 'custom', path: [key], message, input: context.value });
    if (action === 'hashmod' && modulus === undefined) problem('modulus', 'expected 1 or more for hashmod');
    if (NEEDS_TARGET.includes(action) && target_label === '') {
      problem('target_label', `expected the name of a label for ${action}`);
    }
  });

const limits = {
  body_size_limit: size.optional().describe('Size of what one target exposes, unpacked, such as 10MB. 0: no limit.'),
  sample_limit: count.optional().describe('Samples of one scrape, after relabelling. 0: no limit.'),
  target_limit: count.optional().describe('Targets of one job. 0: no limit.'),
  label_limit: count.optional().describe('Labels of one sample. 0: no limit.'),
  label_name_length_limit: count.optional().describe("Bytes of a label's name. 0: no limit."),
  label_value_length_limit: count.optional().describe("Bytes of a label's value. 0: no limit."),
  keep_dropped_targets: count.optional().describe('Dropped targets of one job that are shown. 0: all.'),
};

const globalSection = z.strictObject({
  scrape_interval: duration.default('1m').describe('Time between two scrapes of a target.'),
  scrape_timeout: duration
    .optional()
    .describe('Time for one scrape. Not set: 10s, or the interval where that is shorter.'),
  scrape_protocols: protocols
    .default(['OpenMetricsText1.0.0', 'OpenMetricsText0.0.1', 'PrometheusText1.0.0', 'PrometheusText0.0.4'])
    .describe('Formats to ask for, the most wanted first.'),
  ...limits,
});

const scrapeConfig = z
  .strictObject({
    job_name: name,
    tenant: name.optional().describe('Whose samples these are. Not set: `scrape.tenant`.'),
    scrape_interval: duration.optional(),
    scrape_timeout: duration.optional(),
    scrape_protocols: protocols.optional(),
    fallback_scrape_protocol: z.enum(SCRAPE_PROTOCOLS).optional(),
    metrics_path: name.default('/metrics'),
    scheme: z.enum(['http', 'https']).default('http'),
    params: z.record(name, z.array(text)).default({}),
    honor_labels: z.boolean().default(false),
    honor_timestamps: z.boolean().default(true),
    track_timestamps_staleness: z.boolean().default(false),
    enable_compression: z.boolean().default(true),
    ...httpClient,
    static_configs: z.array(staticConfig).default([]),
    file_sd_configs: z.array(fileDiscovery).default([]),
    http_sd_configs: z.array(httpDiscovery).default([]),
    kubernetes_sd_configs: z.array(kubernetesDiscovery).default([]),
    relabel_configs: z.array(relabelConfig).default([]),
    metric_relabel_configs: z.array(relabelConfig).default([]),
    ...limits,
  })
  .check(atMostOne(...CREDENTIALS));

export const ScrapeSection = z.strictObject({
  file: name
    .optional()
    .describe(
      'An existing configuration of Prometheus, relative to this file: its `global` and `scrape_configs` are read; keys for what Foresail does not do are passed over, and named in the log.',
    ),
  tenant: name.default('default').describe('The tenant of the samples, for jobs that do not name one of their own.'),
  global: globalSection.prefault({}).describe("What holds for every job, as in Prometheus's configuration."),
  scrape_configs: z
    .array(scrapeConfig)
    .max(10_000)
    .optional()
    .describe("Jobs, as in Prometheus's configuration.")
    .meta({ examples: [[{ job_name: 'shop', static_configs: [{ targets: ['shop:8080'] }] }]] }),
});

/** What is read of a configuration of Prometheus. */
export const PrometheusFile = z.strictObject({
  global: globalSection.prefault({}),
  scrape_configs: z.array(scrapeConfig).max(10_000).default([]),
});

export type ScrapeSection = z.infer<typeof ScrapeSection>;
export type PrometheusFile = z.infer<typeof PrometheusFile>;
export type ScrapeConfig = PrometheusFile['scrape_configs'][number];
export type RelabelConfig = ScrapeConfig['relabel_configs'][number];
export type HttpClientConfig = Pick<ScrapeConfig, keyof typeof httpClient>;

/** `10MB` and `10MiB` are both 10 times 2^20, as Prometheus has it. */
export function parseSize(written: 0 | string): number {
  const found = SIZE.exec(String(written));
  if (found === null) throw new RangeError(`not a size: "${written}"`);
  const power = found[2] === undefined || found[2] === 'B' ? 0 : 'KMGTPE'.indexOf(found[2][0]!) + 1;
  return Math.round(Number(found[1]) * 1024 ** power);
}

function isDuration(written: string): boolean {
  try {
    return parseDuration(written) > 0;
  } catch {
    return false;
  }
}

function regexFault(regex: string): string | undefined {
  try {
    compileRelabel([{ ...RELABEL_DEFAULTS, regex }], () => new Uint8Array(16));
    return undefined;
  } catch (error) {
    return `expected a regular expression: ${(error as Error).message}`;
  }
}

function atMostOne(...keys: readonly string[]) {
  return (context: {
    readonly value: object;
    readonly issues: { push(issue: { code: 'custom'; path: string[]; message: string; input: unknown }): unknown };
  }) => {
    const value = context.value as Readonly<Record<string, unknown>>;
    const set = keys.filter((key) => value[key] !== undefined);
    if (set.length < 2) return;
    const message = `expected at most one of ${set.join(' and ')}`;
    context.issues.push({ code: 'custom', path: [set[1]!], message, input: value });
  };
}
