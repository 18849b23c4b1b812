import {
  type BacktestDetail,
  type BacktestMetrics,
  type BacktestSums,
  detailOf,
  metricsOf,
} from '../forecast/backtest-sums.ts';

/** One model over all series: what the table, `--json` and the picture show. */
export interface ModelFigures extends BacktestMetrics, BacktestDetail {
  readonly model: string;
  /** Series that it took part in. */
  readonly series: number;
  readonly seconds: number;
}

export interface ModelTotals {
  readonly sums: BacktestSums;
  readonly series: number;
  readonly seconds: number;
}

export function figuresOf(totals: ReadonlyMap<string, ModelTotals>): readonly ModelFigures[] {
  return [...totals].map(([model, { sums, series, seconds }]) => ({
    ...{ model, series },
    ...metricsOf(sums),
    seconds,
    ...detailOf(sums),
  }));
}

/** The rows of the table, the columns' names first. */
export function tableOf(models: readonly ModelFigures[]): readonly (readonly string[])[] {
  const percent = (ratio: number) => (100 * ratio).toFixed(2);
  return [
    ['model', 'series', 'WAPE %', 'MASE', 'sMAPE %', 'pinball %', 'cover95', 'seconds'],
    ...models.map((row) => [
      row.model,
      String(row.series),
      percent(row.wape),
      row.mase.toFixed(3),
      row.smape.toFixed(2),
      percent(row.pinball),
      row.coverage.toFixed(3),
      row.seconds.toFixed(2),
    ]),
  ];
}
