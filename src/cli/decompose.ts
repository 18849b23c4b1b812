import type { Command } from 'commander';
import type { SeriesCalendar } from '../forecast/calendar.ts';
import type { Decomposition } from '../forecast/decomposition.ts';
import type { RegularSeries } from '../model/series.ts';
import { type ClockFlags, clockOption, loadClock } from './calendar-options.ts';
import { type CsvSeries, formatTime, formatValue, loadSeries, openSink, quoteCell, type RowSink } from './csv.ts';
import { decomposeReport, MOST_DECOMPOSED, type ShownParts, varianceOf } from './report/decompose-report.ts';
import { worstFirst } from './report/worst-first.ts';
import { writeReport } from './report/write-report.ts';
import { forEachSeries, inputOf, type SeriesFlags, seriesOptions } from './series-command.ts';

interface Flags extends SeriesFlags, ClockFlags {
  readonly output?: string;
}

/** A series and the seasons to take out of it. */
interface Prepared {
  readonly one: CsvSeries;
  readonly seasons: readonly number[];
}

/** `foresail decompose`: trend, seasons and remainder of each series of a CSV file. */
export function decomposeCommand(program: Command): void {
  clockOption(
    seriesOptions(
      program
        .command('decompose')
        .description('Take each series of a CSV file apart: value = trend + seasons + remainder at each step.'),
    ),
  )
    .option('--output <file>', 'write there instead of to standard output')
    .option('--json', 'one JSON object a series')
    .addHelpText(
      'after',
      `
Examples:
  $ foresail decompose --input demand.csv --step 1h --season 24,168
  $ foresail decompose --input demand.csv --time-zone Europe/Berlin --output parts.csv --report parts.html`,
    )
    .action(runDecompose);
}

async function runDecompose(flags: Flags): Promise<void> {
  const { threads, progress, report, json } = flags;
  const { series, epochSeconds } = await loadSeries(flags.input);
  const calendar = await loadClock(flags, series);
  const prepared = await findAllSeasons(series, flags, calendar);
  // Series may have different seasons: the table has a column for each, empty where a series lacks it.
  const lengths = [...new Set(prepared.flatMap(({ seasons }) => seasons))].sort((a, b) => a - b);
  const sink = openSink(flags.output);
  if (!json) {
    const columns = lengths.map((length) => `season-${length}`);
    await sink.write(['series', 'timestamp', 'value', 'trend', ...columns, 'remainder'].join(','));
  }
  const shown = worstFirst<ShownParts>(MOST_DECOMPOSED);
  const seasonsOf = new Map(prepared.map(({ one, seasons }) => [one, seasons]));
  await forEachSeries({
    what: 'decompose',
    series: prepared.map(({ one }) => one),
    threads,
    progress,
    job: (one) => ({ kind: 'decompose', ...inputOf(one, flags, calendar), seasons: seasonsOf.get(one)! }),
    async take({ name }, result) {
      if (result.kind !== 'decompose') return;
      const { series: regular, parts } = result;
      if (json) await sink.write(jsonOf(name, regular, parts, epochSeconds));
      else await writeRows(sink, { name, ...regular }, parts, { lengths, epochSeconds });
      if (report !== undefined) shown.add({ name, series: regular, parts }, shareLeft(regular, parts));
    },
  });
  await sink.close();
  if (report !== undefined) {
    writeReport(report, decomposeReport({ input: flags.input, shown: shown.list(), series: series.length }));
  }
  if (prepared.length === 0) process.exitCode = 1;
}

/** The seasons of every series first: a table's header names them all. */
async function findAllSeasons(
  series: readonly CsvSeries[],
  flags: Flags,
  calendar: SeriesCalendar | undefined,
): Promise<readonly Prepared[]> {
  const prepared: Prepared[] = [];
  await forEachSeries({
    what: 'seasons',
    series,
    threads: flags.threads,
    progress: flags.progress,
    job: (one) => ({ kind: 'seasons', ...inputOf(one, flags, calendar) }),
    take(one, result) {
      if (result.kind !== 'seasons') {
        console.error(`series "${one.name}" is left out: it has fewer than two finite values at different times`);
      } else if (flags.season === 'auto') {
        prepared.push({ one, seasons: result.seasons });
      } else {
        const left = flags.season.filter((season) => result.steps < 2 * season);
        if (left.length > 0) {
          console.error(
            `series "${one.name}" is too short for a season of ${left.join(', ')} steps: two cycles are needed`,
          );
        }
        prepared.push({ one, seasons: flags.season.filter((season) => !left.includes(season)) });
      }
    },
  });
  return prepared;
}

/** The share of the variance that neither trend nor seasons explain, 0 to 1 and a little over. */
function shareLeft({ values }: RegularSeries, { remainder }: Decomposition): number {
  return varianceOf(remainder) / varianceOf(values);
}

async function writeRows(
  sink: RowSink,
  { name, start, stepMs, values }: RegularSeries & { readonly name: string },
  { trend, seasons, remainder }: Decomposition,
  { lengths, epochSeconds }: { readonly lengths: readonly number[]; readonly epochSeconds: boolean },
): Promise<void> {
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
  name: string,
  { start, stepMs, values }: RegularSeries,
  { trend, seasons, remainder }: Decomposition,
  epochSeconds: boolean,
): string {
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
