/**
 * The what-if table: every strategy on five recorded workloads, the last three days judged.
 *
 *   npx tsx bench/what-if.ts [FOLDER]
 *
 * One replica carries 1/40 of the 99.9th percentile of the demand before the judged days. Everything else is as a policy
 * that says nothing has it: no trace has options of its own.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Samples } from '../src/model/series.ts';
import { DAY } from '../src/model/time.ts';
import { parsePolicy } from '../src/scaling/policy.ts';
import { type SimulationReport, simulate } from '../src/scaling/simulate.ts';
import type { StrategyName } from '../src/scaling/simulation/strategies.ts';
import { openTraceForecaster } from '../src/workers/trace-forecaster.ts';

export const COMPARED: readonly StrategyName[] = [
  'reactive',
  'yesterday',
  'last-week',
  'max-of-3-days',
  'foresail',
  'oracle',
];

if (process.argv[1] === import.meta.filename) {
  const folder = process.argv[2] ?? join(import.meta.dirname, '../../shared/data/crane-k8s');
  if (existsSync(folder)) printTable(folder);
  else {
    console.error(`cannot read ${folder}: give a folder of traces (timestamp,value; .csv.gz) as the first argument`);
    process.exitCode = 2;
  }
}

export interface NamedTrace {
  readonly file: string;
  readonly rows: Samples;
}

export function listTraces(folder: string): readonly NamedTrace[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('.csv.gz'));
  return files.sort().map((file) => ({ file, rows: readTrace(join(folder, file)) }));
}

function printTable(folder: string): void {
  const reports: SimulationReport[] = [];
  for (const { file, rows } of listTraces(folder)) {
    const started = performance.now();
    const report = whatIf(rows);
    reports.push(report);
    console.log(`\n${file} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
    for (const { strategy, ...figures } of report.results) console.log(line(strategy, figures));
  }
  console.log(`\nmean of ${reports.length}`);
  for (const strategy of COMPARED) {
    const results = reports.map((report) => report.results.find((result) => result.strategy === strategy)!);
    const mean = (figure: (result: (typeof results)[number]) => number) =>
      results.reduce((sum, result) => sum + figure(result), 0) / results.length;
    console.log(
      line(strategy, {
        overCapacity: mean((result) => result.overCapacity),
        unmetDemand: mean((result) => result.unmetDemand),
        podHoursRatio: mean((result) => result.podHoursRatio ?? Number.NaN),
        scaleEventsPerDay: mean((result) => result.scaleEventsPerDay),
      }),
    );
  }
}

export function whatIf(rows: Samples): SimulationReport {
  const from = rows.times.at(-1)! - 3 * DAY;
  const before = rows.values.filter((_, i) => rows.times[i]! < from).sort();
  const policy = parsePolicy({
    apiVersion: 'foresail.dev/v1alpha1',
    kind: 'ScalingPolicy',
    metadata: { name: 'what-if', namespace: 'bench' },
    spec: {
      target: { name: 'what-if' },
      demand: { query: 'demand', capacity: { perReplica: quantileOf(before, 0.999) / 40 } },
      replicas: { min: 1, max: 160 },
    },
  });
  return simulate({
    rows,
    policy,
    from,
    strategies: COMPARED,
    forecaster: (history, windowMs) => openTraceForecaster(policy, history, windowMs),
  });
}

interface Figures {
  readonly overCapacity: number;
  readonly unmetDemand: number;
  readonly podHoursRatio: number | null;
  readonly scaleEventsPerDay: number;
}

function line(strategy: string, { overCapacity, unmetDemand, podHoursRatio, scaleEventsPerDay }: Figures): string {
  const over = `${(100 * overCapacity).toFixed(2)} % over capacity`;
  const unmet = `${(100 * unmetDemand).toFixed(2)} % unmet`;
  const cost = `${(podHoursRatio ?? Number.NaN).toFixed(3)} x pod-hours`;
  return `  ${strategy.padEnd(14)} ${over.padStart(22)}  ${unmet.padStart(13)}  ${cost}  ${scaleEventsPerDay.toFixed(0)} scale events/day`;
}

function readTrace(file: string): Samples {
  const [, ...lines] = gunzipSync(readFileSync(file)).toString().trim().split('\n');
  const cells = lines.map((row) => row.split(',').map(Number));
  return {
    times: Float64Array.from(cells, ([time]) => time! * 1000),
    values: Float64Array.from(cells, ([, value]) => value!),
  };
}

/** `sorted` ascends; between two values it is a straight line. */
function quantileOf(sorted: Float64Array, quantile: number): number {
  const place = quantile * (sorted.length - 1);
  const low = Math.floor(place);
  const next = sorted[Math.min(low + 1, sorted.length - 1)]!;
  return sorted[low]! + (place - low) * (next - sorted[low]!);
}
