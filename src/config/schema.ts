import { z } from 'zod';
import { ROLES } from '../model/caller.ts';
import { parseDuration } from '../model/time.ts';

/** The settings file. Each setting has a default that works; descriptions become the comments that `foresail init` writes. */

const duration = z
  .string()
  .refine(isDuration, {
    error: (issue) => `expected a duration such as 30s, 5m or 28d, got ${JSON.stringify(issue.input)}`,
  })
  .describe('A duration such as 30s, 5m, 1h30m or 28d.');
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
  })
  .refine((t) => (t.file === undefined) !== (t.env === undefined), { error: 'expected exactly one of file and env' });

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
  storage: z.enum(['embedded']).default('embedded').describe('Where samples are kept.'),
  retention: duration.default('15d').describe('How long samples are kept. Recorded demand is kept for 400 days.'),
  tenancy: z
    .strictObject({
      mode: z
        .enum(['on', 'off'])
        .default('off')
        .describe('off: one tenant named default, X-Scope-OrgID is ignored. on: every request names its tenant.'),
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
    .strictObject({ scale: duration.default('15s').describe('Time between two looks at each policy.') })
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
      seriesPerTenant: count.default(500_000).describe('Series that one tenant may have in memory.'),
      samplesInMemory: count
        .default(60_000_000)
        .describe('Samples of all tenants in memory; at the bound writes answer 503.'),
      writeBytes: sizeBytes.default(32 * 1024 * 1024).describe('Size of one write request, both packed and unpacked.'),
      requestBytes: sizeBytes.default(1024 * 1024).describe('Size of any other request.'),
      querySamples: count.default(50_000_000).describe('Samples that one query may hold in memory.'),
      queryTimeout: duration.default('2m').describe('Time for one query.'),
      queryPoints: count.default(11_000).describe('Steps of one range query.'),
    })
    .prefault({})
    .describe('What one process takes on.'),
  log: z
    .strictObject({
      level: z
        .enum(['debug', 'info', 'warn', 'error', 'silent'])
        .default('info')
        .describe('The least important line that is written.'),
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
