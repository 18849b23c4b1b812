import type { Forecast, NoForecast } from '../../model/forecast.ts';
import type { RegularSeries } from '../../model/series.ts';
import { type BacktestAnswer, backtestWindows } from '../backtest.ts';
import { type BacktestSums, backtestSums } from '../backtest-sums.ts';
import type { Network } from '../forecaster-options.ts';
import { regularOf, type SeriesInput, tailOf } from './series-input.ts';

export interface BacktestJob extends SeriesInput {
  readonly kind: 'backtest';
  readonly horizonSteps: number;
  readonly windows: number;
  readonly seasons: 'auto' | readonly number[];
  /** Names of the models of the mix; all that the series has where it is left out. */
  readonly models?: readonly string[] | undefined;
  /** Steps of the series, its last windows included, to send back for a picture. */
  readonly tailSteps?: number;
}

export type BacktestJobResult =
  | {
      readonly kind: 'backtest';
      /** The mix first, then each model that takes part in it, alone. */
      readonly models: readonly ModelSums[];
      /** The mix's forecast of each window, oldest first; only where a tail was asked for. */
      readonly forecasts: readonly Forecast[];
      readonly tail: RegularSeries;
    }
  | NoForecast;

export interface ModelSums {
  readonly model: string;
  readonly sums: BacktestSums;
  /** CPU time of its backtest. */
  readonly seconds: number;
}

/** The deployed mix stands in tables under this name. */
export const MIX = 'mix';

/** How the mix, and each of its models alone, would have forecast the end of one series. */
export function doBacktest(job: BacktestJob, cpuSeconds: () => number, network: Network): BacktestJobResult {
  const { horizonSteps, windows, seasons, tailSteps = 0, calendar } = job;
  const series = regularOf(job);
  if (series === undefined) return { kind: 'no-data' };
  const options = { horizonSteps, peakWindowMs: series.stepMs, seasons, ...network, ...(calendar && { calendar }) };
  const forecasts: Forecast[] = [];
  const models: ModelSums[] = [];
  const run = (model: string): BacktestAnswer => {
    const sums = backtestSums(horizonSteps);
    const began = cpuSeconds();
    const isMix = model === MIX;
    const answer = backtestWindows(
      series,
      { ...options, ...(!isMix && { models: [model] }), ...(isMix && job.models && { models: job.models }) },
      { windows, sums, ...(isMix && tailSteps > 0 && { onForecast: (forecast) => void forecasts.push(forecast) }) },
    );
    if (answer.kind === 'fitted') models.push({ model, sums, seconds: cpuSeconds() - began });
    return answer;
  };
  const mix = run(MIX);
  if (mix.kind !== 'fitted') return mix;
  for (const model of mix.models) run(model);
  return { kind: 'backtest', models, forecasts, tail: tailOf(series, tailSteps) };
}
