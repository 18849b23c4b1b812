import { type ChildProcess, fork, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { Agent } from 'node:https';
import { type AddressInfo, createServer as createTcp } from 'node:net';
import { loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { generate } from 'selfsigned';
import { labelsOf } from '../src/model/labels.ts';
import { MINUTE } from '../src/model/time.ts';
import { encodeWriteRequest } from '../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../src/wire/snappy.ts';
import { type HpasResult, type LoadRole, send, statusOf, type WriterResult } from './external-metrics-load.ts';

/*
 * External metrics for many HPAs: npm run build && npx tsx bench/external-metrics.ts [HPAS [SECONDS [SAMPLES A SECOND]]].
 * The built program, a Kubernetes API of paper (it knows every HPA and allows everything), and 25 open connections with
 * the front proxy's certificate, as the aggregator keeps them. Each HPA asks once in 15 s, all at their own moments or
 * all within one second; first while nothing else happens, then while samples arrive, queries run and forecasters are
 * fitted. Who asks and who writes has a process of its own. What is told of each part:
 *   - as the client sees it, from the question to the last byte;
 *   - as the server's thread sees it, from the request read to the answer written;
 *   - that thread's CPU, and for how long it was ready and waited for a core, which a machine that has more to do than
 *     cores makes everybody do.
 */
const HPAS = Number(process.argv[2] ?? 1000);
const SECONDS = Number(process.argv[3] ?? 30);
const SAMPLES_PER_SECOND = Number(process.argv[4] ?? 200_000);
const SYNC_SECONDS = 15;
const CONNECTIONS = 25;
const NAMESPACES = 50;
const SERIES_AN_IMPORT = 20;
const QUERIES_PER_SECOND = 2;
/** Two days and some: what a fit takes at the least. */
const HISTORY_MINUTES = 2 * 24 * 60 + 120;

const namespaceOf = (i: number) => `team-${i % NAMESPACES}`;
const names = Array.from({ length: HPAS }, (_, i) => `app-${i}`);

const folder = await mkdtemp(join(tmpdir(), 'foresail-bench-'));
const children = new Set<ChildProcess>();
try {
  await run();
} finally {
  for (const child of children) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

interface Proxy {
  readonly cert: string;
  readonly key: string;
}

interface Place {
  readonly http: number;
  readonly tls: number;
  readonly proxy: Proxy;
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
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'front-proxy-client' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    ca: { cert: authority.cert, key: authority.private },
    extensions: [{ name: 'extKeyUsage', clientAuth: true }],
  });
  const kubernetes = await paperKubernetes(authority.cert);
  const place: Place = { http: await freePort(), tls: await freePort(), proxy: { cert, key } };
  await startProgram(place, kubernetes.port);
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS, cert, key, rejectUnauthorized: false });
  await until('the server', async () => (await statusOf(agent, place.tls, '/readyz')) === 200);
  await send(place.http, demandBody(Date.now()));
  const demand = setInterval(() => void send(place.http, demandBody(Date.now())).catch(() => {}), 5_000);
  await until('every HPA to have its metric', async () => {
    const statuses = await Promise.all(names.map((_, i) => statusOf(agent, place.tls, pathOf(i))));
    return statuses.every((status) => status === 200);
  });
  agent.destroy();
  await until('the first fits', async () => (await figuresOf(place.http)).learning === 0);

  await part('nothing else, spread over 15 s', place, { withinSeconds: SYNC_SECONDS, isBusy: false });
  await part('nothing else, within one second', place, { withinSeconds: 1, isBusy: false });
  await importHistories(place.http);
  await part('under load, spread over 15 s', place, { withinSeconds: SYNC_SECONDS, isBusy: true });
  await part('under load, within one second', place, { withinSeconds: 1, isBusy: true });
  clearInterval(demand);
  kubernetes.close();
}

/** Has the HPAs ask for a while, and tells how that went. */
async function part(
  what: string,
  place: Place,
  { withinSeconds, isBusy }: { readonly withinSeconds: number; readonly isBusy: boolean },
): Promise<void> {
  const { http, tls, proxy } = place;
  const writer =
    isBusy && SAMPLES_PER_SECOND > 0
      ? await readyLoad<WriterResult>({
          kind: 'writer',
          port: http,
          samplesPerSecond: SAMPLES_PER_SECOND,
          seconds: SECONDS + 2,
          queries: QUERIES_PER_SECOND,
        })
      : undefined;
  const hpas = await readyLoad<HpasResult>({
    kind: 'hpas',
    ...{ port: tls, ...proxy, connections: CONNECTIONS, seconds: SECONDS, syncSeconds: SYNC_SECONDS, withinSeconds },
    paths: names.map((_, i) => pathOf(i)),
  });
  await delay(1000);
  if (isBusy) await refit(http);
  const before = await figuresOf(http);
  const writing = writer?.();
  const asked = await hpas();
  const written = await writing;
  // What the thread answered last is counted within a quarter of a second.
  await delay(1000);
  const after = await figuresOf(http);
  const { took, refused } = asked;
  const at = (share: number) => took[Math.min(took.length - 1, Math.floor(took.length * share))]!.toFixed(2);
  const server = after.buckets.map(({ le, count }, i) => ({ le, count: count - (before.buckets[i]?.count ?? 0) }));
  const answers = server.at(-1)?.count ?? 0;
  const within = (share: number) => {
    const found = server.find(({ count }) => count >= share * answers)?.le ?? Number.NaN;
    return Number.isFinite(found) ? `${(1000 * found).toFixed(2)} ms` : 'more than 30 s';
  };
  const perAnswer = (seconds: number) => `${((1e6 * seconds) / answers).toFixed(0)} µs`;
  const lines = [
    `${what}: ${took.length} answers for ${HPAS} HPAs, ${refused} refused; load ${loadavg()[0]!.toFixed(1)}`,
    `  client: median ${at(0.5)}, p99 ${at(0.99)}, largest ${at(1)} ms; ${asked.cpuSeconds.toFixed(1)} CPU s`,
    `  server: half within ${within(0.5)}, 99 % within ${within(0.99)}, all within ${within(1)}, mean ${perAnswer(after.sum - before.sum)}`,
    `  thread: ${perAnswer(after.threadCpu - before.threadCpu)} CPU an answer, ${perAnswer(after.threadWait - before.threadWait)} waiting for a core`,
    `  program: ${(after.programCpu - before.programCpu).toFixed(1)} CPU s; fits waiting ${before.learning} before, ${after.learning} after`,
    ...(written === undefined
      ? []
      : [
          `  writer: ${Math.round(written.samples / written.wallSeconds)} of ${SAMPLES_PER_SECOND} samples/s taken, ${written.queries} queries answered in ${written.wallSeconds.toFixed(0)} s; ${written.cpuSeconds.toFixed(1)} CPU s`,
        ]),
  ];
  console.log(lines.join('\n'));
}

interface Figures {
  /** Answers that were served, cumulative. */
  readonly buckets: readonly { readonly le: number; readonly count: number }[];
  /** Seconds of all of them. */
  readonly sum: number;
  readonly threadCpu: number;
  readonly threadWait: number;
  readonly programCpu: number;
  readonly learning: number;
}

/** What the program says of itself. */
async function figuresOf(http: number): Promise<Figures> {
  const text = await (await fetch(`http://127.0.0.1:${http}/metrics`)).text();
  const figureOf = (name: string) => {
    const line = text.split('\n').find((each) => each.startsWith(`${name} `));
    return Number(line?.slice(name.length) ?? 0);
  };
  const name = 'foresail_external_metrics_request_duration_seconds';
  const served = new RegExp(`^${name}_bucket\\{le="([^"]+)",outcome="served"\\} (\\S+)$`, 'gm');
  return {
    buckets: [...text.matchAll(served)].map(([, le, count]) => ({
      le: le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le),
      count: Number(count),
    })),
    sum: figureOf(`${name}_sum{outcome="served"}`),
    threadCpu: figureOf('foresail_external_metrics_thread_cpu_seconds_total'),
    threadWait: figureOf('foresail_external_metrics_thread_wait_seconds_total'),
    programCpu: figureOf('process_cpu_seconds_total'),
    learning: figureOf('foresail_forecast_queue{kind="learn"}'),
  };
}

async function startProgram({ http, tls }: Place, kubernetes: number): Promise<void> {
  await writeFile(join(folder, 'kubeconfig.json'), kubeconfig(kubernetes));
  await writeFile(join(folder, 'policies.yaml'), names.map(policy).join('---\n'));
  const settings = [
    `listen: 127.0.0.1:${http}`,
    `kubernetes: {kubeconfig: ${join(folder, 'kubeconfig.json')}}`,
    `policies: [${join(folder, 'policies.yaml')}]`,
    `externalMetrics: {listen: '127.0.0.1:${tls}'}`,
    'customResources: off',
    'log: {level: error}',
  ];
  await writeFile(join(folder, 'foresail.yaml'), `${settings.join('\n')}\n`);
  const words = ['serve', '--config', join(folder, 'foresail.yaml'), '--data', join(folder, 'data')];
  const program = spawn(process.execPath, [resolve('dist/main.js'), ...words], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  children.add(program);
}

/** A process that is ready to do its part, and does it when it is told to. */
async function readyLoad<T>(role: LoadRole): Promise<() => Promise<T>> {
  const child = fork(resolve('bench/external-metrics-load.ts'), [JSON.stringify(role)], {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  children.add(child);
  let text = '';
  child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  const closed = new Promise<void>((done, failed) => {
    child.once('close', (code) => {
      children.delete(child);
      if (code === 0) done();
      else failed(new Error(`what was to be ${role.kind} ended with ${code}`));
    });
  });
  await Promise.race([new Promise((ready) => child.once('message', ready)), closed]);
  return async () => {
    child.send('go');
    await closed;
    return JSON.parse(text) as T;
  };
}

function pathOf(i: number): string {
  return `/apis/external.metrics.k8s.io/v1beta1/namespaces/${namespaceOf(i)}/foresail_demand_now?labelSelector=policy%3Dapp-${i}`;
}

/** Histories that forecasters are fitted on. */
async function importHistories(http: number): Promise<void> {
  const end = Math.floor(Date.now() / MINUTE) * MINUTE - 10 * MINUTE;
  const timestamps = Array.from({ length: HISTORY_MINUTES }, (_, k) => end - (HISTORY_MINUTES - k) * MINUTE);
  for (let from = 0; from < HPAS; from += SERIES_AN_IMPORT) {
    const lines = names.slice(from, from + SERIES_AN_IMPORT).map((app, i) => {
      const phase = ((from + i) * MINUTE) / 7;
      const values = timestamps.map((t, k) => Math.round(100 + 50 * Math.sin((t + phase) / 13_750_987) + (k % 11)));
      return JSON.stringify({ metric: { __name__: 'demand', app, of: 'history' }, values, timestamps });
    });
    const body = `${lines.join('\n')}\n`;
    const answer = await fetch(`http://127.0.0.1:${http}/api/v1/import`, { method: 'POST', body });
    if (!answer.ok) throw new Error(`the import was answered with ${answer.status}: ${await answer.text()}`);
    await answer.arrayBuffer();
  }
}

/** An import, were it of one sample, has all of the tenant's forecasters fitted anew: one thread has work for minutes. */
async function refit(http: number): Promise<void> {
  const line = { metric: { __name__: 'imported', of: 'bench' }, values: [1], timestamps: [Date.now() - 60 * MINUTE] };
  const answer = await fetch(`http://127.0.0.1:${http}/api/v1/import`, { method: 'POST', body: JSON.stringify(line) });
  await answer.arrayBuffer();
  // The program counts what waits every 15 s. Few fits are done by then.
  for (let i = 0; i < 20 && (await figuresOf(http)).learning === 0; i++) await delay(1000);
}

function demandBody(now: number): Uint8Array<ArrayBuffer> {
  const times = Float64Array.of(now);
  const series = names.map((app, i) => ({
    labels: labelsOf({ __name__: 'demand', app, of: 'now' }),
    times,
    values: Float64Array.of(100 + i),
  }));
  return encodeSnappy(encodeWriteRequest(series)) as Uint8Array<ArrayBuffer>;
}

function policy(name: string, i: number): string {
  const spec = `{target: {name: ${name}}, demand: {query: 'sum(demand{app="${name}"})', capacity: {perReplica: 10}}, replicas: {min: 1, max: 50}}`;
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
