import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { Agent, request } from 'node:https';
import { type AddressInfo, createServer as createTcp } from 'node:net';
import { loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { generate } from 'selfsigned';
import { labelsOf } from '../src/model/labels.ts';
import { encodeWriteRequest } from '../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../src/wire/snappy.ts';

/*
 * External metrics for many HPAs: npm run build && npx tsx bench/external-metrics.ts [HPAS [SECONDS [SAMPLES A SECOND]]].
 * The built program, a Kubernetes API of paper (it knows every HPA and allows everything), 25 open connections with the
 * front proxy's certificate as the aggregator keeps them, and each HPA asking once in 15 s. Wall time as the client sees
 * it (median, 99 %, largest), the program's CPU for all it does meanwhile, and the load of the machine: on one that is
 * busy with other things the wall times say little.
 */
const HPAS = Number(process.argv[2] ?? 1000);
const SECONDS = Number(process.argv[3] ?? 20);
const SAMPLES_PER_SECOND = Number(process.argv[4] ?? 200_000);
const SYNC_SECONDS = 15;
const CONNECTIONS = 25;
const NAMESPACES = 50;
const WRITES_PER_SECOND = 20;

const namespaceOf = (i: number) => `team-${i % NAMESPACES}`;
const names = Array.from({ length: HPAS }, (_, i) => `app-${i}`);

const folder = await mkdtemp(join(tmpdir(), 'foresail-bench-'));
let program: ChildProcess | undefined;
try {
  await run();
} finally {
  program?.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

async function run(): Promise<void> {
  const authority = await generate([{ name: 'commonName', value: 'front-proxy' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'keyUsage', keyCertSign: true },
    ],
  });
  const proxy = await generate([{ name: 'commonName', value: 'front-proxy-client' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    ca: { cert: authority.cert, key: authority.private },
    extensions: [{ name: 'extKeyUsage', clientAuth: true }],
  });
  const kubernetes = await paperKubernetes(authority.cert);
  const [http, tls] = [await freePort(), await freePort()];
  await writeFile(join(folder, 'kubeconfig.json'), kubeconfig(kubernetes.port));
  await writeFile(join(folder, 'policies.yaml'), names.map(policy).join('---\n'));
  const settings = [
    `listen: 127.0.0.1:${http}`,
    `kubernetes: {kubeconfig: ${join(folder, 'kubeconfig.json')}}`,
    `policies: [${join(folder, 'policies.yaml')}]`,
    `externalMetrics: {listen: '127.0.0.1:${tls}'}`,
    'log: {level: error}',
  ];
  await writeFile(join(folder, 'foresail.yaml'), `${settings.join('\n')}\n`);
  const main = resolve('dist/main.js');
  const words = ['serve', '--config', join(folder, 'foresail.yaml'), '--data', join(folder, 'data')];
  program = spawn(process.execPath, [main, ...words], { stdio: ['ignore', 'ignore', 'inherit'] });
  const agent = new Agent({
    keepAlive: true,
    maxSockets: CONNECTIONS,
    cert: proxy.cert,
    key: proxy.private,
    rejectUnauthorized: false,
  });
  await until('the server', async () => (await ask(agent, tls, '/readyz')).status === 200);
  await send(http, demandBody());
  const demand = setInterval(() => void send(http, demandBody()), 5_000);
  await until('every HPA to have its metric', async () => {
    const answers = await Promise.all(names.map((_, i) => ask(agent, tls, pathOf(i))));
    return answers.every(({ status }) => status === 200);
  });

  const bodies = SAMPLES_PER_SECOND === 0 ? [] : sampleBodies();
  for (const [what, rate] of [
    ['idle', 0],
    ['under writes', SAMPLES_PER_SECOND],
  ] as const) {
    if (what === 'under writes' && rate === 0) continue;
    const [cpu, began] = [cpuSeconds(program.pid!), performance.now()];
    const writing = rate === 0 ? undefined : write(http, bodies);
    const took = await askAll(agent, tls);
    const written = (await writing) ?? 0;
    const wall = (performance.now() - began) / 1000;
    took.sort((a, b) => a - b);
    const at = (share: number) => took[Math.min(took.length - 1, Math.floor(took.length * share))]!.toFixed(2);
    console.log(
      `${what}: ${took.length} answers for ${HPAS} HPAs in ${wall.toFixed(1)} s: median ${at(0.5)}, p99 ${at(0.99)}, largest ${at(1)} ms; ` +
        `${(cpuSeconds(program.pid!) - cpu).toFixed(2)} CPU s of the program; ${Math.round(written / wall)} samples/s taken; load ${loadavg()[0]!.toFixed(1)}`,
    );
  }
  clearInterval(demand);
  const own = await (await fetch(`http://127.0.0.1:${http}/metrics`)).text();
  const sum = /duration_seconds_sum\{outcome="served"\} (\S+)/.exec(
    own.slice(own.indexOf('foresail_external_metrics')),
  );
  const count = /duration_seconds_count\{outcome="served"\} (\S+)/.exec(
    own.slice(own.indexOf('foresail_external_metrics')),
  );
  console.log(
    `the program's own mean: ${((1e6 * Number(sum?.[1])) / Number(count?.[1])).toFixed(0)} µs of ${count?.[1]}`,
  );
  agent.destroy();
  kubernetes.close();
}

function pathOf(i: number): string {
  return `/apis/external.metrics.k8s.io/v1beta1/namespaces/${namespaceOf(i)}/foresail_demand_now?labelSelector=policy%3Dapp-${i}`;
}

/** Every HPA at its own moment of the 15 s, again and again. Milliseconds of each answer. */
async function askAll(agent: Agent, port: number): Promise<number[]> {
  const took: number[] = [];
  const began = performance.now();
  const count = Math.floor((HPAS * SECONDS) / SYNC_SECONDS);
  await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      await delay(Math.max(0, began + (i * SYNC_SECONDS * 1000) / HPAS - performance.now()));
      const asked = performance.now();
      const { status } = await ask(agent, port, pathOf(i % HPAS));
      if (status !== 200) throw new Error(`the server answered ${status}`);
      took.push(performance.now() - asked);
    }),
  );
  return took;
}

function ask(agent: Agent, port: number, path: string): Promise<{ status: number }> {
  const headers = {
    'x-remote-user': 'system:serviceaccount:kube-system:horizontal-pod-autoscaler',
    'x-remote-group': 'system:serviceaccounts',
  };
  return new Promise((done, reject) => {
    const sent = request({ agent, host: '127.0.0.1', port, path, headers }, (response) => {
      response.resume().on('end', () => done({ status: response.statusCode! }));
    });
    sent.on('error', reject).end();
  });
}

/** Bodies of one sample of each of so many series; `SECONDS` rounds of them. */
function sampleBodies(): readonly Uint8Array<ArrayBuffer>[] {
  const perBody = Math.round(SAMPLES_PER_SECOND / WRITES_PER_SECOND);
  const start = Date.now();
  return Array.from({ length: SECONDS * WRITES_PER_SECOND }, (_, k) => {
    const block = k % WRITES_PER_SECOND;
    const times = Float64Array.of(start + k * (1000 / WRITES_PER_SECOND));
    const series = Array.from({ length: perBody }, (__, i) => ({
      labels: labelsOf({ __name__: 'bench_total', block: String(block), series: String(i), job: 'bench' }),
      times,
      values: Float64Array.of(k * 10 + (i % 7)),
    }));
    return encodeSnappy(encodeWriteRequest(series)) as Uint8Array<ArrayBuffer>;
  });
}

/** Sends the bodies in time, or as fast as they are taken. @returns The samples that were. */
async function write(port: number, bodies: readonly Uint8Array<ArrayBuffer>[]): Promise<number> {
  const perBody = Math.round(SAMPLES_PER_SECOND / WRITES_PER_SECOND);
  const [began, deadline] = [performance.now(), performance.now() + SECONDS * 1000];
  let taken = 0;
  for (const [k, body] of bodies.entries()) {
    if (performance.now() > deadline) break;
    await delay(Math.max(0, began + (k * 1000) / WRITES_PER_SECOND - performance.now()));
    if ((await send(port, body)) < 300) taken += perBody;
  }
  return taken;
}

function demandBody(): Uint8Array<ArrayBuffer> {
  const times = Float64Array.of(Date.now());
  const series = names.map((app, i) => ({
    labels: labelsOf({ __name__: 'demand', app }),
    times,
    values: Float64Array.of(100 + i),
  }));
  return encodeSnappy(encodeWriteRequest(series)) as Uint8Array<ArrayBuffer>;
}

async function send(port: number, body: Uint8Array<ArrayBuffer>): Promise<number> {
  const headers = { 'content-encoding': 'snappy', 'content-type': 'application/x-protobuf' };
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/write`, { method: 'POST', headers, body });
  await answer.arrayBuffer();
  return answer.status;
}

function policy(name: string, i: number): string {
  const spec = `{target: {name: ${name}}, demand: {query: 'demand{app="${name}"}', capacity: {perReplica: 10}}, replicas: {min: 1, max: 50}}`;
  const metadata = `{name: ${name}, namespace: ${namespaceOf(i)}}`;
  return `apiVersion: foresail.dev/v1alpha1\nkind: ScalingPolicy\nmetadata: ${metadata}\nspec: ${spec}\n`;
}

/** As much of a Kubernetes API as the program asks for. */
async function paperKubernetes(frontProxy: string): Promise<{ port: number; close: () => void }> {
  const trust = {
    'requestheader-client-ca-file': frontProxy,
    'requestheader-allowed-names': '["front-proxy-client"]',
    'requestheader-username-headers': '["X-Remote-User"]',
    'requestheader-group-headers': '["X-Remote-Group"]',
  };
  const server = createServer((incoming, response) => {
    incoming.resume();
    const path = incoming.url!.split('?')[0]!;
    const [, namespace, name] =
      /namespaces\/([^/]+)\/(?:horizontalpodautoscalers|deployments)\/([^/]+)/.exec(path) ?? [];
    const metadata = { namespace, name, uid: name, resourceVersion: '1' };
    const answer = (status: number, body: object) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    if (path.endsWith('extension-apiserver-authentication')) answer(200, { data: trust });
    else if (path.endsWith('subjectaccessreviews')) answer(201, { status: { allowed: true } });
    else if (path.endsWith('/scale')) answer(200, { spec: { replicas: 3 }, status: { replicas: 3 } });
    else if (path.endsWith('/apis/apps/v1'))
      answer(200, { resources: ['deployments', 'deployments/scale'].map((of) => ({ name: of, kind: 'Deployment' })) });
    else if (name !== undefined && path.includes('horizontalpodautoscalers')) {
      const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name };
      answer(200, { metadata, spec: { scaleTargetRef, minReplicas: 1, maxReplicas: 50 } });
    } else if (incoming.method === 'POST') answer(201, {});
    else if (path.endsWith('s')) answer(200, { metadata: {}, items: [] });
    else answer(404, { message: 'not on this paper' });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return { port: (server.address() as AddressInfo).port, close: () => void server.close().closeAllConnections() };
}

function kubeconfig(port: number): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'paper',
    contexts: [{ name: 'paper', context: { cluster: 'paper', user: 'paper' } }],
    clusters: [{ name: 'paper', cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'paper', user: {} }],
  });
}

/** User and system time of a process and its threads, from Linux, which counts in hundredths. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function until(what: string, done: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 180_000;
  for (let last: unknown; ; await delay(1000)) {
    try {
      if (await done()) return;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) throw new Error(`waited 180 s for ${what}`, { cause: last });
  }
}

async function freePort(): Promise<number> {
  const server = createTcp().listen(0, '127.0.0.1');
  await new Promise((listening) => server.once('listening', listening));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}
