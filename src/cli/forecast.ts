import type { Command } from 'commander';
import { pathOf } from '../forecast/backtest-sums.ts';
import type { Forecast, NoForecast } from '../model/forecast.ts';
import { formatDuration } from '../model/time.ts';
import { type CalendarFlags, calendarOptions, loadCalendar } from './calendar-options.ts';
import { formatTime, formatValue, loadSeries, openSink, quoteCell, type RowSink } from './csv.ts';
import { columnsOf, parseCount, parseLevels, parseModels, parseQuantiles, quantilesOf } from './forecast-options.ts';
import { forecastReport, type ShownForecast } from './report/forecast-report.ts';
import { worstFirst } from './report/worst-first.ts';
import { writeReport } from './report/write-report.ts';
import { forEachSeries, inputOf, type SeriesFlags, seriesOptions } from './series-command.ts';

interface Flags extends SeriesFlags, CalendarFlags {
  readonly horizon: number;
  readonly level: readonly number[];
  readonly quantiles: readonly number[];
  readonly models?: readonly string[];
  readonly output?: string;
}

/** Steps of the past that a picture shows: enough to see the rhythm that the forecast goes on with. */
const tailStepsOf = (horizon: number) => Math.max(4 * horizon, 240);

/** `foresail forecast`: the future of each series of a CSV file. */
export function forecastCommand(program: Command): void {
  calendarOptions(
    seriesOptions(
      program
        .command('forecast')
        .description('Forecast each series of a CSV file: one row a step, with central intervals and quantiles.'),
    ),
  )
    .requiredOption('--horizon <steps>', 'steps ahead', parseCount)
    .option('--level <levels>', 'central intervals', parseLevels, [0.8, 0.95])
    .option('--quantiles <quantiles>', 'quantiles to add as columns, such as 0.5,0.9,0.95', parseQuantiles, [])
    .option('--output <file>', 'write there instead of to standard output')
    .option(
      '--models <names>',
      'only these models in the mix, such as ridge,theta (mstl takes part only so)',
      parseModels,
    )
    .option('--no-network', 'forecast without the pre-trained network, to compare')
    .option('--json', 'one JSON object a series, with its model, seasons and accuracy')
    .addHelpText(
      'after',
      `
Examples:
  $ foresail forecast --input demand.csv --horizon 24 --step 1h --level 0.8,0.95 --quantiles 0.5,0.9
  $ foresail forecast --input demand.csv --horizon 48 --step 30m --time-zone Europe/Berlin --holidays DE-BY
  $ foresail forecast --input demand.csv --horizon 48 --output ahead.csv --report ahead.html`,
    )
    .action(runForecast);
}

async function runForecast(flags: Flags): Promise<void> {
  const { series, epochSeconds } = await loadSeries(flags.input);
  const { horizon, season, level, json, report, threads, progress } = flags;
  const calendar = await loadCalendar(flags, series);
  const quantiles = quantilesOf(level, flags.quantiles);
  const sink = openSink(flags.output);
  if (!json) await sink.write(['series', 'timestamp', 'mean', ...columnsOf(level, flags.quantiles)].join(','));
  const shown = worstFirst<ShownForecast>();
  let refused = 0;
  await forEachSeries({
    what: 'forecast',
    series,
    threads,
    progress,
    network: flags.network,
    job: (one) => ({
      kind: 'forecast',
      ...inputOf(one, flags, calendar),
      ...{ horizonSteps: horizon, quantiles, seasons: season, models: flags.models },
      tailSteps: report === undefined ? 0 : tailStepsOf(horizon),
    }),
    async take({ name }, result) {
      if (result.kind !== 'forecast') {
        refused++;
        console.error(`no forecast for series "${name}": ${reasonOf(result)}`);
        return;
      }
      const { forecast, tail } = result;
      await writeForecast(sink, name, forecast, { quantiles, epochSeconds, json });
      if (report !== undefined) shown.add({ name, forecast, tail }, forecast.accuracy.maeVsLast);
    },
  });
  await sink.close();
  if (report !== undefined) {
    writeReport(
      report,
      forecastReport({ input: flags.input, shown: shown.list(), series: series.length, refused, level }),
    );
  }
  if (refused === series.length) process.exitCode = 1;
}

interface Shape {
  readonly quantiles: readonly number[];
  readonly epochSeconds: boolean;
  readonly json: boolean | undefined;
}

async function writeForecast(sink: RowSink, name: string, forecast: Forecast, shape: Shape): Promise<void> {
  const { quantiles, epochSeconds } = shape;
  const { issuedAt, stepMs, point } = forecast;
  const paths = quantiles.map((quantile) => pathOf(forecast, quantile));
  if (shape.json) {
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
        ...{ model, seasons, accuracy, historyMs, steps },
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
