import { backtestSums, mergeSums, metricsOf } from '../forecast/backtest-sums.ts';
import type { BacktestFlags } from './backtest-flags.ts';
import { loadCalendar } from './calendar-options.ts';
import type { CsvFile } from './csv.ts';
import { reasonOf } from './forecast.ts';
import { figuresOf, type ModelTotals, tableOf } from './model-figures.ts';
import { backtestReport, type ShownBacktest } from './report/backtest-report.ts';
import { worstFirst } from './report/worst-first.ts';
import { writeReport } from './report/write-report.ts';
import { forEachSeries, inputOf } from './series-command.ts';
import { tableLines } from './table-lines.ts';

interface Totals extends ModelTotals {
  series: number;
  seconds: number;
}

/** Backtests the mix and each model of it alone over the last windows of every series, and prints a table. */
export async function compareModels(
  { series }: CsvFile,
  flags: BacktestFlags & { readonly windows: number },
): Promise<void> {
  const { horizon, windows, season, report, json, threads, progress } = flags;
  const calendar = await loadCalendar(flags, series);
  const rows = new Map<string, Totals>();
  const shown = worstFirst<ShownBacktest>();
  let refused = 0;
  await forEachSeries({
    what: 'backtest',
    series,
    threads,
    progress,
    network: flags.network,
    job: (one) => ({
      kind: 'backtest',
      ...inputOf(one, flags, calendar),
      ...{ horizonSteps: horizon, windows, seasons: season, models: flags.models },
      tailSteps: report === undefined ? 0 : (windows + 2) * horizon,
    }),
    take({ name }, result) {
      if (result.kind !== 'backtest') {
        refused++;
        console.error(`no backtest of series "${name}": ${reasonOf(result)}`);
        return;
      }
      for (const { model, sums, seconds } of result.models) {
        const row = rows.get(model) ?? { sums: backtestSums(horizon), series: 0, seconds: 0 };
        mergeSums(row.sums, sums);
        row.series++;
        row.seconds += seconds;
        rows.set(model, row);
      }
      const { forecasts, tail, models } = result;
      const metrics = metricsOf(models[0]!.sums);
      if (report !== undefined) shown.add({ name, forecasts, tail, metrics }, metrics.wape);
    },
  });
  const models = figuresOf(rows);
  if (report !== undefined) {
    const about = { input: flags.input, horizon, windows, series: series.length, refused };
    writeReport(report, backtestReport({ ...about, models, shown: shown.list() }));
  }
  if (json) console.log(JSON.stringify({ horizon, windows, series: series.length, refused, models }));
  else if (models.length > 0) for (const line of tableLines(tableOf(models))) console.log(line);
  if (models.length === 0) process.exitCode = 1;
}
