import { writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parsePolicyFile } from '../config/policy-files.ts';
import { formatLocated } from '../config/yaml-document.ts';
import type { Samples } from '../model/series.ts';
import { formatDuration, formatInstant, type Millis } from '../model/time.ts';
import { calendarFiles } from '../observe/calendar-files.ts';
import { loadHolidays } from '../observe/holidays.ts';
import { calendarReader } from '../observe/policy-calendar.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import { type SimulationReport, simulate } from '../scaling/simulate.ts';
import { STRATEGIES, type StrategyName } from '../scaling/simulation/strategies.ts';
import { openTraceForecaster } from '../workers/trace-forecaster.ts';
import { loadSeries } from './csv.ts';
import { fileTrouble, readText } from './read-text.ts';
import { reportPage } from './report/report-page.ts';
import { reportSvg } from './report/report-svg.ts';
import { simulationPicture } from './simulate-picture.ts';
import { tableLines } from './table-lines.ts';
import { UsageError } from './usage-error.ts';

export interface SimulateFlags {
  readonly trace: string;
  readonly policy: string;
  readonly from?: Millis;
  readonly startUp: number;
  readonly metricLag: number;
  readonly hpaTarget: number;
  readonly against: readonly StrategyName[];
  readonly decisions?: string;
  readonly svg?: string;
  readonly report?: string;
  readonly json?: boolean;
}

/** Simulates, writes what was asked for and prints the table. */
export async function runSimulation(flags: SimulateFlags): Promise<void> {
  const policy = loadPolicy(flags.policy);
  const rows = await loadTrace(flags.trace);
  const calendarOf = calendarReader({ holidays: loadHolidays, readFile: calendarFiles([flags.policy]) });
  const calendar = await calendarOf(policy, { start: rows.times[0] ?? 0, end: rows.times.at(-1) ?? 0 });
  const wanted = new Set<StrategyName>(['reactive', 'foresail', ...flags.against]);
  const report = simulate({
    rows,
    policy,
    ...(flags.from !== undefined && { from: checkFrom(flags.from, rows) }),
    startUpMs: flags.startUp,
    metricLagMs: flags.metricLag,
    hpaTarget: flags.hpaTarget,
    strategies: STRATEGIES.filter((name) => wanted.has(name)),
    forecaster: (history, windowMs) => openTraceForecaster(policy, history, windowMs, { calendar }),
  });
  const title = `${policy.namespace}/${policy.name} on ${basename(flags.trace)}`;
  if (flags.decisions !== undefined) write(flags.decisions, decisionLines(report));
  const picture = () => simulationPicture(report, title, tableRows(report));
  if (flags.svg !== undefined) write(flags.svg, reportSvg(picture()));
  if (flags.report !== undefined) write(flags.report, reportPage(picture()));
  console.log(flags.json ? JSON.stringify(plainReport(report), undefined, 2) : simulationTable(report));
}

/** The table as text. */
function simulationTable(report: SimulationReport): string {
  const { from, to, startUpMs, metricLagMs, hpaTarget } = report;
  const conditions = `start-up ${formatDuration(startUpMs)}, metric lag ${formatDuration(metricLagMs)}, autoscaler target ${hpaTarget}`;
  return [`${formatInstant(from)} to ${formatInstant(to)}: ${conditions}`, '', ...tableLines(tableRows(report))].join(
    '\n',
  );
}

function tableRows({ results }: SimulationReport): readonly (readonly string[])[] {
  const head = [
    'strategy',
    'over capacity',
    'unmet demand',
    'pod-hours',
    'vs reactive',
    'scale events/day',
    'reactive only',
  ];
  const percent = (ratio: number) => `${(100 * ratio).toFixed(2)} %`;
  const lines = results.map((result) => [
    result.strategy,
    percent(result.overCapacity),
    percent(result.unmetDemand),
    result.podHours.toFixed(1),
    result.podHoursRatio === null ? '-' : result.podHoursRatio.toFixed(3),
    result.scaleEventsPerDay.toFixed(0),
    result.strategy === 'foresail' ? percent(result.demoted) : '-',
  ]);
  return [head, ...lines];
}

/** One JSON line whenever the bounds change, the first at the beginning. */
function decisionLines({ results }: SimulationReport): string {
  const rows = results.find(({ strategy }) => strategy === 'foresail')?.decisions ?? [];
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

/** What `--json` prints: everything but the lines of the picture and the decisions. */
function plainReport(report: SimulationReport) {
  return {
    ...report,
    from: formatInstant(report.from),
    to: formatInstant(report.to),
    results: report.results.map(({ timeline: _, decisions, ...figures }) => ({
      ...figures,
      boundsChanges: decisions.length,
    })),
  };
}

function loadPolicy(file: string): ScalingPolicy {
  const text = readText(file);
  // A simulation reads the demand from the trace: the query is never asked, so it is not checked here.
  const { policies, problems } = parsePolicyFile(text, file, { checkQuery: () => {} });
  const [first, ...others] = problems;
  if (first !== undefined) {
    const more = others.length > 0 ? ` (and ${others.length} more: foresail check lists them)` : '';
    throw new UsageError(`${formatLocated(first)}${more}`);
  }
  if (policies.length !== 1) throw new UsageError(`${file}: expected one scaling policy, got ${policies.length}`);
  const { policy } = policies[0]!;
  const unsized = policy.demands.slice(0, 1).find(({ perReplica }) => perReplica === undefined);
  if (unsized === undefined) return policy;
  throw new UsageError(
    `${file}: add capacity.perReplica to ${unsized.name}: a trace has no utilization to learn it from`,
  );
}

/** Rows in order of time; of several at one time the last counts, and gaps are left out. */
async function loadTrace(file: string): Promise<Samples> {
  const { series } = await loadSeries(file);
  if (series.length !== 1) throw new UsageError(`${file}: expected one series, got ${series.length}`);
  const { times, values } = series[0]!;
  const byTime = new Map<Millis, number>();
  for (const [i, time] of times.entries()) {
    const value = values[i]!;
    if (Number.isNaN(value)) continue;
    if (value < 0)
      throw new UsageError(`${file}: expected a demand of zero or more, got ${value} at ${formatInstant(time)}`);
    byTime.set(time, value);
  }
  const rows = [...byTime].sort(([a], [b]) => a - b);
  if (rows.length < 2) throw new UsageError(`${file}: expected at least two rows with a value, got ${rows.length}`);
  return { times: Float64Array.from(rows, ([time]) => time), values: Float64Array.from(rows, ([, value]) => value) };
}

function checkFrom(from: Millis, { times }: Samples): Millis {
  const [first, last] = [times[0]!, times.at(-1)!];
  if (from >= first && from < last) return from;
  const range = `${formatInstant(first)} to ${formatInstant(last)}`;
  throw new UsageError(`--from ${formatInstant(from)}: expected a time within the trace, which has ${range}`);
}

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw new UsageError(`cannot write ${file}: ${fileTrouble(error)}`, { cause: error });
  }
}
