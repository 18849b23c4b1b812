import type { Command } from 'commander';
import { fitForecaster } from '../forecast/forecaster.ts';
import { inferGrid, toRegular } from '../forecast/prepare.ts';
import type { Forecast, NoForecast } from '../model/forecast.ts';
import { formatDuration } from '../model/time.ts';
import { type CsvSeries, formatTime, formatValue, loadSeries, openSink, quoteCell, type RowSink } from './csv.ts';
import {
  columnsOf,
  parseCount,
  parseLevels,
  parseQuantiles,
  parseSeasons,
  parseStep,
  quantilesOf,
  seedOption,
} from './forecast-options.ts';
import { progressOf } from './progress.ts';

interface Flags {
  readonly input: string;
  readonly horizon: number;
  readonly step?: number;
  readonly season: readonly number[] | 'auto';
  readonly level: readonly number[];
  readonly quantiles: readonly number[];
  readonly output?: string;
  readonly json?: boolean;
}

/** Steps of history that a fit looks at: eight weeks of minutes, six years of hours. */
export const MOST_HISTORY_STEPS = 80_640;

/** `foresail forecast`: the future of each series of a CSV file. */
export function forecastCommand(program: Command): void {
  program
    .command('forecast')
    .description('Forecast each series of a CSV file: one row a step, with central intervals and quantiles.')
    .requiredOption('--input <file>', 'CSV with a header: timestamp,value or series,timestamp,value; .gz too')
    .requiredOption('--horizon <steps>', 'steps ahead', parseCount)
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
    .option('--level <levels>', 'central intervals', parseLevels, [0.8, 0.95])
    .option('--quantiles <quantiles>', 'quantiles to add as columns, such as 0.5,0.9,0.95', parseQuantiles, [])
    .option('--output <file>', 'write there instead of to standard output')
    .addOption(seedOption())
    .option('--json', 'one JSON object a series, with its model, seasons and accuracy')
    .addHelpText(
      'after',
      '\nExample:\n  $ foresail forecast --input demand.csv --horizon 24 --step 1h --level 0.8,0.95 --quantiles 0.5,0.9',
    )
    .action(runForecast);
}

async function runForecast(flags: Flags): Promise<void> {
  const { series, epochSeconds } = await loadSeries(flags.input);
  const quantiles = quantilesOf(flags.level, flags.quantiles);
  const sink = openSink(flags.output);
  if (!flags.json)
    await sink.write(['series', 'timestamp', 'mean', ...columnsOf(flags.level, flags.quantiles)].join(','));
  const progress = progressOf('forecast', series.length);
  let refused = 0;
  for (const [i, one] of series.entries()) {
    const forecast = forecastOf(one, flags, quantiles);
    if ('kind' in forecast) {
      refused++;
      console.error(`no forecast for series "${one.name}": ${reasonOf(forecast)}`);
    } else await writeForecast(sink, one.name, forecast, { ...flags, quantiles, epochSeconds });
    progress(i + 1);
  }
  await sink.close();
  if (refused === series.length) process.exitCode = 1;
}

function forecastOf({ times, values }: CsvSeries, flags: Flags, quantiles: readonly number[]): Forecast | NoForecast {
  const grid = inferGrid(times, flags.step);
  if (grid === undefined) return { kind: 'no-data' };
  const { series } = toRegular({ times, values }, { ...grid, mostSteps: MOST_HISTORY_STEPS });
  const fit = fitForecaster(series, {
    horizonSteps: flags.horizon,
    peakWindowMs: flags.horizon * grid.stepMs,
    quantiles,
    seasons: flags.season,
  });
  return fit.kind === 'fitted' ? fit.forecaster.predict() : fit;
}

interface Shape {
  readonly quantiles: readonly number[];
  readonly epochSeconds: boolean;
  readonly json?: boolean;
}

async function writeForecast(
  sink: RowSink,
  name: string,
  forecast: Forecast,
  { quantiles, epochSeconds, json }: Shape,
): Promise<void> {
  const { issuedAt, stepMs, point } = forecast;
  const paths = quantiles.map((quantile) => pathOf(forecast, quantile));
  if (json) {
    const { model, seasons, accuracy, historyMs } = forecast;
    const steps = Array.from(point, (mean, i) => ({
      timestamp: formatTime(issuedAt + (i + 1) * stepMs, epochSeconds),
      mean,
      quantiles: quantiles.map((quantile, j) => ({ quantile, value: paths[j]![i]! })),
    }));
    await sink.write(
      JSON.stringify({
        series: name,
        issuedAt: formatTime(issuedAt, epochSeconds),
        stepSeconds: stepMs / 1000,
        model,
        seasons,
        accuracy,
        historyMs,
        steps,
      }),
    );
    return;
  }
  for (let i = 0; i < point.length; i++) {
    const time = formatTime(issuedAt + (i + 1) * stepMs, epochSeconds);
    await sink.write(
      [quoteCell(name), time, formatValue(point[i]!), ...paths.map((path) => formatValue(path[i]!))].join(','),
    );
  }
}

/** @throws {RangeError} If the forecast was not asked for that quantile. */
export function pathOf({ quantiles }: Forecast, quantile: number): Float64Array {
  const path = quantiles.find((one) => one.quantile === quantile);
  if (path === undefined) throw new RangeError(`the forecast has no quantile ${quantile}`);
  return path.values;
}

export function reasonOf(reason: NoForecast): string {
  switch (reason.kind) {
    case 'no-data':
      return 'it has fewer than two finite values at different times';
    case 'insufficient-history':
      return `its history is ${formatDuration(reason.haveMs)} long, or has that many values; ${formatDuration(reason.needMs)} are needed`;
    case 'stale':
      return 'its last sample is too old';
  }
}
