import { writeFileSync } from 'node:fs';
import { formatInstant, type Millis } from '../model/time.ts';
import { calendarFiles } from '../observe/calendar-files.ts';
import { loadHolidays } from '../observe/holidays.ts';
import { calendarReader } from '../observe/policy-calendar.ts';
import { type SimulationReport, simulate } from '../scaling/simulate.ts';
import { formatSpread, type Spread } from '../scaling/simulation/spread.ts';
import { STRATEGIES, type StrategyName } from '../scaling/simulation/strategies.ts';
import { openTraceForecaster } from '../workers/trace-forecaster.ts';
import { fileTrouble } from './read-text.ts';
import { reportPage } from './report/report-page.ts';
import { reportSvg } from './report/report-svg.ts';
import { simulationPicture } from './simulate-picture.ts';
import { tableLines } from './table-lines.ts';
import { checkFrom, loadTrace, type TraceFlags } from './trace-source.ts';
import { UsageError } from './usage-error.ts';

/** What a simulated world is like. */
export interface WorldFlags {
  readonly startUp: Spread;
  readonly metricLag: Spread;
  readonly nodeDelay?: Spread;
  readonly podsPerNode: number;
  readonly hpaTarget: number;
  readonly seed?: number;
}

export interface SimulateFlags extends TraceFlags, WorldFlags {
  readonly from?: Millis;
  readonly against: readonly StrategyName[];
  readonly decisions?: string;
  readonly svg?: string;
  readonly report?: string;
  readonly json?: boolean;
}

/** Simulates, writes what was asked for and prints the table. */
export async function runSimulation(flags: SimulateFlags): Promise<void> {
  const { policy, rows, name } = await loadTrace(flags, Date.now());
  const calendarOf = calendarReader({ holidays: loadHolidays, readFile: calendarFiles([flags.policy]) });
  const calendar = await calendarOf(policy, { start: rows.times[0] ?? 0, end: rows.times.at(-1) ?? 0 });
  const wanted = new Set<StrategyName>(['reactive', 'foresail', ...flags.against]);
  const report = simulate({
    rows,
    policy,
    ...(flags.from !== undefined && { from: checkFrom(flags.from, rows) }),
    ...worldOf(flags),
    strategies: STRATEGIES.filter((name) => wanted.has(name)),
    forecaster: (history, windowMs) => openTraceForecaster(policy, history, windowMs, { calendar }),
  });
  const title = `${policy.namespace}/${policy.name} on ${name}`;
  if (flags.decisions !== undefined) write(flags.decisions, decisionLines(report));
  const picture = () => simulationPicture(report, title, tableRows(report));
  if (flags.svg !== undefined) write(flags.svg, reportSvg(picture()));
  if (flags.report !== undefined) write(flags.report, reportPage(picture()));
  console.log(flags.json ? JSON.stringify(plainReport(report), undefined, 2) : simulationTable(report));
}

/** The world as the simulator takes it. */
export function worldOf({ startUp, metricLag, nodeDelay, podsPerNode, hpaTarget, seed }: WorldFlags) {
  return {
    startUpMs: startUp,
    metricLagMs: metricLag,
    hpaTarget,
    ...(nodeDelay !== undefined && { nodes: { delay: nodeDelay, podsPerNode } }),
    ...(seed !== undefined && { seed }),
  };
}

/** The world in words. */
function worldText({ startUpMs, metricLagMs, nodes, hpaTarget }: Omit<SimulationReport, 'results'>): string {
  const node = nodes === undefined ? '' : `, nodes of ${nodes.podsPerNode} pods within ${formatSpread(nodes.delay)}`;
  return `start-up ${formatSpread(startUpMs)}${node}, metric lag ${formatSpread(metricLagMs)}, autoscaler target ${hpaTarget}`;
}

/** The table as text. */
function simulationTable(report: SimulationReport): string {
  const { from, to } = report;
  return [
    `${formatInstant(from)} to ${formatInstant(to)}: ${worldText(report)}`,
    '',
    ...tableLines(tableRows(report)),
  ].join('\n');
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

function write(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw new UsageError(`cannot write ${file}: ${fileTrouble(error)}`, { cause: error });
  }
}
