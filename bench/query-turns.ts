import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freePorts, waitFor } from '../src/testing/control-plane.ts';
import { encodeWriteRequest } from '../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../src/wire/snappy.ts';

/*
 * How long each kind of heavy query holds the thread, by the built program:
 *   npm run build && npx tsx bench/query-turns.ts [--series 10000] [--wide 100000] [--runs 2] [--only REGEX] [--where yes] [--program dist/main.js]
 *
 * Each kind is asked alone, `--runs` times, and the last is told. A turn is one round of the
 * event loop, and what it took is the processor time of the process meanwhile (`process.cpuUsage`, with the threads that
 * compile and collect garbage), so that a busy machine counts little. Rounds of less than 0.2 ms are not counted.
 * `--where yes` tells which functions the longest turn of each was in.
 *
 * `--series` series of 75 minutes at 15 s in 20 groups, and `--wide` series with one sample and a value of a label each.
 */
const options = readOptions(process.argv.slice(2));
const STEP_MS = 15_000;
const SAMPLES = 300;
const NOW = Math.floor(Date.now() / STEP_MS) * STEP_MS;

/** Runs in the server: rounds of the event loop while it is told to look. */
const METER = `
import { Session } from 'node:inspector';
import { PerformanceObserver } from 'node:perf_hooks';
let on = false, turns = [], last = 0, session, collected = [];
const observer = new PerformanceObserver((list) => { for (const e of list.getEntries()) collected.push([e.startTime, e.duration]); });
const cpu = () => { const { user, system } = process.cpuUsage(); return user + system; };
const tick = () => {
  const now = cpu();
  if (now - last > 200) turns.push([now - last, performance.now()]);
  last = cpu();
  if (on) setImmediate(tick);
};
const top = (profile, from, to, offset) => {
  const nodes = new Map(profile.nodes.map((n) => [n.id, n]));
  const parents = new Map();
  for (const n of profile.nodes) for (const c of n.children ?? []) parents.set(c, n.id);
  const name = (n) => n.callFrame.functionName + ' ' + n.callFrame.url.split('/').slice(-2).join('/') + ':' + (n.callFrame.lineNumber + 1);
  const own = new Map(), all = new Map();
  let at = profile.startTime;
  profile.samples.forEach((id, i) => {
    const took = profile.timeDeltas[i];
    at += took;
    if (at < from + offset || at > to + offset) return;
    const seen = new Set();
    for (let n = id, first = true; n !== undefined; n = parents.get(n), first = false) {
      const text = name(nodes.get(n));
      if (first) own.set(text, (own.get(text) ?? 0) + took);
      if (!seen.has(text)) all.set(text, (all.get(text) ?? 0) + took);
      seen.add(text);
    }
  });
  const list = (m) => [...m].sort((a, b) => b[1] - a[1]).slice(0, 12).map(([t, v]) => (v / 1000).toFixed(1) + ' ' + t);
  return { own: list(own), all: list(all) };
};
process.on('message', (message) => {
  if (message.begin) {
    turns = []; collected = []; on = true; last = cpu();
    observer.observe({ entryTypes: ['gc'] });
    const go = () => { last = cpu(); setImmediate(tick); process.send({ begun: true }); };
    if (!message.where) return go();
    session = new Session(); session.connect();
    session.post('Profiler.enable'); session.post('Profiler.setSamplingInterval', { interval: 250 });
    session.post('Profiler.start', go);
    return;
  }
  if (!message.end) return;
  on = false;
  setTimeout(() => {
    const longest = turns.reduce((a, b) => (b[0] > a[0] ? b : a), [0, 0]);
    const lengths = turns.map(([t]) => t / 1000);
    const gc = Math.max(0, ...collected.filter(([at]) => at <= longest[1] && at >= longest[1] - longest[0] / 1000 - 1).map(([, d]) => d));
    if (session === undefined) return process.send({ lengths, gc });
    session.post('Profiler.stop', (_, { profile }) => {
      const offset = Number(process.hrtime.bigint() / 1000n) - performance.now() * 1000;
      const to = longest[1] * 1000;
      const where = top(profile, to - longest[0] * 1.1, to, offset);
      session.disconnect(); session = undefined;
      process.send({ lengths, gc, where });
    });
  }, 30);
});
`;

const at = NOW / 1000;
const range = (query: string, step = 15) =>
  `/api/v1/query_range?${new URLSearchParams({ query, start: `${at - 3600}`, end: `${at}`, step: `${step}` })}`;
const instant = (query: string) => `/api/v1/query?${new URLSearchParams({ query, time: `${at}` })}`;
const ALTERNATION = Array.from({ length: 3_000 }, (_, i) => `v${i * 7}.`).join('|');
const KINDS: Readonly<Record<string, string>> = {
  'range 1h/15s sum by rate': range('sum by (group) (rate(heavy_total[5m]))'),
  'range 1h/15s rate of all': range('rate(heavy_total[5m])'),
  'range 1h/15s raw': range('heavy_total'),
  'range 1h/60s raw': range('heavy_total', 60),
  'range 1h/15s quantile_over_time': range('max(quantile_over_time(0.9, heavy_total[30m]))'),
  'range 1h/60s subquery': range('max(max_over_time(rate(heavy_total[1m])[10m:30s]))', 60),
  'range 1h/60s topk': range('topk(5, heavy_total)', 60),
  'range 1h/60s quantile': range('quantile by (group) (0.9, heavy_total)', 60),
  'range 1h/60s count_values': range('count_values("v", heavy_total)', 600),
  'range 1h/60s on()': range('heavy_total * on (i) heavy_b', 60),
  'range 1h/60s group_left': range('heavy_total * on (group) group_left (extra) sum by (group) (heavy_b)', 60),
  'range 1h/60s and': range('heavy_total and heavy_b', 60),
  'range 1h/60s or': range('heavy_total or heavy_b', 60),
  'range 1h/60s unless on': range('heavy_total unless on (i) heavy_b', 60),
  'range 1h/60s info': range('info(heavy_total)', 60),
  'range 1h/60s absent_over_time': range('absent_over_time(heavy_total[5m])', 60),
  'range 1h/60s absent': range('absent(heavy_total)', 60),
  'range 1h/60s label_replace': range('label_replace(heavy_total, "j", "x$1", "i", "(.*)")', 60),
  'range 1h/60s label_join': range('label_join(heavy_total, "j", "-", "group", "i")', 60),
  'range 1h/60s scalar': range('scalar(heavy_total) + 1', 60),
  'range 1h/60s limit_ratio': range('limit_ratio(0.5, heavy_total)', 60),
  'range 1h/15s @ end': range('heavy_total @ end()'),
  'range 1h/60s histogram_quantile': range('histogram_quantile(0.9, sum by (le, i) (rate(hist_bucket[5m])))', 60),
  'range 1h/60s dates': range('hour(heavy_total)', 60),
  'instant all': instant('heavy_total'),
  'instant all, wide': instant('wide'),
  'instant sort, wide': instant('sort(wide)'),
  'instant sort_by_label, wide': instant('sort_by_label(wide, "v")'),
  'instant topk, wide': instant('topk(50000, wide)'),
  'instant count_values, wide': instant('count_values("x", wide)'),
  'instant sum by v, wide': instant('sum by (v) (wide)'),
  'instant wide * on (v)': instant('wide * on (v) wide'),
  'instant wide or rate': instant('wide or heavy_total'),
  'instant label_replace, wide': instant('label_replace(wide, "w", "$1", "v", "v(.*)")'),
  'instant matrix': instant('heavy_total[1h]'),
  'instant subquery matrix': instant('heavy_total[30m:15s]'),
  'regex over 100 k values': instant('count({v=~".*7.*3.*"})'),
  'regex of many alternatives': instant(`count({v=~"${ALTERNATION.slice(0, 12_000)}x"})`),
  'negative regex': instant('count(wide{v!~"v1.*"})'),
  'label values': '/api/v1/label/v/values',
  'label values of a selector': '/api/v1/label/v/values?match[]=wide',
  'label names': '/api/v1/labels',
  'label names of a selector': '/api/v1/labels?match[]=wide',
  series: '/api/v1/series?match[]=wide',
  'series of two selectors': '/api/v1/series?match[]=wide&match[]=heavy_total',
  federate: '/federate?match[]=wide',
  'federate of samples': '/federate?match[]=heavy_total&match[]={i=~".%2B"}',
};

const folder = await mkdtemp(join(tmpdir(), 'foresail-query-turns-'));
const [port] = (await freePorts(1)) as [number];
const settings = join(folder, 'foresail.yaml');
await writeFile(settings, 'kubernetes: off\nlog: {level: error}\n');
const words = ['serve', '--config', settings, '--listen', `127.0.0.1:${port}`, '--data', join(folder, 'data')];
const server: ChildProcess = fork(resolve(options.program), words, {
  execArgv: ['--import', `data:text/javascript,${encodeURIComponent(METER)}`],
  stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
});
try {
  await waitFor('foresail', async () => {
    return (await fetch(`http://127.0.0.1:${port}/-/ready`).catch(() => undefined))?.ok === true;
  });
  await load();
  console.log(
    'kind'.padEnd(34),
    'status',
    'MB'.padStart(6),
    'CPU ms',
    'turns',
    'median',
    '   p99',
    'longest',
    'gc in it',
  );
  for (const [kind, path] of Object.entries(KINDS)) {
    if (!options.only.test(kind)) continue;
    for (let run = 1; run <= options.runs; run++) await one(kind, path, run === options.runs);
  }
  console.log(`load ${loadavg()[0]!.toFixed(1)}`);
} finally {
  server.kill('SIGTERM');
  if (server.exitCode === null && server.signalCode === null) await once(server, 'exit');
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

interface Metered {
  readonly lengths: readonly number[];
  readonly gc: number;
  readonly where?: { readonly own: readonly string[]; readonly all: readonly string[] };
}

async function one(kind: string, path: string, tell: boolean): Promise<void> {
  const begun = once(server, 'message');
  server.send({ begin: true, where: options.where });
  await begun;
  const { status, bytes } = await ask(path);
  const metered = once(server, 'message');
  server.send({ end: true });
  const [{ lengths, gc, where }] = (await metered) as [Metered];
  if (!tell) return;
  const sorted = [...lengths].sort((a, b) => a - b);
  const quantile = (q: number) => (sorted[Math.max(0, Math.ceil(sorted.length * q) - 1)] ?? 0).toFixed(1).padStart(6);
  const total = sorted.reduce((sum, each) => sum + each, 0);
  console.log(
    ...[
      kind.padEnd(34),
      status.toString().padStart(6),
      (bytes / 1e6).toFixed(1).padStart(6),
      total.toFixed(0).padStart(6),
    ],
    ...[
      sorted.length.toString().padStart(5),
      quantile(0.5),
      quantile(0.99),
      quantile(1).padStart(7),
      gc.toFixed(0).padStart(4),
    ],
  );
  if (where !== undefined && (sorted.at(-1) ?? 0) > options.over) {
    console.log(`    own: ${where.own.slice(0, 5).join('; ')}\n    all: ${where.all.join('; ')}`);
  }
}

async function load(): Promise<void> {
  const times = Array.from({ length: SAMPLES }, (_, k) => NOW - (SAMPLES - 1 - k) * STEP_MS);
  const at = 500;
  const sets: { readonly labels: [string, string][]; readonly times: number[] }[] = [];
  const [count, few] = [options.series, Math.ceil(options.series / 2)];
  for (let i = 0; i < count; i++) sets.push({ labels: named('heavy_total', i), times });
  for (let i = 0; i < few; i++) sets.push({ labels: named('heavy_b', i), times });
  for (let i = 0; i < 2_000; i++) {
    const le = ['0.1', '0.2', '0.5', '1', '2', '5', '10', '+Inf'][i % 8]!;
    sets.push({ labels: [...named('hist_bucket', Math.floor(i / 8)), ['le', le]], times });
  }
  const newest = times.slice(-1);
  for (let i = 0; i < 1_000; i++) sets.push({ labels: [...named('target_info', i), ['extra', `e${i}`]], times });
  for (let i = 0; i < options.wide; i++) {
    sets.push({
      labels: [
        ['__name__', 'wide'],
        ['group', `${i % 20}`],
        ['job', 'a'],
        ['v', `v${i}`],
      ],
      times: newest,
    });
  }
  for (let from = 0; from < sets.length; from += at) {
    const body = encodeSnappy(
      encodeWriteRequest(
        sets.slice(from, from + at).map(({ labels, times: own }, k) => {
          labels.sort(([a], [b]) => (a < b ? -1 : 1));
          return { labels, times: own, values: Float64Array.from(own, (_, j) => j * 3 + ((from + k) % 997) / 3) };
        }),
      ),
    );
    const { status } = await ask('/api/v1/push', body);
    if (status !== 204) throw new Error(`the samples are not taken: ${status}`);
  }
}

function named(name: string, i: number): [string, string][] {
  return [
    ['__name__', name],
    ['group', `${i % 20}`],
    ['i', `${i}`],
    ['instance', `host-${i}:9100`],
    ['job', 'node'],
  ];
}

function ask(path: string, body?: Uint8Array): Promise<{ status: number; bytes: number }> {
  return new Promise((done, reject) => {
    const method = body === undefined ? 'GET' : 'POST';
    const sent = request({ hostname: '127.0.0.1', port, path, method }, (answer) => {
      let bytes = 0;
      answer.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      answer.on('end', () => done({ status: answer.statusCode!, bytes }));
    });
    sent.on('error', reject).end(body);
  });
}

function readOptions(given: readonly string[]) {
  const of = new Map<string, string>();
  for (let i = 0; i < given.length; i += 2) of.set(given[i]!.replace(/^--/, ''), given[i + 1]!);
  return {
    series: Number(of.get('series') ?? 10_000),
    wide: Number(of.get('wide') ?? 100_000),
    runs: Number(of.get('runs') ?? 2),
    only: new RegExp(of.get('only') ?? ''),
    where: of.get('where') === 'yes',
    over: Number(of.get('over') ?? 10),
    program: of.get('program') ?? 'dist/main.js',
  };
}
