/**
 * Foresail's forecast beside what users would pick instead, in one run: CPU seconds of a cold fit and forecast of one
 * series of four weeks at 5 minutes, and its error against repeating the last value. Needs Python with statsforecast and
 * prophet. Run: npx tsx bench/peers.ts [slow]
 */
import { spawnSync } from 'node:child_process';
import { fitForecaster } from '../src/forecast/forecaster.ts';
import { DAY, MINUTE } from '../src/model/time.ts';
import { loadTraces } from './shared-data.ts';

const STEP = 5 * MINUTE;
const PER_DAY = DAY / STEP;
const HISTORY = 28 * PER_DAY;
const HORIZON = 24;
const ORIGINS = 4;

/** Peers refuse gaps: they get the last known value in them, we get the gap. */
function held(values: Float64Array): number[] {
  let last = values.find(Number.isFinite)!;
  return Array.from(values, (value) => {
    if (Number.isFinite(value)) last = value;
    return last;
  });
}

const cases = loadTraces(STEP, ['cluster-pools', 'azure-vm', 'bitbrains'])
  .filter(({ series }) => series.values.length >= HISTORY + PER_DAY)
  .flatMap(({ name, series: { values } }) =>
    Array.from({ length: ORIGINS }, (_, k) => {
      const end = HISTORY + Math.round(((k + 0.4) * (values.length - HISTORY - HORIZON)) / ORIGINS);
      return { name, history: values.slice(end - HISTORY, end), truth: values.slice(end, end + HORIZON) };
    }),
  );

/** Geometric mean over series of the error against the last value's; each series' origins are added up first. */
function errorVsLast(points: readonly ArrayLike<number>[]): number {
  const sums = new Map<string, { own: number; last: number }>();
  cases.forEach(({ name, history, truth }, i) => {
    const sum = sums.get(name) ?? { own: 0, last: 0 };
    const last = history.findLast(Number.isFinite)!;
    truth.forEach((y, h) => {
      if (Number.isNaN(y)) return;
      sum.own += Math.abs(y - points[i]![h]!);
      sum.last += Math.abs(y - last);
    });
    sums.set(name, sum);
  });
  const logs = [...sums.values()].map(({ own, last }) => Math.log(own / last));
  return Math.exp(logs.reduce((a, b) => a + b, 0) / logs.length);
}

function ours(): { cpu: number; points: Float64Array[] } {
  const forecastOf = (values: Float64Array) => {
    const fitted = fitForecaster(
      { start: 0, stepMs: STEP, values },
      { horizonSteps: HORIZON, peakWindowMs: 10 * MINUTE },
    );
    if (fitted.kind !== 'fitted') throw new Error(`cannot fit: ${fitted.kind}`);
    return fitted.forecaster.predict().point;
  };
  forecastOf(cases[0]!.history);
  const before = process.cpuUsage();
  const points = cases.map(({ history }) => forecastOf(history));
  const { user, system } = process.cpuUsage(before);
  return { cpu: (user + system) / 1e6 / cases.length, points };
}

function report(name: string, cpu: number, points: readonly ArrayLike<number>[]): void {
  console.log(`${name.padEnd(36)} ${(cpu * 1000).toFixed(1).padStart(9)} ms   ${errorVsLast(points).toFixed(3)}`);
}

console.log(`${cases.length} fits of ${HISTORY} points, ${HORIZON} steps of 5 min ahead`);
console.log('                                       CPU a fit   MAE vs last value');
const own = ours();
report('Foresail, everything', own.cpu, own.points);
const series = cases.map(({ history }) => ({ values: held(history) }));
const request = { series, day: PER_DAY, horizon: HORIZON, slow: process.argv.includes('slow') };
const python = spawnSync('python3', [new URL('peers.py', import.meta.url).pathname], {
  input: JSON.stringify(request),
  maxBuffer: 2 ** 28,
  encoding: 'utf8',
  env: { ...process.env, OMP_NUM_THREADS: '1', NUMBA_NUM_THREADS: '1' },
  stdio: ['pipe', 'pipe', 'ignore'],
});
for (const line of (python.stdout ?? '').split('\n').filter((text) => text.startsWith('{'))) {
  const answer = JSON.parse(line) as { name: string; cpu?: number; points?: number[][]; error?: string };
  if (answer.points === undefined) console.log(`${answer.name.padEnd(36)} did not run: ${answer.error}`);
  else report(answer.name, answer.cpu!, answer.points);
}
if (python.status !== 0)
  console.log('Python with statsforecast and prophet is not at hand: pip install statsforecast prophet');
