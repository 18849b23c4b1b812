import { formatInstant, type Millis } from '../model/time.ts';
import { calendarFiles } from '../observe/calendar-files.ts';
import { loadHolidays } from '../observe/holidays.ts';
import { calendarReader } from '../observe/policy-calendar.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import type { StrategyResult } from '../scaling/simulate.ts';
import { type TuneReport, tunePolicy } from '../scaling/tune.ts';
import { openTraceForecaster } from '../workers/trace-forecaster.ts';
import { type ProgressWish, progressOf } from './progress.ts';
import { writeReport } from './report/write-report.ts';
import { type WorldFlags, worldOf } from './run-simulation.ts';
import { tableLines } from './table-lines.ts';
import { checkFrom, loadTrace, type TraceFlags } from './trace-source.ts';
import { changedLines, frontTable, partsText, restTable, tunePicture, verdictOf } from './tune-report.ts';
import { UsageError } from './usage-error.ts';

export interface TuneFlags extends TraceFlags, WorldFlags {
  readonly from?: Millis;
  readonly overCapacity?: number;
  readonly report?: string;
  readonly progress?: ProgressWish;
  readonly json?: boolean;
}

/** Searches, writes what was asked for, and prints the tables and the lines of the policy that change. */
export async function runTune(flags: TuneFlags): Promise<void> {
  const { policy, rows, name } = await loadTrace(flags, Date.now());
  const calendarOf = calendarReader({ holidays: loadHolidays, readFile: calendarFiles([flags.policy]) });
  const calendar = await calendarOf(policy, { start: rows.times[0] ?? 0, end: rows.times.at(-1) ?? 0 });
  let say: ((done: number) => void) | undefined;
  const report = asUsage(() =>
    tunePolicy({
      rows,
      policy,
      world: worldOf(flags),
      ...(flags.from !== undefined && { from: checkFrom(flags.from, rows) }),
      overCapacity: flags.overCapacity ?? shareOf(policy) ?? OVER_CAPACITY,
      forecaster: (history, windowMs, quantiles) =>
        openTraceForecaster(policy, history, windowMs, { calendar, quantiles }),
      onProgress: (done, total) => {
        say ??= progressOf('settings tried', total, flags.progress);
        say(done);
      },
    }),
  );
  const title = `${policy.namespace}/${policy.name} on ${name}`;
  if (flags.report !== undefined) writeReport(flags.report, tunePicture(report, title));
  if (flags.json) console.log(JSON.stringify(plainReport(report), undefined, 2));
  else console.log([...(policy.objective === undefined ? [] : [BY_OBJECTIVE, '']), textOf(report)].join('\n'));
}

/** Where neither the flags nor an objective says more. */
const OVER_CAPACITY = 0.001;
const BY_OBJECTIVE = "The policy's objective chooses the quantile at each moment: it is not searched.";

/** Of the time that may be over capacity by the policy's objective, 0 to 1. */
function shareOf({ objective }: ScalingPolicy): number | undefined {
  return objective && objective.overCapacityMs / objective.periodMs;
}

function textOf(report: TuneReport): string {
  const changed = changedLines(report);
  return [
    partsText(report),
    '',
    ...tableLines(restTable(report)),
    '',
    'The cheapest settings for each risk, and what became of them:',
    ...tableLines(frontTable(report)),
    '',
    verdictOf(report),
    ...(changed.length > 0 ? ['', ...changed] : []),
  ].join('\n');
}

/** Everything but the lines of the picture and the decisions. */
function plainReport({ fit, rest, tried, front, onFit, onRest, ...others }: TuneReport) {
  const span = (part: TuneReport['fit']) => ({ from: formatInstant(part.from), to: formatInstant(part.to) });
  const figures = ({ timeline: _, decisions, strategy: __, ...result }: StrategyResult) => ({
    ...result,
    boundsChanges: decisions.length,
  });
  const each = (results: Readonly<Record<string, StrategyResult>>) =>
    Object.fromEntries(Object.entries(results).map(([name, result]) => [name, figures(result)]));
  return {
    fit: span(fit),
    rest: span(rest),
    ...others,
    onFit: each({ ...onFit }),
    onRest: each({ ...onRest }),
    front: front.map((entry) => ({ settings: entry.settings, fit: figures(entry.fit), rest: figures(entry.rest) })),
    tried: tried.map(({ settings, result }) => ({ settings, ...figures(result) })),
  };
}

/** What the trace is too short for is wrong usage. */
function asUsage<T>(attempt: () => T): T {
  try {
    return attempt();
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}
