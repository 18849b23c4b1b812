/**
 * What many forecast series cost: the real forecast loop, the real pool of threads and the real LevelDB; only the demand
 * is computed instead of queried, and the clock is moved on by hand.
 *
 *   npm run build && npx tsx bench/many-series.ts [SERIES=10000] [STEPS=3]
 *
 * A few dozen series are fitted; the others start from copies of their saved states, as after a restart. Then STEPS
 * steps of five minutes are taken in and forecast, and some series are refitted. CPU is that of all threads.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import type { DemandStorage } from '../src/loops/demand-series.ts';
import type { LoopTelemetry } from '../src/loops/telemetry.ts';
import type { StepRange } from '../src/model/query-result.ts';
import { DEFAULT_TENANT } from '../src/model/tenant.ts';
import { DAY, MINUTE, type Millis } from '../src/model/time.ts';
import { parsePolicy, type ScalingPolicy } from '../src/scaling/policy.ts';
import { OUTCOME } from '../src/storage/write.ts';

const STEP = 5 * MINUTE;
const T0 = 20_000 * DAY;
const DISTINCT = 24;
const REFITS = 100;

/** Node starts threads from compiled code alone, so all of it is the compiled one. */
const load = (path: string) => import(new URL(`../dist/${path}`, import.meta.url).href);
type Loaded = [
  typeof import('../src/workers/forecast-pool.ts'),
  typeof import('../src/workers/forecast-seat.ts'),
  typeof import('../src/forecast/desk.ts'),
  typeof import('../src/loops/forecast-loop.ts'),
  typeof import('../src/forecasts/forecast-store.ts'),
  typeof import('../src/forecasts/state-store.ts'),
  typeof import('../src/tsdb/open-tsdb.ts'),
];
const [pools, seats, desks, loops, stores, states, tsdbs] = (await Promise.all(
  [
    'workers/forecast-pool.js',
    'workers/forecast-seat.js',
    'forecast/desk.js',
    'loops/forecast-loop.js',
    'forecasts/forecast-store.js',
    'forecasts/state-store.js',
    'tsdb/open-tsdb.js',
  ].map(load),
)) as Loaded;

async function measure(count: number, steps: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'foresail-many-'));
  let now = T0 + MINUTE;
  const clock = { now: () => now, sleep: (ms: number, signal?: AbortSignal) => wait(ms, undefined, { signal }) };
  const threads = pools.threadsFor(availableParallelism());
  const openSeat = seats.threadSeat({ clock });
  await using tsdb = await tsdbs.openTsdb({ dir: join(folder, 'data'), clock });
  await using pool = pools.openForecastPool({
    seats: Array.from({ length: threads }, () => openSeat),
    fallback: seats.ownSeat(desks.createForecastDesk),
    clock,
    onEnd: (end) => console.log('a thread ended', end),
    onSetAside: (key) => console.log('set aside', key),
    onFallback: () => console.log('no thread can be started'),
  });
  const saved = states.openForecasterStates(tsdb.keyValue).tenant(DEFAULT_TENANT);
  const { counts, telemetry } = countingTelemetry();
  let policies = Array.from({ length: DISTINCT }, (_, i) => policyOf(i));
  const loop = loops.openForecastLoop({
    clock,
    telemetry,
    policies: async () => policies.map((policy) => ({ tenant: DEFAULT_TENANT, policy })),
    storageOf: () => computedDemand,
    forecastsOf: stores.openForecastStore(tsdb.keyValue).tenant,
    statesOf: () => saved,
    forecasters: pool,
  });
  const stop = new AbortController();
  const pass = () => loop.pass(stop.signal);
  console.log(`${count} series at 5 min, 28 days, horizon 2 h; ${threads} thread(s), ${availableParallelism()} cores`);

  await phase(`cold fit of ${DISTINCT}`, DISTINCT, pass);
  const bytes: number[] = [];
  for (let i = DISTINCT; i < count; i++) {
    const from = await saved.read(keyOf(i % DISTINCT));
    if (from === undefined || from === 'unreadable') throw new Error('nothing was saved');
    bytes.push(from.state.length);
    // The target is part of the fingerprint.
    const fingerprint = from.fingerprint.replace(`"name":"p${i % DISTINCT}"`, `"name":"p${i}"`);
    await saved.write(keyOf(i), { ...from, fingerprint });
  }
  console.log(`saved state: ${Math.max(0, ...bytes)} bytes at most`);
  const before = resident();
  policies = Array.from({ length: count }, (_, i) => policyOf(i));
  await phase(`start of ${count} from saved states`, count - DISTINCT, pass);
  console.log(JSON.stringify(Object.fromEntries(counts)));

  let perStep = 0;
  for (let step = 0; step < steps; step++) {
    now += STEP;
    perStep += (await phase(`step ${step + 1}`, count, pass)) / steps;
  }
  const ids = Array.from({ length: Math.min(REFITS, count) }, (_, i) => idOf(i));
  const refit = await phase(`refit of ${ids.length}`, ids.length, () =>
    Promise.all(ids.map((id) => pool.refit(DEFAULT_TENANT, id))),
  );
  const { own, files } = resident();
  const { heapTotal, heapUsed, external } = process.memoryUsage();
  const cpu = (perStep * 1000) / STEP + ((refit / ids.length) * count * 1000) / DAY;
  console.log(
    `measured: ${mib(own)} MiB with ${count} series (${mib(before.own)} before) and ${mib(files)} MiB of mapped files, ${perStep.toFixed(2)} CPU s a step of all`,
  );
  console.log(
    `of that the main thread: heap ${mib(heapTotal)} MiB, ${mib(heapUsed)} MiB of it in use, and ${mib(external)} MiB outside of it`,
  );
  console.log(
    `so, with one refit a day each (extrapolated from ${ids.length}): ${(100 * cpu).toFixed(1)} % of one core`,
  );
  stop.abort();
  rmSync(folder, { recursive: true, force: true });
}

/** @returns CPU seconds of all threads. */
async function phase(name: string, count: number, work: () => Promise<unknown>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const from = process.cpuUsage();
  const began = performance.now();
  let [last, held] = [mainThreadMs(), 0];
  const watch = setInterval(() => {
    const now = mainThreadMs();
    held = Math.max(held, now - last);
    last = now;
  }, 2);
  delay.enable();
  await work();
  delay.disable();
  clearInterval(watch);
  const { user, system } = process.cpuUsage(from);
  const seconds = (user + system) / 1e6;
  const ms = (value: number) => (value / 1e6).toFixed(0);
  console.log(
    `${name}: ${seconds.toFixed(2)} CPU s (${((1000 * seconds) / count).toFixed(2)} ms each), ` +
      `${((performance.now() - began) / 1000).toFixed(1)} s; event loop held ${ms(delay.max)} ms at most, p99 ${ms(delay.percentile(99))} ms, ` +
      `by its own work ${held.toFixed(0)} ms at most`,
  );
  return seconds;
}

/** CPU of this thread: what others on the machine take from it does not count. */
function mainThreadMs(): number {
  return Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[0]) / 1e6;
}

/** Memory of the process alone, and of the database's files that are mapped, which the system takes back when it needs it. */
function resident(): { own: number; files: number } {
  const status = readFileSync('/proc/self/status', 'utf8');
  const of = (key: string) => 1024 * Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1]);
  return { own: of('RssAnon'), files: of('RssFile') };
}

/** What a query would answer: `q3` is the third of the distinct demands. */
const computedDemand: DemandStorage = {
  select: async () => [],
  range: async (query: string, { start, end, stepMs }: StepRange) => {
    const index = Number(query.slice(1)) % DISTINCT;
    const length = Math.floor((end - start) / stepMs) + 1;
    const times = Float64Array.from({ length }, (_, i) => start + i * stepMs);
    const series = { labels: [], times, values: times.map((t) => demandAt(index, t)) };
    return { value: { kind: 'matrix' as const, series: [series] }, warnings: [], infos: [] };
  },
  backfill: async () => ({ appended: 0, duplicates: 0, conflicts: 0, outOfBounds: 0 }),
  ref: async () => [{ kind: 'ref' as const, ref: 1 }],
  write: async ({ times }) => new Uint8Array(times.length).fill(OUTCOME.appended),
  commit: async () => {},
  attach: async () => Promise.reject(new Error('the bench attaches nothing')),
  describe: async () => {},
};

/** A day, a week and noise, of its own size and roughness. */
function demandAt(index: number, t: Millis): number {
  const day = Math.sin((2 * Math.PI * t) / DAY + index);
  const week = Math.sin((2 * Math.PI * t) / (7 * DAY));
  const x = Math.sin(t / MINUTE + index * 77.7) * 43758.5453;
  return (100 + index) * (1.5 + 0.7 * day + 0.2 * week + (0.02 + 0.01 * index) * (x - Math.floor(x)));
}

function policyOf(i: number): ScalingPolicy {
  return parsePolicy({
    apiVersion: 'foresail.dev/v1alpha1',
    kind: 'ScalingPolicy',
    metadata: { name: `p${i}`, namespace: 'bench' },
    spec: {
      target: { name: `p${i}` },
      demand: { name: 'rps', query: `q${i % DISTINCT}`, step: '5m', history: '28d', capacity: { perReplica: 10 } },
      leadTime: '5m',
      replicas: { min: 1, max: 50 },
      forecast: { horizon: '2h' },
    },
  });
}

function keyOf(i: number) {
  return { namespace: 'bench', policy: `p${i}`, demand: 'rps' };
}

function idOf(i: number): string {
  return `${DEFAULT_TENANT}/bench/p${i}/rps`;
}

function countingTelemetry(): { counts: Map<string, number>; telemetry: LoopTelemetry } {
  const counts = new Map<string, number>();
  const say = (fields: object, message: string) => console.log(message, fields);
  return {
    counts,
    telemetry: {
      span: (_name, _attributes, action) => action(),
      count(name, labels = {}) {
        const key = [name, ...Object.values(labels)].join(' ');
        counts.set(key, (counts.get(key) ?? 0) + 1);
      },
      gauge: () => {},
      time: () => {},
      log: { info: () => {}, warn: say, error: say },
    },
  };
}

function mib(size: number): string {
  return (size / 2 ** 20).toFixed(0);
}

await measure(Number(process.argv[2] ?? 10_000), Number(process.argv[3] ?? 3));
