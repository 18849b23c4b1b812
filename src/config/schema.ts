import { z } from 'zod';
import { ROLES } from '../model/caller.ts';
import { parseDuration } from '../model/time.ts';
import { TRANSLATION_STRATEGIES } from '../wire/otlp-names.ts';
import { AlertingSection } from './alerting-schema.ts';
import { AnomalySection } from './anomaly-schema.ts';
import { CostSection } from './cost-schema.ts';
import { RulesSection } from './rules-schema.ts';
import { ScrapeSection } from './scrape-schema.ts';
import { TenantLimitsDocument } from './tenant-limits.ts';

/** The settings file. Each setting has a default that works; descriptions become the comments that `foresail init` writes. */

const duration = z
  .string()
  .refine(isDuration, {
    error: (issue) => `expected a duration such as 30s, 5m or 28d, got ${JSON.stringify(issue.input)}`,
  })
  .describe('A duration such as 30s, 5m, 1h30m or 28d.');
const tierLength = z
  .union([z.literal('off'), duration])
  .default('off')
  .describe('off, or a duration such as 365d.');
const count = z.int().min(1).max(1_000_000_000);
const sizeBytes = z
  .int()
  .min(1024)
  .max(256 * 1024 * 1024);

const HOST_AND_PORT = /^(\[[0-9a-fA-F:.]+\]|[^\s:[\]]+):(\d{1,5})$/;

const listen = z.string().refine((text) => isListen(text), {
  error: (issue) => `expected HOST:PORT such as 127.0.0.1:7070, got ${JSON.stringify(issue.input)}`,
});

const token = z
  .strictObject({
    name: z.string().min(1).describe('Who holds it. Shown in logs; the token never is.'),
    file: z.string().min(1).optional().describe('A file whose content is the token.'),
    env: z.string().min(1).optional().describe('An environment variable whose content is the token.'),
    tenant: z.string().min(1).default('default').describe('The tenant whose data it reaches.'),
    role: z
      .enum(ROLES)
      .default('reader')
      .describe('reader: ask. writer: send samples and ask. operator: change policies as well.'),
    writes: z
      .enum(['own', 'any'])
      .default('own')
      .describe('Whose series it may send where tenancy.from names a label. own: of its tenant. any: of every tenant.'),
  })
  .refine((t) => (t.file === undefined) !== (t.env === undefined), { error: 'expected exactly one of file and env' });

const tenantLabel = z.strictObject({
  label: z
    .string()
    .regex(/^[a-zA-Z_]\w*$/, { error: 'expected the name of a label' })
    .describe('The label that names the tenant, such as tenant or namespace.'),
  value: z
    .enum(['tenant', 'namespace'])
    .default('tenant')
    .describe('tenant: the value is a tenant. namespace: it is a namespace, whose tenant `tenancy.namespaces` says.'),
  keep: z.boolean().default(true).describe('Whether series keep the label.'),
});

const port = z.int().min(1).max(65_535);

const externalMetrics = z.strictObject({
  listen: listen.default('0.0.0.0:8443').describe('HOST:PORT of the TLS server.'),
  service: z
    .strictObject({
      namespace: z.string().min(1).default('foresail'),
      name: z.string().min(1).default('foresail'),
      port: port.default(443),
    })
    .prefault({})
    .describe('The Service through which the API server reaches it, by which it is named in certificates.'),
  apiService: z
    .enum(['keep', 'leave'])
    .default('keep')
    .describe(
      "keep: make the APIService where there is none, and keep its caBundle right; another owner's is left alone. leave: touch none.",
    ),
  certificates: z
    .union([
      z.literal('selfMade'),
      z.strictObject({
        cert: z.string().min(1).describe('PEM file of the certificate, read anew when it changes.'),
        key: z.string().min(1).describe('PEM file of its key.'),
        ca: z
          .string()
          .min(1)
          .optional()
          .describe('PEM file of its authority, for the caBundle. Left out: the caBundle is kept by somebody else.'),
      }),
    ])
    .default('selfMade')
    .describe('selfMade: of an authority of its own, in the data folder. Or files, such as those of cert-manager.'),
  upstream: z
    .strictObject({
      url: z.url({ protocol: /^https$/, error: 'expected an address such as https://adapter.monitoring.svc' }),
      ca: z.string().min(1).optional().describe('PEM file of the authority of its certificate.'),
      token: z
        .string()
        .min(1)
        .default('/var/run/secrets/kubernetes.io/serviceaccount/token')
        .describe('A file with the token to send, where there is one.'),
      skipVerify: z.boolean().default(false).describe('Believe any certificate.'),
    })
    .optional()
    .describe('Another adapter of external metrics, which is asked for every metric that Foresail does not have.'),
});

const engineUrl = z.url({ protocol: /^https?$/, error: 'expected an address such as http://victoria-metrics:8428' });

/** What others send, until the engine has it. */
function queueBytes() {
  return z
    .int()
    .min(0)
    .max(1024 ** 4)
    .default(1024 ** 3)
    .describe(
      'Bytes of accepted samples that wait in the data folder while the engine takes none; beyond, writes answer 503. 0: nothing waits here, and a write is answered once the engine has it, for data folders that do not outlive the process.',
    );
}

const engineStorage = z.strictObject({
  kind: z.literal('prometheus').describe('What speaks remote write 1.0 and the HTTP API of Prometheus.'),
  write: z.strictObject({
    url: engineUrl.describe(
      'The whole address that takes remote write, such as http://victoria-metrics:8428/api/v1/write.',
    ),
  }),
  query: z.strictObject({
    url: engineUrl.describe('What stands before /api/v1/query, such as http://victoria-metrics:8428.'),
  }),
  tenants: z
    .union([
      z.literal('path'),
      z.strictObject({ header: z.string().regex(/^[\w-]+$/, { error: 'expected the name of a header' }) }),
      z.strictObject({ label: z.string().regex(/^[a-zA-Z_]\w*$/, { error: 'expected the name of a label' }) }),
    ])
    .default({ header: 'X-Scope-OrgID' })
    .describe(
      'How the engine tells tenants apart while tenancy.mode is on. {header: NAME}: Mimir, Thanos. path: {tenant} in both addresses, a cluster of VictoriaMetrics. {label: NAME}: a single node; every series and every selector gets the label.',
    ),
  bearerTokenFile: z
    .string()
    .min(1)
    .optional()
    .describe('A file whose content is sent as the token. Read anew each time.'),
  basicAuth: z
    .strictObject({
      username: z.string().min(1),
      passwordFile: z.string().min(1).describe('A file whose content is the password. Read anew each time.'),
    })
    .optional()
    .describe('In place of bearerTokenFile.'),
  headers: z
    .record(z.string().regex(/^[\w-]+$/), z.string())
    .default({})
    .describe('Sent with every request. Not for secrets.'),
  timeout: duration.default('10s').describe('Time for one request to the engine, with all its attempts.'),
  bufferedSamples: count
    .default(1_000_000)
    .describe(
      'Samples of its own, such as floors, that wait in memory while the engine takes none; the oldest are dropped beyond.',
    ),
  queueBytes: queueBytes(),
});

const influxStorage = z.strictObject({
  kind: z.literal('influx').describe('InfluxDB 1.x: its line protocol and InfluxQL. PromQL is evaluated here.'),
  url: z
    .url({ protocol: /^https?$/, error: 'expected an address such as http://influxdb:8086' })
    .describe('What stands before /write and /query.'),
  database: z
    .string()
    .regex(/^[^\s/\\"]+$/, { error: 'expected the name of a database' })
    .default('foresail')
    .describe('Made when it is first written to, where it is not there.'),
  retentionPolicy: z
    .string()
    .min(1)
    .optional()
    .describe("The database's retention policy to write to and to ask. Not set: its default."),
  tenants: z
    .union([
      z.literal('database'),
      z.strictObject({ tag: z.string().regex(/^[a-zA-Z_]\w*$/, { error: 'expected the name of a tag' }) }),
    ])
    .default('database')
    .describe(
      'How tenants are told apart while tenancy.mode is on. database: each has DATABASE_TENANT. {tag: NAME}: all are in one, every point and every question gets the tag.',
    ),
  username: z.string().min(1).optional().describe('Where the server asks who is there.'),
  passwordFile: z.string().min(1).optional().describe('A file whose content is the password. Read anew each time.'),
  timeout: duration.default('10s').describe('Time for one request to the engine, with all its attempts.'),
  bufferedSamples: count
    .default(1_000_000)
    .describe(
      'Samples of its own, such as floors, that wait in memory while the engine takes none; the oldest are dropped beyond.',
    ),
  queueBytes: queueBytes(),
});

export const SettingsDocument = z.strictObject({
  listen: listen
    .default('127.0.0.1:7070')
    .describe(
      'HOST:PORT of the HTTP server. Any host but loopback needs `authentication` to be set; port 0 takes a free one.',
    ),
  allowedHosts: z
    .array(z.string().regex(/^[^\s/:]+$/, { error: 'expected a host name without port, such as foresail.example' }))
    .max(1000)
    .default([])
    .describe(
      'Names that requests may give in their Host header besides those of this machine, such as one that a proxy sends. Matters on loopback without `authentication` only.',
    ),
  data: z.string().min(1).default('./data').describe('Folder of the embedded store. One process owns it.'),
  storage: z
    .union([z.literal('embedded'), engineStorage, influxStorage])
    .default('embedded')
    .describe(
      'Where samples are kept. embedded: in the data folder. {kind: prometheus, …}: in an engine that replicas share, such as VictoriaMetrics or Mimir; {kind: influx, …}: in an InfluxDB 1.x; the data folder is then a cache and a queue. docs/how-to/outgrow-one-machine.md.',
    )
    .meta({
      examples: [
        {
          kind: 'prometheus',
          write: { url: 'http://victoria-metrics:8428/api/v1/write' },
          query: { url: 'http://victoria-metrics:8428' },
        },
        { kind: 'influx', url: 'http://influxdb:8086' },
      ],
    }),
  otlp: z
    .strictObject({
      translationStrategy: z
        .enum(TRANSLATION_STRATEGIES)
        .default('UnderscoreEscapingWithSuffixes')
        .describe(
          "How names become series', as Prometheus's translation_strategy. With suffixes, http.server.request.duration in s is http_server_request_duration_seconds; NoTranslation keeps names as they are.",
        ),
      promoteResourceAttributes: z
        .array(z.string().min(1))
        .max(1000)
        .default([])
        .describe(
          'Attributes of the resource that every series gets as labels, such as deployment.environment.name. All stand in target_info.',
        ),
      promoteScopeMetadata: z
        .boolean()
        .default(false)
        .describe("Whether every series gets its scope's name, version and attributes as labels otel_scope_…."),
    })
    .prefault({})
    .describe('Metrics of OpenTelemetry, by OTLP over HTTP. docs/how-to/point-opentelemetry-at-it.md.'),
  scrape: ScrapeSection.optional().describe(
    "What is scraped: the keys of Prometheus's own configuration, or {file: prometheus.yml}. docs/how-to/scrape.md.",
  ),
  retention: duration.default('15d').describe('How long samples are kept. Recorded demand is kept for 400 days.'),
  downsampling: z
    .strictObject({ '1m': tierLength, '5m': tierLength })
    .prefault({})
    .describe(
      'How long points of 1 and of 5 minutes are kept of samples, such as {5m: 365d}. They answer where samples are gone, with the same result (docs/how-to/long-history.md). off: none are made.',
    ),
  tenancy: z
    .strictObject({
      mode: z
        .enum(['on', 'off'])
        .default('off')
        .describe('off: one tenant named default, X-Scope-OrgID is ignored. on: every request names its tenant.'),
      from: z
        .union([z.literal('header'), tenantLabel])
        .default('header')
        .describe(
          'Whose a series is that is sent while mode is on. header: X-Scope-OrgID, or the credential. {label: NAME}: who its label names, for senders that cannot set a header; without the label the header. Queries always go by the header. docs/how-to/tenants.md.',
        ),
      namespaces: z
        .record(z.string(), z.string().min(1))
        .default({})
        .describe(
          'The tenant of each Kubernetes namespace, such as {shop: acme}. Needed for policies while mode is on.',
        ),
    })
    .prefault({})
    .describe('Whose data is whose.'),
  authentication: z
    .union([z.literal('none'), z.strictObject({ tokens: z.array(token).min(1).max(1000) })])
    .optional()
    .describe('Who may ask. Not set: nobody is asked, on loopback only. none: nobody is asked, wherever it listens.')
    .meta({ examples: [{ tokens: [{ name: 'grafana', env: 'FORESAIL_TOKEN', role: 'reader' }] }] }),
  policies: z
    .array(z.string().min(1))
    .max(1000)
    .default([])
    .describe(
      'Files and folders with scaling policies, relative to this file. A policy here wins over one sent by HTTP.',
    ),
  kubernetes: z
    .union([
      z.enum(['auto', 'inCluster', 'off']),
      z.strictObject({
        kubeconfig: z.string().min(1).describe('Path of a kubeconfig file.'),
        context: z.string().min(1).optional().describe('A context of it other than its current one.'),
      }),
    ])
    .default('auto')
    .describe('auto: the account of the pod, else KUBECONFIG, else ~/.kube/config, else off. Or {kubeconfig: PATH}.'),
  customResources: z
    .enum(['on', 'off'])
    .default('on')
    .describe(
      "Whether the cluster's ScalingPolicies are read, and told in their status what became of them. A file wins over one of the same name, and that over one sent by HTTP. Needs the right to list and watch them: while that is refused, nothing is released.",
    ),
  kedaScaler: z
    .union([
      z.literal('off'),
      z.strictObject({
        listen: listen.default('127.0.0.1:6001').describe('HOST:PORT of the gRPC server.'),
        tls: z
          .strictObject({
            cert: z.string().min(1).describe('PEM file of the certificate, read anew when it changes.'),
            key: z.string().min(1).describe('PEM file of its key.'),
            clientCa: z
              .string()
              .min(1)
              .optional()
              .describe('PEM file of the authority whose certificates callers must show.'),
          })
          .optional()
          .describe('Encrypt. Not set: plain text.'),
        authentication: z
          .literal('none')
          .optional()
          .describe('none: nobody is asked, wherever it listens. Not set: on loopback only, or with `tls.clientCa`.'),
      }),
    ])
    .default('off')
    .describe("KEDA's external scaler: forecasts as the metrics of a trigger. docs/how-to/keda.md."),
  coordination: z
    .strictObject({
      kind: z
        .enum(['off', 'lease'])
        .default('off')
        .describe('off: this process acts on every target. lease: replicas share the targets. Needs a cluster.'),
      namespace: z
        .string()
        .min(1)
        .optional()
        .describe("Where the Leases are kept. Not set: the pod's own namespace; outside a cluster default.")
        .meta({ examples: ['foresail'] }),
      group: z
        .string()
        .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, { error: 'expected up to 63 of a-z, 0-9 and -' })
        .default('foresail')
        .describe('Replicas with the same group share. Another installation on the cluster has another one.'),
      leaseDuration: duration
        .default('15s')
        .describe(
          "How long after a replica's last word others take its targets over; it stops writing after two thirds.",
        ),
    })
    .prefault({})
    .describe('Whether several replicas share the targets. All need the same samples, settings and policy files.'),
  loops: z
    .strictObject({
      scale: duration
        .default('15s')
        .describe(
          'Time between two passes over all policies. In between, a demand that outgrows its floor is seen to within a third of it.',
        ),
    })
    .prefault({})
    .describe('How often things are done.'),
  training: z
    .strictObject({
      every: z
        .union([z.literal('off'), duration])
        .default('7d')
        .describe(
          "Time between two trainings of a tenant's network on its own demands, or off. Sooner where a third of the demands drifted. The first comes an hour after a start, once demands are two days long.",
        ),
      epochs: z
        .int()
        .min(1)
        .max(1000)
        .default(12)
        .describe('Passes over the rows at most; it stops once it gains no more.'),
    })
    .prefault({})
    .describe(
      'The network of the forecasts learns from what is recorded: one tenant at a time, in a thread that gives way.',
    ),
  externalMetrics: z
    .union([z.literal('off'), externalMetrics])
    .default('off')
    .describe(
      'The API external.metrics.k8s.io, for HPAs of type External: off, or an object, at the least {listen: "0.0.0.0:8443"}. Who asks is authenticated and authorized by the cluster.',
    ),
  limits: z
    .strictObject({
      seriesPerTenant: count.default(500_000).describe('Series that any one tenant may have in memory.'),
      sampleBytes: z
        .int()
        .min(1024 * 1024)
        .max(2 * 1024 * 1024 * 1024, {
          error:
            'at most 2147483648 (2 GiB): labels of senders and requests in flight need the rest of the 4 GiB that a WebAssembly module can have',
        })
        .default(1024 * 1024 * 1024)
        .describe('Bytes of encoded samples of all tenants in memory; at the bound writes answer 503.'),
      writeBytes: sizeBytes.default(32 * 1024 * 1024).describe('Size of one write request, both packed and unpacked.'),
      requestBytes: sizeBytes.default(1024 * 1024).describe('Size of any other request.'),
      querySamples: count.default(50_000_000).describe('Samples that one query may hold in memory.'),
      queryTimeout: duration.default('2m').describe('Time for one query.'),
      queryPoints: count.default(11_000).describe('Steps of one range query.'),
      readBytes: sizeBytes
        .default(256 * 1024 * 1024)
        .describe('Bytes of one answer of remote read that is no stream; it is held in memory until it is whole.'),
    })
    .prefault({})
    .describe('What one process takes on.'),
  tenantLimits: TenantLimitsDocument,
  externalLabels: z
    .record(z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_]*$/, 'expected the name of a label'), z.string())
    .default({})
    .describe(
      'Labels that other programs see on every series that they read from here, by remote read and /federate, as external_labels of Prometheus; a label of the series itself wins.',
    )
    .meta({ examples: [{ cluster: 'eu-1' }] }),
  externalUrl: z
    .url({ protocol: /^https?$/, error: 'expected an address such as https://foresail.example' })
    .optional()
    .describe(
      'Where people reach this server, for links in alerts and reports. Not set: the address that it listens on.',
    )
    .meta({ examples: ['https://foresail.example'] }),
  rules: RulesSection.prefault({}).describe('Recording and alerting rules that are evaluated here.'),
  anomalies: AnomalySection.prefault({}).describe('What is watched for anomalies.'),
  cost: CostSection.prefault({}).describe('What replicas cost, and what may be spent.'),
  alerting: AlertingSection.prefault({}).describe('Who is told of alerts.'),
  log: z
    .strictObject({
      level: z
        .enum(['debug', 'info', 'warn', 'error', 'silent'])
        .default('info')
        .describe('The least important line that is written.'),
      slowQuery: z
        .union([duration, z.literal('off')])
        .default('10s')
        .describe('A query that takes as long is written, with what it selected and where its time went; off: none.'),
    })
    .prefault({})
    .describe('Lines of JSON on standard error.'),
});

/** As parsed: defaults filled in, durations still as written. */
export type SettingsDocument = z.infer<typeof SettingsDocument>;

/** Splits `HOST:PORT`. Brackets of an IPv6 address are removed. */
export function splitListen(text: string): { readonly host: string; readonly port: number } {
  const found = HOST_AND_PORT.exec(text);
  if (found === null) throw new RangeError(`not HOST:PORT: "${text}"`);
  return { host: found[1]!.replace(/^\[|\]$/g, ''), port: Number(found[2]) };
}

/** True for addresses that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

function isListen(text: string): boolean {
  const found = HOST_AND_PORT.exec(text);
  return found !== null && Number(found[2]) <= 65_535;
}

function isDuration(text: string): boolean {
  try {
    return parseDuration(text) > 0;
  } catch {
    return false;
  }
}
