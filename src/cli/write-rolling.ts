import { backtestSums, detailOf, mergeSums, metricsOf } from '../forecast/backtest-sums.ts';
import type { RollingJobResult } from '../forecast/jobs/rolling-job.ts';
import { formatDuration, type Millis } from '../model/time.ts';
import type { BacktestFlags } from './backtest-flags.ts';
import { loadCalendar } from './calendar-options.ts';
import { type CsvFile, formatTime, formatValue, openSink, quoteCell, type RowSink } from './csv.ts';
import { columnsOf, quantilesOf } from './forecast-options.ts';
import { rollingReport } from './report/backtest-report.ts';
import { writeReport } from './report/write-report.ts';
import { forEachSeries, inputOf } from './series-command.ts';
import { UsageError } from './usage-error.ts';

const LEVELS = [0.8, 0.95];

interface RollingFlags extends BacktestFlags {
  readonly originsEvery: number;
  readonly from: Millis;
  readonly forecasts: string;
}

/** Writes the deployed mix's forecasts from each origin on, and says how they did. */
export async function writeRolling({ series, epochSeconds }: CsvFile, flags: RollingFlags): Promise<void> {
  const { horizon, season, from, originsEvery, threads, progress } = flags;
  const calendar = await loadCalendar(flags, series);
  const quantiles = quantilesOf(LEVELS, []);
  const sink = openSink(flags.forecasts === '-' ? undefined : flags.forecasts);
  await sink.write(['series', 'origin', 'timestamp', 'mean', ...columnsOf(LEVELS, [])].join(','));
  const sums = backtestSums(horizon);
  let origins = 0;
  await forEachSeries({
    what: 'backtest',
    series,
    threads,
    progress,
    network: flags.network,
    job: (one) => ({
      kind: 'rolling',
      ...inputOf(one, flags, calendar),
      ...{ horizonSteps: horizon, seasons: season, quantiles, from, everyMs: originsEvery },
    }),
    async take({ name }, result) {
      switch (result.kind) {
        case 'uneven':
          throw new UsageError(
            `--origins-every must be a multiple of the step, which is ${formatDuration(result.stepMs)}`,
          );
        case 'no-data':
          console.error(`no backtest of series "${name}": there is too little of it at or before every origin`);
          return;
        case 'rolling':
          origins += result.origins.length;
          mergeSums(sums, result.sums);
          await writeRows(sink, result, { name, horizon, columns: quantiles.length + 1, epochSeconds });
      }
    },
  });
  await sink.close();
  const metrics = metricsOf(sums);
  if (flags.report !== undefined) {
    const about = { input: flags.input, horizon, origins, series: series.length };
    writeReport(flags.report, rollingReport({ ...about, metrics, detail: detailOf(sums) }));
  }
  if (flags.json)
    console.log(JSON.stringify({ series: series.length, origins, forecasts: flags.forecasts, ...metrics }));
  else {
    const { wape, coverage } = metrics;
    const scores = sums.steps > 0 ? `: WAPE ${(100 * wape).toFixed(2)} %, cover95 ${coverage.toFixed(3)}` : '';
    console.error(`${origins} origins of ${series.length} series${scores}`);
  }
  if (origins === 0) process.exitCode = 1;
}

interface Shape {
  readonly name: string;
  readonly horizon: number;
  readonly columns: number;
  readonly epochSeconds: boolean;
}

async function writeRows(
  sink: RowSink,
  { origins, issuedAt, stepMs, cells }: Extract<RollingJobResult, { kind: 'rolling' }>,
  { name, horizon, columns, epochSeconds }: Shape,
): Promise<void> {
  const cell = quoteCell(name);
  let at = 0;
  for (let k = 0; k < origins.length; k++) {
    const origin = formatTime(origins[k]!, epochSeconds);
    for (let h = 1; h <= horizon; h++, at += columns) {
      const time = formatTime(issuedAt[k]! + h * stepMs, epochSeconds);
      const numbers = Array.from(cells.subarray(at, at + columns), formatValue);
      await sink.write([cell, origin, time, ...numbers].join(','));
    }
  }
}
