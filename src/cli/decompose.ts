import type { Command } from 'commander';
import { type Decomposition, mstl } from '../forecast/decomposition.ts';
import { inferGrid, toRegular } from '../forecast/prepare.ts';
import { findSeasons } from '../forecast/seasonality.ts';
import type { RegularSeries } from '../model/series.ts';
import { type CsvSeries, formatTime, formatValue, loadSeries, openSink, quoteCell, type RowSink } from './csv.ts';
import { MOST_HISTORY_STEPS } from './forecast.ts';
import { parseSeasons, parseStep } from './forecast-options.ts';
import { progressOf } from './progress.ts';

interface Flags {
  readonly input: string;
  readonly step?: number;
  readonly season: readonly number[] | 'auto';
  readonly output?: string;
  readonly json?: boolean;
}

/** A series on its grid and the seasons to take out of it. */
interface Prepared {
  readonly name: string;
  readonly series: RegularSeries;
  readonly seasons: readonly number[];
}

/** `foresail decompose`: trend, seasons and remainder of each series of a CSV file. */
export function decomposeCommand(program: Command): void {
  program
    .command('decompose')
    .description('Take each series of a CSV file apart: value = trend + seasons + remainder at each step.')
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
    .option('--output <file>', 'write there instead of to standard output')
    .option('--json', 'one JSON object a series')
    .addHelpText('after', '\nExample:\n  $ foresail decompose --input demand.csv --step 1h --season 24,168')
    .action(runDecompose);
}

async function runDecompose(flags: Flags): Promise<void> {
  const { series, epochSeconds } = await loadSeries(flags.input);
  const prepared = series.map((one) => prepare(one, flags)).filter((one) => one !== undefined);
  // Series may have different seasons: the table has a column for each, empty where a series lacks it.
  const lengths = [...new Set(prepared.flatMap(({ seasons }) => seasons))].sort((a, b) => a - b);
  const sink = openSink(flags.output);
  if (!flags.json) {
    const columns = lengths.map((length) => `season-${length}`);
    await sink.write(['series', 'timestamp', 'value', 'trend', ...columns, 'remainder'].join(','));
  }
  const progress = progressOf('decompose', prepared.length);
  for (const [i, one] of prepared.entries()) {
    const parts = mstl(one.series.values, one.seasons);
    if (flags.json) await sink.write(jsonOf(one, parts, epochSeconds));
    else await writeRows(sink, one, parts, { lengths, epochSeconds });
    progress(i + 1);
  }
  await sink.close();
  if (prepared.length === 0) process.exitCode = 1;
}

function prepare({ name, times, values }: CsvSeries, flags: Flags): Prepared | undefined {
  const grid = inferGrid(times, flags.step);
  const series = grid && toRegular({ times, values }, { ...grid, mostSteps: MOST_HISTORY_STEPS }).series;
  if (series === undefined || !series.values.some(Number.isFinite)) {
    console.error(`series "${name}" is left out: it has fewer than two finite values at different times`);
    return undefined;
  }
  if (flags.season === 'auto') return { name, series, seasons: findSeasons(series).map(({ length }) => length) };
  const seasons = flags.season.filter((season) => series.values.length >= 2 * season);
  if (seasons.length < flags.season.length) {
    const left = flags.season.filter((season) => !seasons.includes(season));
    console.error(`series "${name}" is too short for a season of ${left.join(', ')} steps: two cycles are needed`);
  }
  return { name, series, seasons };
}

async function writeRows(
  sink: RowSink,
  { name, series }: Prepared,
  { trend, seasons, remainder }: Decomposition,
  { lengths, epochSeconds }: { readonly lengths: readonly number[]; readonly epochSeconds: boolean },
): Promise<void> {
  const { start, stepMs, values } = series;
  const columns = lengths.map((length) => seasons.find((season) => season.length === length)?.values);
  const cell = quoteCell(name);
  for (let t = 0; t < values.length; t++) {
    const time = formatTime(start + t * stepMs, epochSeconds);
    const own = columns.map((column) => (column === undefined ? '' : formatValue(column[t]!)));
    const [value, level, rest] = [values, trend, remainder].map((part) => formatValue(part[t]!));
    await sink.write([cell, time, value, level, ...own, rest].join(','));
  }
}

function jsonOf(
  { name, series }: Prepared,
  { trend, seasons, remainder }: Decomposition,
  epochSeconds: boolean,
): string {
  const { start, stepMs, values } = series;
  const numbers = (part: Float64Array) => Array.from(part, (value) => (Number.isFinite(value) ? value : null));
  return JSON.stringify({
    series: name,
    start: formatTime(start, epochSeconds),
    stepSeconds: stepMs / 1000,
    value: numbers(values),
    trend: numbers(trend),
    seasons: seasons.map((season) => ({ length: season.length, values: numbers(season.values) })),
    remainder: numbers(remainder),
  });
}
