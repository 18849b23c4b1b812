import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { labelsOf } from '../../src/model/labels.ts';
import { MINUTE, SECOND } from '../../src/model/time.ts';
import {
  type ControlPlane,
  findControlPlane,
  freePorts,
  makeAuthority,
  makeClient,
  NO_CONTROL_PLANE,
  startControlPlane,
  waitFor,
} from '../../src/testing/control-plane.ts';
import { type MetricsAdapter, startMetricsAdapter } from '../../src/testing/metrics-adapter.ts';
import { encodeWriteRequest } from '../../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../../src/wire/snappy.ts';
import { type RunningProgram, startProgram } from '../program.ts';
import { policy, requestPolicy } from './shop-objects.ts';

const assets = await findControlPlane();
const GROUP_PATH = '/apis/external.metrics.k8s.io/v1beta1';
const DEMAND = `${GROUP_PATH}/namespaces/shop/foresail_demand_now`;
const API_SERVICE = 'apiservice/v1beta1.external.metrics.k8s.io';

interface Called {
  readonly status: number;
  readonly body: { readonly reason?: string; readonly message?: string; readonly items?: readonly { value: string }[] };
}

/** A demand that never changes: 6 replicas at 10 each, and a forecast of it may be somewhat higher. */
const AHEAD = 55;

/** The built program behind the real aggregator, asked by the real HPA controller. */
describe('external.metrics.k8s.io on a real control plane', () => {
  let plane: ControlPlane;
  let program: RunningProgram;
  let adapter: MetricsAdapter;
  let folder: string | undefined;
  let port: number;
  /** Demand that is sent, once a second. */
  let demand = 50;
  let timer: NodeJS.Timeout | undefined;

  beforeEach(({ skip }) => {
    if (assets === undefined) skip(NO_CONTROL_PLANE);
  });
  beforeAll(async () => {
    if (assets === undefined) return;
    folder = await mkdtemp(join(tmpdir(), 'foresail-external-metrics-'));
    plane = await startControlPlane(assets, { controllers: true });
    [port] = (await freePorts(1)) as [number];
    await plane.kubectl(
      ['apply', '-f', '-'],
      list(namespace('shop'), namespace('foresail'), namespace('adapter'), service('foresail', port)),
    );
    await plane.kubectl(
      ['apply', '-f', '-'],
      list(deployment('web'), hpa('web'), deployment('floor'), hpaOnFloor('floor')),
    );
    await plane.kubectl(['apply', '-f', '-'], othersApiService(port));
    const config = join(folder, 'foresail.yaml');
    const made = await generate([{ name: 'commonName', value: 'localhost' }], {
      keyType: 'ec',
      algorithm: 'sha256',
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
    });
    await writeFile(join(folder, 'adapter.crt'), made.cert);
    await writeFile(join(folder, 'token'), 'of-foresail\n');
    adapter = await startMetricsAdapter({
      cert: made.cert,
      key: made.private,
      ...{ token: 'of-foresail', metric: 'queue_length', value: '30' },
    });
    const upstream = `{url: '${adapter.url}', ca: ${join(folder, 'adapter.crt')}, token: ${join(folder, 'token')}}`;
    const externalMetrics = `{listen: '127.0.0.1:${port}', service: {port: ${port}}, upstream: ${upstream}}`;
    await writeFile(
      config,
      `kubernetes: {kubeconfig: ${plane.kubeconfig}}\nloops: {scale: 1s}\nexternalMetrics: ${externalMetrics}\n`,
    );
    program = await startProgram(['--config', config]);
    timer = setInterval(() => void send(demand), SECOND);
    for (const name of ['web', 'floor']) await put(name);
  });
  afterAll(async () => {
    clearInterval(timer);
    await program?.[Symbol.asyncDispose]();
    await adapter?.[Symbol.asyncDispose]();
    await plane?.[Symbol.asyncDispose]();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  });

  test("another owner's APIService is left alone, and the owner is named; once it is gone, ours is made", async () => {
    const owner =
      /the APIService v1beta1\.external\.metrics\.k8s\.io belongs to the service adapter\/prometheus-adapter \(written by kubectl-client-side-apply\)/;
    await waitFor('the owner to be named', async () => owner.test(await statusText()));
    const kept = JSON.parse(await plane.kubectl(['get', API_SERVICE, '-o', 'json', '--show-managed-fields']));
    expect(kept.spec).toMatchObject({ service: { namespace: 'adapter', name: 'prometheus-adapter' } });
    expect(kept.spec.caBundle).toBeUndefined();
    expect(JSON.stringify(kept.metadata.managedFields)).not.toContain('foresail');
    await plane.kubectl(['delete', API_SERVICE]);
    await waitForAvailable();
    expect(await statusText()).not.toContain('belongs to');
  });

  test('the aggregator finds the group, in each form of discovery, and its OpenAPI', async () => {
    await waitFor('kubectl to list the metrics', async () =>
      (await plane.kubectl(['api-resources', '--api-group=external.metrics.k8s.io', '--no-headers'])).includes(
        'foresail_forecast_peak',
      ),
    );
    expect(await raw(GROUP_PATH)).toMatchObject({ kind: 'APIResourceList' });
    await waitFor('the OpenAPI document', async () =>
      JSON.stringify(await raw('/openapi/v3')).includes('external.metrics.k8s.io'),
    );
    expect(JSON.stringify(await raw('/openapi/v3/apis/external.metrics.k8s.io/v1beta1'))).toContain(
      'ExternalMetricValueList',
    );
  });

  test('the HPA controller scales a Deployment on the demand, and on the floor that was planned', async () => {
    await waitFor('5 replicas for a demand of 50, at 10 a replica', async () => (await replicasOf('web')) === 5);
    const floor = await raw(`${GROUP_PATH}/namespaces/shop/foresail_desired_replicas?labelSelector=policy%3Dfloor`);
    expect(floor).toMatchObject({ items: [{ metricLabels: { policy: 'floor', workload: 'floor' }, value: '4' }] });
    await waitFor('the 4 replicas that the policy keeps', async () => (await replicasOf('floor')) === 4);
    demand = 80;
    await waitFor('8 replicas for a demand of 80', async () => (await replicasOf('web')) === 8);
    const statusOf = async () =>
      JSON.parse(await plane.kubectl(['-n', 'shop', 'get', 'hpa', 'web', '-o', 'json'])).status;
    await waitFor('its status to say so', async () => {
      return (await statusOf()).currentMetrics[0].external.current.averageValue === '10';
    });
    const status = await statusOf();
    const reasons = status.conditions.map(({ type, reason }: { type: string; reason: string }) => `${type} ${reason}`);
    expect(reasons).toContain('ScalingActive ValidMetricFound');
  });

  test('the HPA controller scales a Deployment on a forecast of the peak within the lead time', async () => {
    await importHistory('ahead', AHEAD);
    await plane.kubectl(['apply', '-f', '-'], list(deployment('ahead'), hpa('ahead', 'foresail_forecast_peak')));
    await put('ahead', 'demand{app="ahead"}');
    const path = `${GROUP_PATH}/namespaces/shop/foresail_forecast_peak?labelSelector=policy%3Dahead`;
    await waitFor('a forecast', async () => (await rawError(path)) === 'no error', 3 * MINUTE);
    expect(await raw(path)).toMatchObject({
      items: [{ metricLabels: { policy: 'ahead', demand: 'rps', quantile: '0.95' }, window: expect.any(Number) }],
    });
    await waitFor(`6 replicas for a steady ${AHEAD}`, async () => (await replicasOf('ahead')) === 6);
  });

  test('the HPA controller scales a Deployment on a metric of the adapter behind this one', async () => {
    const queue = `${GROUP_PATH}/namespaces/shop/queue_length`;
    expect(await raw(`${queue}?labelSelector=queue%3Djobs`)).toMatchObject({ items: [{ value: '30' }] });
    expect(adapter.asked.at(-1)).toBe(`${queue}?labelSelector=queue%3Djobs`);
    await plane.kubectl(['apply', '-f', '-'], list(deployment('jobs'), hpa('jobs', 'queue_length')));
    await waitFor('3 replicas for a queue of 30', async () => (await replicasOf('jobs')) === 3);
    expect(await rawError(`${GROUP_PATH}/namespaces/shop/unheard_of`)).toContain('the other adapter has no');
    const names = (await raw(GROUP_PATH)) as { resources: { name: string }[] };
    expect(names.resources.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['foresail_demand_now', 'queue_length']),
    );
  });

  test('all of that was answered in a thread of its own, which did not end', async () => {
    const own = await (await fetch(`${program.url}/metrics`)).text();
    expect(Number(/^foresail_external_metrics_thread_cpu_seconds_total (\S+)$/m.exec(own)?.[1])).toBeGreaterThan(0);
    expect(own).not.toMatch(/^foresail_external_metrics_thread_ends_total\{/m);
    expect(own).toMatch(/^foresail_external_metrics_requests_total\{outcome="forwarded"\} [1-9]/m);
  });

  test('what cannot be served is refused in a Status that the HPA shows', async () => {
    const peak = await rawError(`${GROUP_PATH}/namespaces/shop/foresail_forecast_peak?labelSelector=policy%3Dweb`);
    expect(peak).toContain('there is no forecast of the demand');
    expect(await rawError(`${DEMAND}?labelSelector=policy%20in%20web`)).toContain('expected (');
    await plane.kubectl(['apply', '-f', '-'], list(deployment('blind'), hpa('blind', 'foresail_forecast_peak')));
    await waitFor('the HPA to say why', async () =>
      (await plane.kubectl(['-n', 'shop', 'describe', 'hpa', 'blind'])).includes('its policies are ahead, floor, web'),
    );
  });

  test('who asks directly is told apart by certificate and token, and headers alone make nobody anybody', async () => {
    const keys = plane.folder;
    await makeAuthority(keys, 'stranger-ca');
    await makeClient(keys, 'stranger', 'stranger-ca', '/O=system:masters/CN=front-proxy-client');
    await makeClient(keys, 'eve', 'ca', '/CN=eve');
    await makeClient(keys, 'wrong-name', 'fp-ca', '/CN=somebody');
    const spoofed = { 'x-remote-user': 'admin', 'x-remote-group': 'system:masters' };
    expect(await call({})).toMatchObject({
      status: 403,
      body: { reason: 'Forbidden', message: expect.stringContaining('system:anonymous') },
    });
    expect(await call({ headers: spoofed })).toMatchObject({ status: 403 });
    expect(await call({ client: 'stranger', headers: spoofed })).toMatchObject({
      status: 401,
      body: { reason: 'Unauthorized' },
    });
    expect(await call({ client: 'wrong-name', headers: spoofed })).toMatchObject({ status: 401 });
    expect(await call({ client: 'eve', headers: spoofed })).toMatchObject({
      status: 403,
      body: { message: expect.stringContaining('User "eve" cannot list resource "foresail_demand_now"') },
    });
    expect(await call({ client: 'admin' })).toMatchObject({ status: 200 });
    expect(
      await call({ client: 'fp', headers: { ...spoofed, 'x-remote-user': 'eve', 'x-remote-group': 'nobody' } }),
    ).toMatchObject({ status: 403 });
    expect(await call({ client: 'fp', headers: spoofed })).toMatchObject({ status: 200 });
    expect(await call({ path: '/readyz' })).toMatchObject({ status: 200 });
    expect(await call({ headers: { authorization: 'Bearer nonsense' } })).toMatchObject({ status: 401 });

    await plane.kubectl(['-n', 'shop', 'create', 'serviceaccount', 'viewer']);
    const token = (await plane.kubectl(['-n', 'shop', 'create', 'token', 'viewer'])).trim();
    const authorization = `Bearer ${token}`;
    expect(await call({ headers: { authorization } })).toMatchObject({ status: 403 });
    await plane.kubectl(['apply', '-f', '-'], viewerRole());
    await plane.kubectl([
      '-n',
      'shop',
      'create',
      'rolebinding',
      'viewer',
      '--role=viewer',
      '--serviceaccount=shop:viewer',
    ]);
    await waitFor(
      'the refusal to be asked anew',
      async () => (await call({ headers: { authorization } })).status === 200,
    );
    const others = DEMAND.replace('/shop/', '/foresail/');
    expect(await call({ path: others, headers: { authorization } })).toMatchObject({ status: 403 });
  });

  test('a new authority and certificate come into force without a restart, and no request is lost', async () => {
    const before = await presented();
    const kept = join(program.folder, 'data', 'external-metrics');
    await Promise.all(['ca.crt', 'ca.key', 'tls.crt', 'tls.key'].map((name) => rm(join(kept, name))));
    const refused: string[] = [];
    await waitFor('another certificate', async () => {
      await raw(DEMAND).catch((error: Error) => refused.push(error.message));
      return (await presented()) !== before;
    });
    for (let i = 0; i < 10; i++) await raw(DEMAND).catch((error: Error) => refused.push(error.message));
    expect(refused).toEqual([]);
    const { spec } = JSON.parse(await plane.kubectl(['get', API_SERVICE, '-o', 'json']));
    const bundle = Buffer.from(spec.caBundle, 'base64').toString('utf8');
    expect(bundle.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    const served = new X509Certificate(readFileSync(join(kept, 'tls.crt')));
    expect(bundle).toContain(readFileSync(join(kept, 'ca.crt'), 'utf8').trim().split('\n')[1]);
    expect(served.fingerprint256).toBe(await presented());
    await waitForAvailable();
    expect(program.alive()).toBe(true);
  });

  test('a new authority of the front proxy is believed without a restart', async () => {
    const keys = plane.folder;
    await makeAuthority(keys, 'fp-ca-2');
    await makeClient(keys, 'fp-2', 'fp-ca-2', '/CN=front-proxy-client');
    const headers = { 'x-remote-user': 'admin', 'x-remote-group': 'system:masters' };
    expect(await call({ client: 'fp-2', headers })).toMatchObject({ status: 401 });
    const read = (name: string) => readFileSync(join(keys, name), 'utf8');
    await writeFile(join(keys, 'fp-ca.crt'), `${read('fp-ca.crt')}${read('fp-ca-2.crt')}`);
    await waitFor(
      'the new authority',
      async () => (await call({ client: 'fp-2', headers })).status === 200,
      3 * MINUTE,
    );
    expect(await call({ client: 'fp', headers })).toMatchObject({ status: 200 });
  });

  const raw = async (path: string): Promise<Record<string, unknown>> =>
    JSON.parse(await plane.kubectl(['get', '--raw', path]));
  const rawError = (path: string) =>
    raw(path).then(
      () => 'no error',
      (error: Error) => error.message,
    );
  const statusText = async () => await (await fetch(`${program.url}/api/v1/status`)).text();
  const replicasOf = async (name: string) =>
    Number(await plane.kubectl(['-n', 'shop', 'get', 'deployment', name, '-o', 'jsonpath={.spec.replicas}']));
  const waitForAvailable = () =>
    waitFor('the APIService to be available', async () => {
      const path = 'jsonpath={.status.conditions[?(@.type=="Available")].status}';
      return (await plane.kubectl(['get', API_SERVICE, '-o', path])) === 'True';
    });

  /** Asks the server itself, not the aggregator. */
  function call({
    path = DEMAND,
    client,
    headers = {},
  }: {
    path?: string;
    client?: string;
    headers?: Record<string, string>;
  }): Promise<Called> {
    const pair =
      client === undefined
        ? {}
        : {
            cert: readFileSync(join(plane.folder, `${client}.crt`)),
            key: readFileSync(join(plane.folder, `${client}.key`)),
          };
    return new Promise((resolve, reject) => {
      const sent = request(
        { host: '127.0.0.1', port, path, headers, agent: false, rejectUnauthorized: false, ...pair },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (part: string) => {
            text += part;
          });
          response.on('end', () => {
            const body = text.startsWith('{') ? JSON.parse(text) : { message: text };
            resolve({ status: response.statusCode ?? 0, body });
          });
        },
      );
      sent.on('error', reject).end();
    });
  }

  /** The fingerprint of the certificate that new connections see. */
  function presented(): Promise<string> {
    return new Promise((resolve, reject) => {
      const sent = request(
        { host: '127.0.0.1', port, path: '/livez', agent: false, rejectUnauthorized: false },
        (response) => {
          resolve((response.socket as import('node:tls').TLSSocket).getPeerX509Certificate()!.fingerprint256);
          response.resume();
        },
      );
      sent.on('error', reject).end();
    });
  }

  async function send(value: number): Promise<void> {
    const times = Float64Array.of(Date.now());
    const body = encodeSnappy(
      encodeWriteRequest([
        { labels: labelsOf({ __name__: 'demand', app: 'web' }), times, values: Float64Array.of(value) },
        { labels: labelsOf({ __name__: 'demand', app: 'ahead' }), times, values: Float64Array.of(AHEAD) },
      ]),
    );
    await fetch(`${program.url}/api/v1/write`, {
      method: 'POST',
      headers: { 'content-encoding': 'snappy', 'content-type': 'application/x-protobuf' },
      body: body as Uint8Array<ArrayBuffer>,
    }).catch(() => {});
  }

  /** Three days of a steady demand, a value each minute. */
  async function importHistory(app: string, value: number): Promise<void> {
    const end = Math.floor(Date.now() / MINUTE) * MINUTE - MINUTE;
    const timestamps = Array.from({ length: 3 * 24 * 60 }, (_, i) => end - i * MINUTE).reverse();
    const line = { metric: { __name__: 'demand', app }, values: timestamps.map(() => value), timestamps };
    const answer = await fetch(`${program.url}/api/v1/import`, { method: 'POST', body: JSON.stringify(line) });
    expect(answer.status).toBe(200);
  }

  /** `floor` keeps at least 4; `web` is asked for its demand alone. */
  async function put(name: string, query = 'demand{app="web"}'): Promise<void> {
    await requestPolicy(
      program.url,
      'PUT',
      name,
      policy(name, {
        target: { name },
        demand: { name: 'rps', query, capacity: { perReplica: 10 } },
        replicas: { min: name === 'floor' ? 4 : 1, max: 20 },
      }),
    );
  }
});

const list = (...items: object[]) => ({ apiVersion: 'v1', kind: 'List', items });
const namespace = (name: string) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });

/** The API server is on this machine too: the Service is another name of it. */
function service(name: string, port: number) {
  const spec = { type: 'ExternalName', externalName: 'localhost', ports: [{ port }] };
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'foresail' }, spec };
}

function othersApiService(port: number) {
  return {
    apiVersion: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    metadata: { name: 'v1beta1.external.metrics.k8s.io' },
    spec: {
      group: 'external.metrics.k8s.io',
      version: 'v1beta1',
      service: { namespace: 'adapter', name: 'prometheus-adapter', port },
      insecureSkipTLSVerify: true,
      groupPriorityMinimum: 100,
      versionPriority: 100,
    },
  };
}

function deployment(name: string) {
  const template = {
    metadata: { labels: { app: name } },
    spec: { containers: [{ name: 'main', image: 'example.com/main:1' }] },
  };
  const spec = { replicas: 1, selector: { matchLabels: { app: name } }, template };
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name, namespace: 'shop' }, spec };
}

function hpa(name: string, metric = 'foresail_demand_now', averageValue = '10') {
  const external = {
    metric: { name: metric, selector: { matchLabels: { policy: name } } },
    target: { type: 'AverageValue', averageValue },
  };
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name, namespace: 'shop' },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name },
      minReplicas: 1,
      maxReplicas: 20,
      metrics: [{ type: 'External', external }],
    },
  };
}

const hpaOnFloor = (name: string) => hpa(name, 'foresail_desired_replicas', '1');

function viewerRole() {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { name: 'viewer', namespace: 'shop' },
    rules: [{ apiGroups: ['external.metrics.k8s.io'], resources: ['foresail_demand_now'], verbs: ['list'] }],
  };
}
