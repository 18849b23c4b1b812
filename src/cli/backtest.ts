import type { Command } from 'commander';
import {
  type BacktestAnswer,
  type BacktestSums,
  backtestSums,
  backtestWindows,
  metricsOf,
  rollingForecasts,
} from '../forecast/backtest.ts';
import { inferGrid, toRegular } from '../forecast/prepare.ts';
import type { RegularSeries } from '../model/series.ts';
import { formatDuration, type Millis, parseInstant } from '../model/time.ts';
import { type CsvFile, type CsvSeries, formatTime, formatValue, loadSeries, openSink, quoteCell } from './csv.ts';
import { MOST_HISTORY_STEPS, pathOf, reasonOf } from './forecast.ts';
import {
  asArgument,
  columnsOf,
  parseCount,
  parseSeasons,
  parseStep,
  quantilesOf,
  seedOption,
} from './forecast-options.ts';
import { progressOf } from './progress.ts';
import { UsageError } from './usage-error.ts';

interface Flags {
  readonly input: string;
  readonly horizon: number;
  readonly windows?: number;
  readonly step?: number;
  readonly season: readonly number[] | 'auto';
  readonly originsEvery?: number;
  readonly from?: Millis;
  readonly forecasts?: string;
  readonly json?: boolean;
}

const LEVELS = [0.8, 0.95];
/** The deployed mix stands in the table under this name. */
const MIX = 'mix';

/** `foresail backtest`: how every model would have done, or the deployed mix's rolling forecasts themselves. */
export function backtestCommand(program: Command): void {
  program
    .command('backtest')
    .description('Forecast the past of each series of a CSV file, causally, and compare with what came.')
    .requiredOption('--input <file>', 'CSV with a header: timestamp,value or series,timestamp,value; .gz too')
    .requiredOption('--horizon <steps>', 'steps ahead', parseCount)
    .option('--windows <count>', 'how many stretches of the horizon, counted from the end, are forecast', parseCount)
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
    .option('--origins-every <duration>', 'rolling form: time between two origins', parseStep)
    .option('--from <instant>', 'rolling form: the first origin', (text) => asArgument(() => parseInstant(text)))
    .option('--forecasts <file>', "rolling form: write the mix's forecasts there (- for standard output)")
    .addOption(seedOption())
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Columns: WAPE and sMAPE in per cent; MASE against the season before; pinball: mean over the quantiles 0.1, 0.5, 0.9 and
0.95, in per cent of the mean demand; cover95: share inside the central 95 % interval; CPU seconds.

Examples:
  $ foresail backtest --input demand.csv --horizon 24 --windows 5
  $ foresail backtest --input demand.csv --horizon 12 --step 5m --origins-every 30m --from 2026-08-01T00:00:00Z --forecasts rolling.csv`,
    )
    .action(runBacktest);
}

async function runBacktest(flags: Flags): Promise<void> {
  const rolling = flags.originsEvery !== undefined || flags.from !== undefined || flags.forecasts !== undefined;
  if (rolling && (flags.originsEvery === undefined || flags.from === undefined || flags.forecasts === undefined)) {
    throw new UsageError('the rolling form needs --origins-every, --from and --forecasts together');
  }
  if (!rolling && flags.windows === undefined)
    throw new UsageError(
      'expected --windows, such as --windows 5 (or the rolling form: --origins-every, --from, --forecasts)',
    );
  const file = await loadSeries(flags.input);
  if (rolling) await writeRolling(file, flags);
  else compareModels(file, flags);
}

interface Row {
  readonly sums: BacktestSums;
  series: number;
  seconds: number;
}

function compareModels({ series }: CsvFile, flags: Flags): void {
  const rows = new Map<string, Row>();
  const progress = progressOf('backtest', series.length);
  let refused = 0;
  for (const [i, one] of series.entries()) {
    const grid = inferGrid(one.times, flags.step);
    const regular = grid && toRegular(one, { ...grid, mostSteps: MOST_HISTORY_STEPS }).series;
    const mix = regular === undefined ? { kind: 'no-data' as const } : backtestInto(rows, MIX, regular, flags);
    if (mix.kind === 'fitted') for (const name of mix.models) backtestInto(rows, name, regular!, flags);
    else {
      refused++;
      console.error(`no backtest of series "${one.name}": ${reasonOf(mix)}`);
    }
    progress(i + 1);
  }
  const models = [...rows].map(([model, row]) => ({
    model,
    series: row.series,
    ...metricsOf(row.sums),
    seconds: row.seconds,
  }));
  if (flags.json)
    console.log(
      JSON.stringify({ horizon: flags.horizon, windows: flags.windows, series: series.length, refused, models }),
    );
  else if (models.length > 0) printTable(models);
  if (models.length === 0) process.exitCode = 1;
}

/** Backtests one series with one model, or with all in the mix, and adds to that model's row. */
function backtestInto(rows: Map<string, Row>, name: string, series: RegularSeries, flags: Flags): BacktestAnswer {
  const options = {
    horizonSteps: flags.horizon,
    peakWindowMs: series.stepMs,
    seasons: flags.season,
    ...(name !== MIX && { models: [name] }),
  };
  const row = rows.get(name) ?? { sums: backtestSums(), series: 0, seconds: 0 };
  const started = process.cpuUsage();
  const answer = backtestWindows(series, options, flags.windows!, row.sums);
  if (answer.kind !== 'fitted') return answer;
  const { user, system } = process.cpuUsage(started);
  row.seconds += (user + system) / 1e6;
  row.series++;
  rows.set(name, row);
  return answer;
}

function printTable(
  models: readonly {
    model: string;
    series: number;
    wape: number;
    mase: number;
    smape: number;
    pinball: number;
    coverage: number;
    seconds: number;
  }[],
): void {
  const cells = models.map((row) => [
    row.model,
    String(row.series),
    (100 * row.wape).toFixed(2),
    row.mase.toFixed(3),
    row.smape.toFixed(2),
    (100 * row.pinball).toFixed(2),
    row.coverage.toFixed(3),
    row.seconds.toFixed(2),
  ]);
  const table = [['model', 'series', 'WAPE %', 'MASE', 'sMAPE %', 'pinball %', 'cover95', 'seconds'], ...cells];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  for (const row of table)
    console.log(row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '));
}

async function writeRolling(file: CsvFile, flags: Flags): Promise<void> {
  const sink = openSink(flags.forecasts === '-' ? undefined : flags.forecasts);
  const quantiles = quantilesOf(LEVELS, []);
  await sink.write(['series', 'origin', 'timestamp', 'mean', ...columnsOf(LEVELS, [])].join(','));
  const progress = progressOf('backtest', file.series.length);
  let origins = 0;
  for (const [i, one] of file.series.entries()) {
    for (const { origin, forecast } of rollingOf(one, flags, quantiles)) {
      origins++;
      const paths = quantiles.map((quantile) => pathOf(forecast, quantile));
      for (let h = 0; h < forecast.point.length; h++) {
        const time = formatTime(forecast.issuedAt + (h + 1) * forecast.stepMs, file.epochSeconds);
        const cells = [forecast.point[h]!, ...paths.map((path) => path[h]!)].map(formatValue);
        await sink.write([quoteCell(one.name), formatTime(origin, file.epochSeconds), time, ...cells].join(','));
      }
    }
    progress(i + 1);
  }
  await sink.close();
  if (flags.json) console.log(JSON.stringify({ series: file.series.length, origins, forecasts: flags.forecasts }));
  else console.error(`${origins} origins of ${file.series.length} series`);
  if (origins === 0) process.exitCode = 1;
}

function* rollingOf({ name, times, values }: CsvSeries, flags: Flags, quantiles: readonly number[]) {
  const from = flags.from!;
  // The grid may not depend on what comes after the first origin either.
  const grid = inferGrid(
    times.filter((time) => time <= from),
    flags.step,
  );
  if (grid === undefined) {
    console.error(`no backtest of series "${name}": it has fewer than two samples at or before --from`);
    return;
  }
  const { series } = toRegular({ times, values }, grid);
  const everySteps = Math.round(flags.originsEvery! / grid.stepMs);
  if (everySteps * grid.stepMs !== flags.originsEvery) {
    throw new UsageError(`--origins-every must be a multiple of the step, which is ${formatDuration(grid.stepMs)}`);
  }
  const firstLength = Math.floor((from - series.start) / grid.stepMs) + 1;
  const lastUsed = lastSampleTimes(times, values);
  const rolling = rollingForecasts(series, {
    horizonSteps: flags.horizon,
    peakWindowMs: grid.stepMs,
    seasons: flags.season,
    quantiles,
    firstLength,
    everySteps,
    mostSteps: MOST_HISTORY_STEPS,
  });
  for (const forecast of rolling) yield { origin: lastUsed(forecast.issuedAt), forecast };
}

/** The time of the newest sample at or before an instant. Asked with ascending instants. */
function lastSampleTimes(times: readonly Millis[], values: readonly number[]): (instant: Millis) => Millis {
  const sorted = Float64Array.from(times.filter((_, i) => Number.isFinite(values[i]!))).sort();
  let at = 0;
  return (instant) => {
    while (at + 1 < sorted.length && sorted[at + 1]! <= instant) at++;
    return sorted[at]!;
  };
}
