import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { boardOf, draftOf, NOW } from '../testing/external-metrics.ts';
import type { KubernetesAnswer, KubernetesCall } from './kubernetes.ts';
import { type ExternalMetricsDeps, type ExternalMetricsServer, openExternalMetrics } from './open-external-metrics.ts';
import { selfMadeCertificates } from './self-made.ts';
import type { ServingCertificate } from './serving-certificate.ts';
import { openUpstream } from './upstream.ts';

const DNS_NAMES = ['foresail.foresail.svc', 'localhost'];
const SERVICE = { namespace: 'foresail', name: 'foresail', port: 443 };
const METRIC = '/apis/external.metrics.k8s.io/v1beta1/namespaces/shop';

let folder: string;
let first: ServingCertificate;
let second: ServingCertificate;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foresail-tls-'));
  first = await selfMadeCertificates({ folder: join(folder, 'a'), dnsNames: DNS_NAMES })(Date.now());
  second = await selfMadeCertificates({ folder: join(folder, 'b'), dnsNames: DNS_NAMES })(Date.now());
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A cluster that knows one token, allows it everything, and keeps one APIService. */
function fakeKubernetes() {
  const state = { down: false, bundle: undefined as string | undefined, service: SERVICE as object };
  const ask = async ({ method, path, body }: KubernetesCall): Promise<KubernetesAnswer> => {
    if (state.down) throw new Error('no answer within 10 s');
    if (path.endsWith('extension-apiserver-authentication')) return { status: 200, body: { data: {} } };
    if (path.endsWith('tokenreviews')) {
      const authenticated = (body as { spec: { token: string } }).spec.token === 'good';
      return { status: 201, body: { status: { authenticated, user: { username: 'robot' } } } };
    }
    if (path.endsWith('subjectaccessreviews')) return { status: 201, body: { status: { allowed: true } } };
    const spec = (body as { spec?: { caBundle?: string } } | undefined)?.spec;
    if (method === 'GET' && state.bundle === undefined) return { status: 404, body: {} };
    if (method !== 'GET') state.bundle = spec?.caBundle;
    const found = { metadata: { resourceVersion: '1' }, spec: { service: state.service, caBundle: state.bundle } };
    return { status: method === 'POST' ? 201 : 200, body: found };
  };
  return Object.assign(state, { ask });
}

let kubernetes: ReturnType<typeof fakeKubernetes>;
let told: string[];
beforeEach(() => {
  kubernetes = fakeKubernetes();
  told = [];
});

async function open(changes: Partial<ExternalMetricsDeps> = {}): Promise<ExternalMetricsServer> {
  return await openExternalMetrics({
    host: '127.0.0.1',
    port: 0,
    now: Date.now,
    ask: kubernetes.ask,
    board: await boardOf([draftOf({ name: 'web', demands: [{ name: 'rps', value: 5 }] })], {}, () => NOW),
    certificates: async () => first,
    apiService: SERVICE,
    upstream: undefined,
    telemetry: {
      onAnswer: (outcome) => told.push(outcome),
      onError: (error) => told.push(String(error)),
      onProblem: (what, problem) => told.push(`${what}: ${problem}`),
      onFailure: (what) => told.push(`${what} failed`),
      onCertificate: () => {},
    },
    ...changes,
  });
}

function ask(port: number, path: string, token = 'good'): Promise<{ status: number; body: string; presented: string }> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` };
    const ca = [first.authority!, second.authority!];
    const sent = request(
      { host: '127.0.0.1', servername: DNS_NAMES[0], port, path, headers, ca, agent: false },
      (response) => {
        const presented = (response.socket as TLSSocket).getPeerX509Certificate()!.fingerprint256;
        let body = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          body += part;
        });
        response.on('end', () => resolve({ status: response.statusCode!, body, presented }));
      },
    );
    sent.on('error', reject).end();
  });
}

test('is not ready, and believes nobody’s certificate, until the API server has said whom to believe', async () => {
  kubernetes.down = true;
  await using server = await open();
  await server.refresh();
  expect((await ask(server.port, '/readyz')).status).toBe(503);
  expect(server.problems()).toHaveLength(2);
  kubernetes.down = false;
  await server.refresh();
  expect((await ask(server.port, '/readyz')).status).toBe(200);
  expect(server.problems()).toEqual([]);
  expect(told).toContain('trust failed');
});

test('answers over TLS, in JSON', async () => {
  await using server = await open();
  await server.refresh();
  const { status, body } = await ask(server.port, `${METRIC}/foresail_demand_now`);
  expect([status, JSON.parse(body).items[0].value]).toEqual([200, '5']);
  expect((await ask(server.port, `${METRIC}/foresail_demand_now`, 'bad')).status).toBe(401);
  expect(told).toEqual(expect.arrayContaining(['served', 'unauthenticated']));
});

test('a certificate of a new authority is presented once the bundle has had that authority for a pass', async () => {
  let current = first;
  await using server = await open({ certificates: async () => current });
  const presented = async () => (await ask(server.port, '/livez')).presented;
  const of = ({ cert }: ServingCertificate) => new X509Certificate(cert).fingerprint256;
  await server.refresh();
  current = second;
  await server.refresh();
  expect(Buffer.from(kubernetes.bundle!, 'base64').toString()).toContain(second.authority!.trim().split('\n')[3]);
  expect(await presented()).toBe(of(first));
  await server.refresh();
  expect(await presented()).toBe(of(second));
});

test('a certificate that cannot be read leaves the one before, and is told once', async () => {
  let broken = false;
  await using server = await open({
    certificates: async () => {
      if (broken) throw new Error('cannot read tls.crt: ENOENT');
      return first;
    },
  });
  await server.refresh();
  broken = true;
  await server.refresh();
  await server.refresh();
  expect((await ask(server.port, '/livez')).status).toBe(200);
  expect(server.problems()).toEqual(['cannot read tls.crt: ENOENT']);
  expect(told.filter((line) => line.startsWith('certificate: '))).toHaveLength(1);
  broken = false;
  await server.refresh();
  expect(server.problems()).toEqual([]);
});

test('another owner’s APIService is a problem that names the owner, and the metrics are served all the same', async () => {
  kubernetes.bundle = 'x';
  kubernetes.service = { namespace: 'keda', name: 'keda-metrics' };
  await using server = await open();
  await server.refresh();
  expect(server.problems()).toEqual([expect.stringContaining('belongs to the service keda/keda-metrics')]);
  expect(kubernetes.bundle).toBe('x');
  expect((await ask(server.port, `${METRIC}/foresail_demand_now`)).status).toBe(200);
});

test('in front of another adapter, what it has is listed and asked there with our own token', async () => {
  const seen: string[] = [];
  const adapter = createServer({ cert: second.cert, key: second.key }, (incoming, response) => {
    seen.push(`${incoming.headers.authorization} ${incoming.url}`);
    if (incoming.url?.endsWith('/v1beta1')) {
      response.end(JSON.stringify({ kind: 'APIResourceList', resources: [{ name: 'queue_length' }] }));
    } else response.writeHead(418, { 'content-type': 'text/x' }).end('{"kind":"Status"}');
  });
  const adapterPort = await listening(adapter);
  let ca: string | undefined = first.authority;
  const upstream = openUpstream({
    url: `https://localhost:${adapterPort}`,
    credentials: () => ({ token: 'ours', ca, skipVerify: false }),
  });
  await using server = await open({ upstream });
  await server.refresh();
  // Its certificate is not of the authority that is believed.
  expect((await ask(server.port, `${METRIC}/queue_length`)).status).toBe(503);
  expect(told).toContain('upstream_failed');
  ca = second.authority;
  await server.refresh();
  const found = await ask(server.port, `${METRIC}/queue_length?labelSelector=a%3Db`);
  expect(found).toMatchObject({ status: 418, body: '{"kind":"Status"}' });
  expect(seen.at(-1)).toBe(`Bearer ours ${METRIC}/queue_length?labelSelector=a%3Db`);
  expect((await ask(server.port, '/apis/external.metrics.k8s.io/v1beta1')).body).toContain('queue_length');
  adapter.closeAllConnections();
  await new Promise((closed) => adapter.close(closed));
  await server.refresh();
  expect(server.problems()).toHaveLength(1);
  expect((await ask(server.port, '/apis/external.metrics.k8s.io/v1beta1')).body).toContain('queue_length');
  expect((await ask(server.port, `${METRIC}/queue_length`)).body).toContain('does not answer');
});

async function listening(server: Server): Promise<number> {
  await new Promise<void>((done) => server.listen(0, 'localhost', done));
  return (server.address() as AddressInfo).port;
}
