/**
 * The what-if table: every strategy on recorded workloads, the last three days judged.
 *
 *   npx tsx bench/what-if.ts [crane] [others] [SET…] [FOLDER…] [only=NAME] [strategies=reactive,foresail]
 *
 * `crane` is the five workloads of `crane-k8s` (the default), `others` the seven cluster pools, six bitbrains, two
 * azure-vm and nasa-http. One replica carries 1/40 of the 99.9th percentile of the demand before the judged days.
 * Everything else is as a policy that says nothing has it: no trace has options of its own.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Samples } from '../src/model/series.ts';
import { DAY } from '../src/model/time.ts';
import { parsePolicy } from '../src/scaling/policy.ts';
import { type SimulationReport, type StrategyResult, simulate } from '../src/scaling/simulate.ts';
import { STRATEGIES, type StrategyName } from '../src/scaling/simulation/strategies.ts';
import { openTraceForecaster } from '../src/workers/trace-forecaster.ts';
import { SHARED_DATA } from './shared-data.ts';

export const COMPARED: readonly StrategyName[] = STRATEGIES;

const NAMED_SETS: Readonly<Record<string, readonly string[]>> = {
  crane: ['crane-k8s'],
  others: ['cluster-pools', 'bitbrains', 'azure-vm', 'nasa-http'],
};

export interface NamedTrace {
  readonly file: string;
  readonly rows: Samples;
}

interface Judged {
  readonly file: string;
  readonly report: SimulationReport;
}

if (process.argv[1] === import.meta.filename) main(process.argv.slice(2));

function main(args: readonly string[]): void {
  const option = (name: string) => args.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1);
  const named = args.filter((arg) => !arg.includes('='));
  const only = option('only') ?? '';
  const compared = (option('strategies')?.split(',') as StrategyName[] | undefined) ?? COMPARED;
  for (const name of named.length > 0 ? named : ['crane']) {
    const folders = (NAMED_SETS[name] ?? [name]).map((set) => (existsSync(set) ? set : join(SHARED_DATA, set)));
    const missing = folders.find((folder) => !existsSync(folder));
    if (missing !== undefined) {
      console.error(`cannot read ${missing}: give folders of traces (timestamp,value; .csv.gz), or names of sets`);
      process.exitCode = 2;
      return;
    }
    const judged: Judged[] = [];
    for (const { file, rows } of folders.flatMap(listTraces).filter(({ file }) => file.includes(only))) {
      const began = process.cpuUsage();
      const report = whatIf(rows, compared);
      const { user, system } = process.cpuUsage(began);
      console.log(`\n${file} (${((user + system) / 1e6).toFixed(1)} s of CPU)`);
      for (const result of report.results) console.log(line(result, report));
      judged.push({ file, report });
    }
    if (judged.length > 0) printSummary(name, judged, compared);
  }
}

export function listTraces(folder: string): readonly NamedTrace[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('.csv.gz'));
  return files.sort().map((file) => ({ file, rows: readTrace(join(folder, file)) }));
}

export function whatIf(rows: Samples, strategies: readonly StrategyName[] = COMPARED): SimulationReport {
  const from = rows.times.at(-1)! - 3 * DAY;
  const policy = whatIfPolicy(rows, from);
  return simulate({
    rows,
    policy,
    from,
    strategies,
    forecaster: (history, windowMs) => openTraceForecaster(policy, history, windowMs),
  });
}

export function whatIfPolicy(rows: Samples, from: number) {
  const before = rows.values.filter((_, i) => rows.times[i]! < from).sort();
  return parsePolicy({
    apiVersion: 'foresail.dev/v1alpha1',
    kind: 'ScalingPolicy',
    metadata: { name: 'what-if', namespace: 'bench' },
    spec: {
      target: { name: 'what-if' },
      demand: { query: 'demand', capacity: { perReplica: quantileOf(before, 0.999) / 40 } },
      replicas: { min: 1, max: 160 },
    },
  });
}

/** Means over the traces, and of the ratios to reactive the geometric mean too. */
function printSummary(name: string, judged: readonly Judged[], compared: readonly StrategyName[]): void {
  console.log(`\n${name}: ${judged.length} traces`);
  const minutes = ({ report }: Judged, result: StrategyResult) =>
    (result.overCapacity * (report.to - report.from)) / 60_000;
  for (const strategy of compared) {
    const each = judged.map((one) => ({ one, result: resultOf(one.report, strategy)! }));
    const mean = (figure: (entry: (typeof each)[number]) => number) =>
      each.reduce((sum, entry) => sum + figure(entry), 0) / each.length;
    const geometric = (figure: (entry: (typeof each)[number]) => number) =>
      Math.exp(mean((entry) => Math.log(figure(entry))));
    const cells = [
      `${(100 * mean(({ result }) => result.overCapacity)).toFixed(3)} % over`,
      `${(each.length * mean(({ one, result }) => minutes(one, result))).toFixed(0)} min in all`,
      `${mean(({ result }) => result.podHoursRatio ?? Number.NaN).toFixed(3)} x pod-hours`,
      `${geometric(({ result }) => result.podHoursRatio ?? Number.NaN).toFixed(3)} geometric`,
      `${geometric(({ one, result }) => eventsRatio(one.report, result)).toFixed(2)} x scale events`,
    ];
    console.log(`  ${strategy.padEnd(14)} ${cells.map((cell) => cell.padStart(20)).join('')}`);
  }
}

function line(result: StrategyResult, report: SimulationReport): string {
  const cells = [
    `${(100 * result.overCapacity).toFixed(2)} % over`,
    `${(100 * result.unmetDemand).toFixed(2)} % unmet`,
    `${(result.podHoursRatio ?? Number.NaN).toFixed(3)} x pod-hours`,
    `${result.scaleEventsPerDay.toFixed(0)} scale events/day`,
    `${eventsRatio(report, result).toFixed(2)} x`,
    result.demoted > 0 ? `${(100 * result.demoted).toFixed(0)} % demoted` : '',
  ];
  return `  ${result.strategy.padEnd(14)} ${cells.map((cell) => cell.padStart(19)).join('')}`;
}

/** One event a day more in both, so that what hardly scales counts for little. */
function eventsRatio(report: SimulationReport, { scaleEventsPerDay }: StrategyResult): number {
  const reactive = resultOf(report, 'reactive');
  return reactive === undefined ? Number.NaN : (scaleEventsPerDay + 1) / (reactive.scaleEventsPerDay + 1);
}

function resultOf({ results }: SimulationReport, strategy: StrategyName): StrategyResult | undefined {
  return results.find((result) => result.strategy === strategy);
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
