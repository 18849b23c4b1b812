import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type ControlPlane, waitFor } from './control-plane.ts';

/** What an HPA controller asks of the three metrics APIs. The namespace tells whose question it is. */
export interface MetricsQuestion {
  readonly api: keyof typeof GROUPS;
  readonly namespace: string;
  /** Of external and custom metrics. */
  readonly metric?: string;
  /** `pods` or another plural, and a name or `*`, of custom metrics. */
  readonly resource?: string;
  readonly object?: string;
  readonly labelSelector: string;
}

/** A list as the API words it, or the message of a failure. */
export type MetricsAnswer = { readonly body: object } | { readonly failure: string };

const GROUPS = {
  external: 'external.metrics.k8s.io/v1beta1',
  custom: 'custom.metrics.k8s.io/v1beta2',
  resource: 'metrics.k8s.io/v1beta1',
} as const;
const NAMESPACE = 'metrics-apis';
const SERVICE = 'metrics';

/**
 * A small real server of external, custom and resource metrics, over TLS behind the aggregator of a control plane that
 * runs here. Resolves when the API server passes requests on to it.
 */
export async function serveMetricsApis(
  plane: ControlPlane,
  answer: (question: MetricsQuestion) => Promise<MetricsAnswer>,
): Promise<AsyncDisposable> {
  const { key, cert } = await selfSigned(`${SERVICE}.${NAMESPACE}.svc`);
  const server = createServer({ key, cert }, async (request, response) => {
    const reply = await replyTo(request.url ?? '/', answer);
    response.writeHead(reply.status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(reply.body));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  await plane.kubectl(['create', '-f', '-'], registration(port, cert));
  for (const group of Object.values(GROUPS)) {
    await waitFor(`the API server to pass requests on to ${group}`, async () => {
      await plane.kubectl(['get', '--raw', `/apis/${group}`]);
      return true;
    });
  }
  return { [Symbol.asyncDispose]: () => close(server) };
}

async function replyTo(url: string, answer: (question: MetricsQuestion) => Promise<MetricsAnswer>) {
  const { pathname, searchParams } = new URL(url, 'https://localhost');
  const [root, group, version, scope, namespace, ...rest] = pathname.slice(1).split('/').map(decodeURIComponent);
  const api = Object.entries(GROUPS).find(([, name]) => name === `${group}/${version}`)?.[0] as
    | keyof typeof GROUPS
    | undefined;
  if (root !== 'apis' || api === undefined) return { status: 404, body: failureOf(404, `there is no ${pathname}`) };
  if (namespace === undefined || scope !== 'namespaces') return { status: 200, body: discovery(GROUPS[api]) };

  const labelSelector = searchParams.get('labelSelector') ?? '';
  const [resource, object, metric] = rest;
  const question: MetricsQuestion =
    api === 'external'
      ? { api, namespace, metric: resource!, labelSelector }
      : api === 'custom'
        ? { api, namespace, resource: resource!, object: object!, metric: metric!, labelSelector }
        : { api, namespace, labelSelector };
  const reply = await answer(question);
  return 'body' in reply
    ? { status: 200, body: { ...reply.body, apiVersion: GROUPS[api], metadata: {} } }
    : { status: 500, body: failureOf(500, reply.failure) };
}

function discovery(groupVersion: string) {
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources: [] };
}

function failureOf(code: number, message: string) {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason: 'InternalError', code, message };
}

function registration(port: number, cert: string) {
  const service = { name: SERVICE, namespace: NAMESPACE };
  return {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: service,
        spec: { type: 'ExternalName', externalName: 'localhost', ports: [{ port, protocol: 'TCP' }] },
      },
      ...Object.values(GROUPS).map((groupVersion) => {
        const [group, version] = groupVersion.split('/');
        return {
          apiVersion: 'apiregistration.k8s.io/v1',
          kind: 'APIService',
          metadata: { name: `${version}.${group}` },
          spec: {
            group,
            version,
            groupPriorityMinimum: 100,
            versionPriority: 100,
            caBundle: Buffer.from(cert).toString('base64'),
            service: { ...service, port },
          },
        };
      }),
    ],
  };
}

async function selfSigned(host: string): Promise<{ readonly key: string; readonly cert: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'foresail-metrics-apis-'));
  try {
    const flags = 'req -x509 -newkey rsa:2048 -nodes -keyout tls.key -out tls.crt -days 2'.split(' ');
    await promisify(execFile)('openssl', [...flags, '-subj', `/CN=${host}`, '-addext', `subjectAltName=DNS:${host}`], {
      cwd: folder,
    });
    const read = (name: string) => readFile(join(folder, name), 'utf8');
    return { key: await read('tls.key'), cert: await read('tls.crt') };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function close(server: Server): Promise<void> {
  const closed = new Promise((done) => server.close(done));
  server.closeAllConnections();
  await closed;
}
