import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import type { SeriesCalendar } from '../forecast/calendar.ts';
import type { SeriesInput } from '../forecast/jobs/series-input.ts';
import type { ResultOf, SeriesJob } from '../forecast/jobs/series-job.ts';
import { openJobPool } from '../workers/job-pool.ts';
import type { CsvSeries } from './csv.ts';
import { parseSeasons, parseStep, parseThreads, seedOption } from './forecast-options.ts';
import { type ProgressWish, progressOf } from './progress.ts';
import { shippedModel } from './regressor.ts';
import { parseReportFile } from './report/write-report.ts';

/** The flags of every command that does something with each series of a CSV file. */
export interface SeriesFlags {
  readonly input: string;
  readonly step?: number;
  readonly season: readonly number[] | 'auto';
  readonly threads?: number;
  readonly progress?: boolean;
  readonly report?: string;
  /** Whether forecasts are made with the network. */
  readonly network?: boolean;
  readonly json?: boolean;
}

export function seriesOptions(command: Command): Command {
  return command
    .requiredOption('--input <file>', 'CSV with a header: timestamp,value or series,timestamp,value; .gz too')
    .option(
      '--step <duration>',
      'length of a step, such as 5m (default: the median distance of the samples)',
      parseStep,
    )
    .option(
      '--season <steps>',
      'season lengths in steps, such as 24,168 (default: found)',
      parseSeasons,
      'auto' as const,
    )
    .option('--report <file>', 'draw a picture there: a page where it ends in .html, an image in .svg', parseReportFile)
    .option('--threads <count>', 'threads to compute with (default: one for each core)', parseThreads)
    .option('--progress', 'say how far it is, though standard error is no terminal')
    .option('--no-progress', 'say nothing on the way')
    .addOption(seedOption());
}

/** What a job is made from: one series of the file, the step if one was given, and the calendar. */
export function inputOf(
  { times, values }: CsvSeries,
  { step }: Pick<SeriesFlags, 'step'>,
  calendar?: SeriesCalendar,
): SeriesInput {
  return { times: Float64Array.from(times), values: Float64Array.from(values), stepMs: step, calendar };
}

export interface SeriesLoop<J extends SeriesJob> {
  /** Shown with the progress. */
  readonly what: string;
  readonly series: readonly CsvSeries[];
  readonly job: (series: CsvSeries) => J;
  /** Is given the results in the order of the series, whichever thread was done first. */
  readonly take: (series: CsvSeries, result: ResultOf<J>) => Promise<void> | void;
  readonly threads: number | undefined;
  readonly progress: ProgressWish;
  /** Forecasts are made with the network that comes with the program. */
  readonly network?: boolean | undefined;
}

/** Results that may wait for an earlier one, for each thread: enough to keep threads busy, too few to fill the memory. */
const AHEAD = 4;

/** Does a job for each series, on all cores. Order and results do not depend on the number of threads. */
export async function forEachSeries<J extends SeriesJob>(loop: SeriesLoop<J>): Promise<void> {
  const { what, series, job, take, progress, network = false } = loop;
  const threads = Math.min(loop.threads ?? availableParallelism(), series.length);
  // A thread costs a tenth of a second to start: for one series the program's own will do.
  await using pool = openJobPool(threads > 1 ? threads : 0, network ? await shippedModel() : undefined);
  const say = progressOf(what, series.length, progress);
  const running: Promise<ResultOf<J>>[] = [];
  const start = (i: number) => {
    const one = series[i];
    if (one === undefined) return;
    const result = pool.run(job(one)) as Promise<ResultOf<J>>;
    // An error is thrown where the result is taken, in its turn.
    result.catch(() => {});
    running.push(result);
  };
  for (let i = 0; i < threads * AHEAD; i++) start(i);
  for (const [i, one] of series.entries()) {
    const result = await running.shift()!;
    start(i + threads * AHEAD);
    await take(one, result);
    say(i + 1);
  }
}
