import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, get } from 'node:http';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { demandLabels, readRecorded } from '../src/loops/demand-series.ts';
import { encodeLabels, type Labels, labelsOf } from '../src/model/labels.ts';
import { DEFAULT_TENANT } from '../src/model/tenant.ts';
import { DAY, HOUR, MINUTE, type Millis } from '../src/model/time.ts';
import type { ScalingPolicy } from '../src/scaling/policy.ts';
import { freePorts, waitFor } from '../src/testing/control-plane.ts';
import { openTsdb } from '../src/tsdb/open-tsdb.ts';
import { encodeWriteRequest } from '../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../src/wire/snappy.ts';

/*
 * Queries over HTTP to the built program and to the engines of ../shared/bin, which all run and hold the same samples:
 *   npm run build && npx tsx bench/queries.ts [--series 10000] [--runs 15] [--only TEXT] [--stored yes]
 *     [--engines foresail,prometheus,victoria-metrics]
 * 75 minutes at 15 s, sent by rwbench of ../shared/tools. --stored yes asks a policy's history in place of that: 28 days
 * of recorded demand at 1 min, and 15 days of 50 series at 15 s, which have left Foresail's memory in chunks as they
 * do while it runs.
 *
 * Engines take turns, run by run, so that whatever else the machine does falls on all of them. Told of each: the median
 * wall time until the last byte, CPU of all threads while one query ran, bytes; no answer is taken from a cache. Then,
 * for Foresail, how long a request that asks for nothing waited at most beside each query: what the machine's other work
 * takes is in it.
 */
const options = readOptions(process.argv.slice(2));
const GENERATOR = resolve('../shared/tools/rwbench/rwbench.mjs');
const STEP = 15_000;
const ROUNDS = 300;
/** The beginning of what a policy's history is asked for: a midnight, and days later the last sample. */
const DEMAND_DAYS = 28;
const RAW_DAYS = 15;
const RAW_SERIES = 50;
const FLUSH_EVERY = 2 * HOUR;

const POLICY = { namespace: 'shop', name: 'shop', target: { name: 'shop' } } as ScalingPolicy;
const SPEC = { name: 'demand_rps', query: 'sum(rate(shop_requests_total[5m]))', stepMs: MINUTE };

interface Engine {
  readonly name: string;
  command(folder: string, port: number): Promise<readonly string[]>;
  readonly ready: string;
  /** What a request has beside the query. */
  readonly extra: string;
}

interface Running {
  readonly engine: Engine;
  readonly process: ChildProcess;
  readonly url: string;
}

interface Case {
  readonly name: string;
  readonly path: string;
}

const bin = (await promisify(execFile)(resolve('../shared/bin/install'))).stdout.trim();
const ENGINES: readonly Engine[] = [
  {
    name: 'foresail',
    command: async (folder, port) => [
      process.execPath,
      ...(process.env['NODE_FLAGS'] ?? '').split(' ').filter(Boolean),
      resolve('dist/main.js'),
      ...['serve', '--data', folder, '--listen', `127.0.0.1:${port}`],
    ],
    ready: '/-/ready',
    extra: '',
  },
  {
    name: 'prometheus',
    command: async (folder, port) => {
      const file = join(folder, 'empty.yml');
      await writeFile(file, '');
      return [
        join(bin, 'prometheus'),
        `--config.file=${file}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        '--storage.tsdb.retention.time=90d',
        `--web.listen-address=127.0.0.1:${port}`,
        '--web.enable-remote-write-receiver',
      ];
    },
    ready: '/-/ready',
    extra: '',
  },
  {
    name: 'victoria-metrics',
    command: async (folder, port) => [
      join(bin, 'victoria-metrics'),
      `-storageDataPath=${folder}`,
      `-httpListenAddr=127.0.0.1:${port}`,
      '-retentionPeriod=3',
      '-search.maxPointsPerTimeseries=100000',
    ],
    ready: '/health',
    extra: '&nocache=1',
  },
];

const root = await mkdtemp(join(tmpdir(), 'foresail-bench-queries-'));
const running: Running[] = [];
const agent = new Agent({ keepAlive: true });
try {
  const chosen = ENGINES.filter(({ name }) => options.engines.includes(name));
  const end = Math.floor(Date.now() / MINUTE) * MINUTE - MINUTE;
  if (options.stored) await prepareStored(join(root, 'foresail'), end);
  for (const engine of chosen) running.push(await start(engine));
  for (const one of running) {
    if (!options.stored) await send(one, end);
    else if (one.engine.name !== 'foresail') await sendStored(one, end);
  }
  const cases = (options.stored ? storedCases(end) : liveCases(end)).filter(({ name }) => name.includes(options.only));
  // VictoriaMetrics shows samples a while after it took them.
  await sleep(options.stored ? 5_000 : 2_000);
  console.log(
    `${availableParallelism()} cores, load ${loadavg()[0]!.toFixed(1)}; p50 ms / CPU ms / MB of ${options.runs} runs\n`,
  );
  console.log(`| query | ${running.map(({ engine }) => engine.name).join(' | ')} | longest wait beside Foresail's |`);
  console.log(`|---|${running.map(() => '---').join('|')}|---|`);
  for (const each of cases) await measure(each);
} finally {
  agent.destroy();
  for (const { process: child } of running) {
    child.kill('SIGTERM');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  await rm(root, { recursive: true, force: true, maxRetries: 5 });
}

function liveCases(end: Millis): readonly Case[] {
  const m = 'rwbench_m0_total';
  const hour = (step: number) => `&start=${end / 1000 - 3600}&end=${end / 1000}&step=${step}`;
  const instant = (query: string) => `/api/v1/query?query=${encodeURIComponent(query)}&time=${end / 1000}`;
  const range = (query: string, step: number) => `/api/v1/query_range?query=${encodeURIComponent(query)}${hour(step)}`;
  const sum = `sum(rate(${m}[5m])) by (namespace)`;
  return [
    { name: 'instant sum(rate(m[5m])) by (namespace)', path: instant(sum) },
    { name: 'range 1 h, step 15 s, the same', path: range(sum, 15) },
    { name: 'range 1 h, step 60 s, the same', path: range(sum, 60) },
    {
      name: 'instant histogram_quantile over sum by (le, job)',
      path: instant(`histogram_quantile(0.99, sum(rate(${m}[5m])) by (le, job))`),
    },
    { name: `instant, all ${options.series} raw series`, path: instant(m) },
    {
      name: 'range 1 h, step 15 s, rate of a sixth of the series',
      path: range(`rate(${m}{namespace="search"}[5m])`, 15),
    },
    {
      name: 'label values',
      path: `/api/v1/label/pod/values?start=${end / 1000 - 3600}&end=${end / 1000}`,
    },
  ];
}

function storedCases(end: Millis): readonly Case[] {
  const query = encodeURIComponent('sum(rate(shop_requests_total[5m]))');
  const range = (days: number, step: number) =>
    `&start=${(end - days * DAY) / 1000 + step}&end=${end / 1000}&step=${step}`;
  return [
    { name: 'recorded demand, 28 days at 1 min', path: `/api/v1/query?query=demand_rps[28d]&time=${end / 1000}` },
    {
      name: 'range 15 days, step 5 min, of 50 series at 15 s',
      path: `/api/v1/query_range?query=${query}${range(RAW_DAYS - 1, 300)}`,
    },
  ];
}

async function measure({ name, path }: Case): Promise<void> {
  const walls = new Map<string, number[]>();
  const cpu = new Map<string, number>();
  const bytes = new Map<string, number>();
  for (let run = -2; run < options.runs; run++) {
    for (const { engine, process: child, url } of running) {
      const before = cpuMs(child.pid!);
      const began = performance.now();
      const size = await ask(`${url}${path}${engine.extra}`);
      const took = performance.now() - began;
      if (run < 0) continue;
      await sleep(1);
      walls.set(engine.name, [...(walls.get(engine.name) ?? []), took]);
      cpu.set(engine.name, (cpu.get(engine.name) ?? 0) + cpuMs(child.pid!) - before);
      bytes.set(engine.name, size);
    }
  }
  const cells = running.map(({ engine }) => {
    const sorted = walls.get(engine.name)!.sort((a, b) => a - b);
    const p50 = sorted[sorted.length >> 1]!;
    const mega = bytes.get(engine.name)! / 1e6;
    return `${p50.toFixed(1)} / ${(cpu.get(engine.name)! / options.runs).toFixed(0)} / ${mega.toFixed(2)}`;
  });
  const ours = running.find(({ engine }) => engine.name === 'foresail');
  const waits = ours === undefined ? '' : `${(await longestWait(ours, path)).toFixed(0)} ms`;
  console.log(`| ${name} | ${cells.join(' | ')} | ${waits} |`);
}

/** How long a request that asks for nothing waits at most while a query is answered, one behind another: the least of five runs. */
async function longestWait({ url }: Running, path: string): Promise<number> {
  const longest: number[] = [];
  for (let run = 0; run < 5; run++) {
    let done = false;
    let most = 0;
    const prober = (async () => {
      while (!done) {
        const began = performance.now();
        await ask(`${url}/-/healthy`);
        most = Math.max(most, performance.now() - began);
      }
    })();
    // In another process: reading a long answer must not hold the prober here.
    await promisify(execFile)('curl', ['-sg', '-o', '/dev/null', `${url}${path}`]);
    done = true;
    await prober;
    longest.push(most);
  }
  return Math.min(...longest);
}

function ask(url: string): Promise<number> {
  return new Promise((done, fail) => {
    get(url, { agent }, (response) => {
      let size = 0;
      const refused: Buffer[] = [];
      response.on('data', (data: Buffer) => {
        size += data.length;
        if (response.statusCode !== 200) refused.push(data);
      });
      response.on('error', fail);
      response.on('end', () => {
        if (response.statusCode === 200) return done(size);
        fail(new Error(`${url}: ${response.statusCode} ${Buffer.concat(refused).toString()}`));
      });
    }).on('error', fail);
  });
}

async function start(engine: Engine): Promise<Running> {
  const folder = join(root, engine.name);
  await mkdir(folder, { recursive: true });
  const [port] = (await freePorts(1)) as [number];
  const [program, ...words] = await engine.command(folder, port);
  const child = spawn(program!, words, { stdio: 'ignore' });
  const url = `http://127.0.0.1:${port}`;
  const one = { engine, process: child, url };
  await waitFor(engine.name, async () => (await fetch(`${url}${engine.ready}`).catch(() => undefined))?.ok === true);
  return one;
}

async function send({ engine, url }: Running, end: Millis): Promise<void> {
  process.stderr.write(`filling ${engine.name}\n`);
  const words = [`--series=${options.series}`, `--step=${STEP}`, `--rounds=${ROUNDS}`, '--json', '--seconds=300'];
  const load = [`--url=${url}/api/v1/write`, `--start=${end - (ROUNDS - 1) * STEP}`, ...words];
  const { stdout } = await promisify(execFile)(process.execPath, [GENERATOR, ...load], { maxBuffer: 1 << 26 });
  const { samples, err } = JSON.parse(stdout) as { readonly samples: number; readonly err: string };
  if (samples !== options.series * ROUNDS) throw new Error(`${engine.name} took ${samples} samples: ${err}`);
}

/** A policy's history: its demand each minute, and the series that its query takes. */
function* history(end: Millis) {
  const demand = demandLabels(POLICY, SPEC as Parameters<typeof demandLabels>[1]);
  const raw = Array.from({ length: RAW_SERIES }, (_, i) =>
    labelsOf({
      ...{ __name__: 'shop_requests_total', namespace: 'shop', job: 'shop', container: 'shop', method: 'GET' },
      ...{ pod: `shop-7d9f8b6c5d-${(i * 7919).toString(36)}`, instance: `10.0.0.${i}:8080` },
    }),
  );
  const counts = new Float64Array(RAW_SERIES);
  for (let from = end - DEMAND_DAYS * DAY; from < end; from += FLUSH_EVERY) {
    const to = Math.min(end, from + FLUSH_EVERY);
    const of = (labels: Labels, stepMs: number, valueAt: (time: Millis) => number) => {
      const times = Float64Array.from({ length: Math.floor((to - from) / stepMs) }, (_, n) => from + (n + 1) * stepMs);
      return { labels, times, values: times.map(valueAt) };
    };
    const rps = (time: Millis) => 1_000 + 400 * Math.sin((2 * Math.PI * time) / DAY);
    const parts = [of(demand, MINUTE, (time) => rps(time) + ((time / 7_000) % 13) / 7)];
    if (from >= end - RAW_DAYS * DAY + HOUR) {
      raw.forEach((labels, i) => {
        parts.push(
          of(labels, STEP, (time) => {
            counts[i]! += Math.round((rps(time) * 15) / RAW_SERIES + ((time / 1_000 + i) % 11));
            return counts[i]!;
          }),
        );
      });
    }
    yield { to, parts };
  }
}

async function prepareStored(folder: string, end: Millis): Promise<void> {
  process.stderr.write('filling foresail\n');
  let now = end - DEMAND_DAYS * DAY;
  await using tsdb = await openTsdb({ dir: folder, clock: { now: () => now } });
  const tenant = tsdb.storage.tenant(DEFAULT_TENANT);
  for (const { to, parts } of history(end)) {
    now = to;
    for (const [i, { labels, times, values }] of parts.entries()) {
      const [answer] = await tenant.ref([encodeLabels(labels)], i === 0 ? 'demand' : 'raw');
      if (answer?.kind !== 'ref') throw new Error('the store took a series not');
      await tenant.write({ refs: new Uint32Array(times.length).fill(answer.ref), times, values });
    }
    await tenant.commit();
    await tsdb.maintain(now);
  }
  const labels = demandLabels(POLICY, SPEC as Parameters<typeof demandLabels>[1]);
  const walls: number[] = [];
  const range = { start: end - DEMAND_DAYS * DAY + MINUTE, end };
  let known = 0;
  for (let run = -2; run < options.runs; run++) {
    const began = performance.now();
    const { values } = await readRecorded(tenant, labels, range, MINUTE);
    if (run >= 0) walls.push(performance.now() - began);
    known = values.reduce((count, value) => count + (Number.isNaN(value) ? 0 : 1), 0);
  }
  walls.sort((a, b) => a - b);
  console.log(
    `a policy's stored demand, as its forecast reads it: p50 ${walls[walls.length >> 1]!.toFixed(1)} ms, ${known} values\n`,
  );
}

async function sendStored({ engine, url }: Running, end: Millis): Promise<void> {
  process.stderr.write(`filling ${engine.name}\n`);
  for (const { parts } of history(end)) {
    const body = encodeSnappy(encodeWriteRequest(parts));
    const headers = { 'content-encoding': 'snappy', 'content-type': 'application/x-protobuf' };
    const response = await fetch(`${url}/api/v1/write`, { method: 'POST', headers, body });
    if (!response.ok) throw new Error(`${engine.name}: ${response.status} ${await response.text()}`);
    await response.arrayBuffer();
  }
}

/** CPU of all threads, which the scheduler counts exactly while they sleep. */
function cpuMs(pid: number): number {
  let total = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      total += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
    } catch {
      // It has ended in between.
    }
  }
  return total / 1e6;
}

function readOptions(words: readonly string[]) {
  const given = new Map<string, string>();
  for (let i = 0; i < words.length; i += 2) given.set(words[i]!.replace(/^--/, ''), words[i + 1]!);
  return {
    series: Number(given.get('series') ?? 10_000),
    runs: Number(given.get('runs') ?? 15),
    only: given.get('only') ?? '',
    stored: given.get('stored') === 'yes',
    engines: (given.get('engines') ?? 'foresail,prometheus,victoria-metrics').split(','),
  };
}
