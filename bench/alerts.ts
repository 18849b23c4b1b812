import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts, waitFor } from '../src/testing/control-plane.ts';

/*
 * For how long the program's thread is held at once while many alerts last, by the built program:
 *   npm run build && npx tsx bench/alerts.ts [--alerts 10000] [--silences 100] [--rounds 5] [--program dist/main.js]
 * Alerts come as Prometheus sends them, 64 at a time; a webhook and an Alertmanager, both local, are told. Half of the
 * silences match by a regular expression. Each line is the longest hold of the event loop in ms, of each round; the goal
 * is 20.
 */
const options = readOptions(process.argv.slice(2));
const BATCH = 64;
const folder = await mkdtemp(join(tmpdir(), 'foresail-alerts-'));
const [port] = (await freePorts(1)) as [number];
const url = `http://127.0.0.1:${port}`;
const sink = createServer((request, response) => {
  request.resume();
  request.once('end', () => response.end('{}'));
});
await new Promise<void>((done) => sink.listen(0, '127.0.0.1', done));
const to = `http://127.0.0.1:${(sink.address() as AddressInfo).port}`;
const settings = join(folder, 'foresail.yaml');
await writeFile(
  settings,
  JSON.stringify({
    kubernetes: 'off',
    log: { level: 'error' },
    alerting: {
      receivers: [
        { name: 'hook', webhookConfigs: [{ url: `${to}/hook`, maxPerMinute: 6_000 }] },
        { name: 'am', alertmanagerConfigs: [{ urls: [to] }] },
      ],
      route: {
        ...{ receiver: 'hook', groupBy: ['alertname', 'namespace'], groupWait: '1s', groupInterval: '10s' },
        routes: [
          { receiver: 'am', continue: true },
          { receiver: 'hook', continue: true },
        ],
      },
      inhibitRules: [
        {
          ...{ sourceMatchers: ['severity="critical"'], targetMatchers: ['severity="warning"'] },
          equal: ['namespace', 'workload'],
        },
      ],
      alertsPerTenant: options.alerts + 100,
    },
  }),
);
const words = ['serve', '--config', settings, '--listen', `127.0.0.1:${port}`, '--data', join(folder, 'data')];
const server = fork(resolve(options.program), words, {
  execArgv: ['--import', resolve(import.meta.dirname, 'loop-delay.mjs')],
  stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
});
try {
  await waitFor('foresail', async () => (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok === true);
  for (let i = 0; i < options.silences; i++) await post('/api/v2/silences', silence(i));
  const all = Array.from({ length: options.alerts }, (_, i) => alert(i));
  const tellAll = async () => {
    for (let at = 0; at < all.length; at += BATCH) await post('/api/v2/alerts', all.slice(at, at + BATCH));
  };
  const phases: readonly (readonly [name: string, act: () => Promise<unknown>])[] = [
    ['told again', tellAll],
    ['one is new', () => post('/api/v2/alerts', [alert(options.alerts + Math.floor(Math.random() * 90))])],
    ['GET /api/v2/alerts', () => get('/api/v2/alerts')],
    ['GET /api/v2/alerts, one namespace', () => get('/api/v2/alerts?filter=namespace%3D%22n1%22')],
    ['GET /api/v2/alerts/groups', () => get('/api/v2/alerts/groups')],
    ['a new silence', () => post('/api/v2/silences', silence(Math.floor(Math.random() * 100)))],
    ['GET /metrics', () => get('/metrics')],
    ['nothing', () => sleep(3_000)],
  ];
  await hold();
  await tellAll();
  console.log(`told first: ${(await hold()).toFixed(1)}`);
  await sleep(12_000);
  console.log(`sent first: ${(await hold()).toFixed(1)}`);
  const seen = new Map<string, number[]>(phases.map(([name]) => [name, []]));
  for (let round = 0; round < options.rounds; round++) {
    for (const [name, act] of phases) {
      await sleep(200);
      await hold();
      await act();
      // What follows from it, too.
      await sleep(1_500);
      seen.get(name)!.push(await hold());
    }
  }
  for (const [name, held] of seen) console.log(`${name}: ${held.map((ms) => ms.toFixed(1)).join(' ')}`);
  console.log(`load ${loadavg()[0]!.toFixed(1)}`);
} finally {
  sink.closeAllConnections();
  sink.close();
  server.kill('SIGTERM');
  if (server.exitCode === null && server.signalCode === null) await once(server, 'exit');
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** The longest hold since the last time, in ms. */
async function hold(): Promise<number> {
  server.send('hold');
  return ((await once(server, 'message')) as [number])[0];
}

async function post(path: string, body: unknown): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  await response.arrayBuffer();
}

async function get(path: string): Promise<void> {
  const response = await fetch(`${url}${path}`);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  await response.arrayBuffer();
}

function alert(i: number): object {
  return {
    labels: {
      ...{ alertname: `Demand${i % 20}`, severity: i % 3 === 0 ? 'critical' : 'warning', namespace: `n${i % 50}` },
      ...{ workload: `w${i % 2_000}`, pod: `pod-${i}`, cluster: 'eu-1' },
    },
    annotations: { summary: `Demand on w${i % 2_000} is unusual`, description: '20 requests a second, 10 expected' },
    generatorURL: 'http://prometheus.example/graph?g0.expr=demand',
  };
}

function silence(i: number): object {
  const matchers = [
    i % 2 === 0
      ? { name: 'workload', value: `w${i}[0-9]|v${i}`, isRegex: true }
      : { name: 'workload', value: `w${i}`, isRegex: false },
    { name: 'cluster', value: 'eu-.*', isRegex: true },
  ];
  return { matchers, endsAt: new Date(Date.now() + 3_600_000).toISOString(), createdBy: 'bench', comment: 'bench' };
}

function readOptions(words: readonly string[]) {
  const of = (name: string) => {
    const at = words.indexOf(`--${name}`);
    return at === -1 ? undefined : words[at + 1];
  };
  return {
    alerts: Number(of('alerts') ?? 10_000),
    silences: Number(of('silences') ?? 100),
    rounds: Number(of('rounds') ?? 5),
    program: of('program') ?? 'dist/main.js',
  };
}
