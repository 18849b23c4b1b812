import type { Forecast } from '../model/forecast.ts';
import type { RegularSeries } from '../model/series.ts';
import { DAY } from '../model/time.ts';
import { type FitResult, type Forecaster, type ForecasterOptions, fitForecaster } from './forecaster.ts';

/** Sums of one model's errors over windows; `metricsOf` turns them into figures. */
export interface BacktestSums {
  steps: number;
  absolute: number;
  truth: number;
  symmetric: number;
  pinball: number;
  inside: number;
  /** Sum over windows of the mean error over the in-sample error of the season before, and their number. */
  scaled: number;
  windows: number;
}

export interface BacktestMetrics {
  /** Sum of absolute errors over the sum of absolute truths. */
  readonly wape: number;
  /** Mean absolute error over the in-sample error of repeating the season before, mean over windows. */
  readonly mase: number;
  /** Mean of 200 |y - f| / (|y| + |f|), in per cent. */
  readonly smape: number;
  /** Pinball loss, mean over the quantiles 0.1, 0.5, 0.9 and 0.95, over the mean absolute truth. */
  readonly pinball: number;
  /** Share of truths inside the central 95 % interval. */
  readonly coverage: number;
}

/** Quantiles that a backtest needs: those of its pinball loss and of its interval. */
const BACKTEST_QUANTILES = [0.025, 0.1, 0.5, 0.9, 0.95, 0.975] as const;
const PINBALL_QUANTILES = [0.1, 0.5, 0.9, 0.95] as const;

export function backtestSums(): BacktestSums {
  return { steps: 0, absolute: 0, truth: 0, symmetric: 0, pinball: 0, inside: 0, scaled: 0, windows: 0 };
}

/** What became of a backtest: the models that took part, or why there was none. */
export type BacktestAnswer =
  | Exclude<FitResult, { kind: 'fitted' }>
  | { readonly kind: 'fitted'; readonly models: readonly string[] };

/**
 * Forecasts the last `windows` stretches of `horizonSteps`, each from what came before it, and adds the errors up.
 * The first window is fitted cold, later ones take the new values in and refit, as a deployed forecaster does.
 * @returns The kind of the fit: only `fitted` added anything.
 */
export function backtestWindows(
  series: RegularSeries,
  options: ForecasterOptions,
  windows: number,
  sums: BacktestSums,
): BacktestAnswer {
  const { values } = series;
  const { horizonSteps } = options;
  const first = values.length - windows * horizonSteps;
  if (first < 1) {
    const { stepMs } = series;
    return {
      kind: 'insufficient-history',
      haveMs: values.length * stepMs,
      needMs: (windows + 1) * horizonSteps * stepMs,
    };
  }
  const fit = fitForecaster(
    { ...series, values: values.subarray(0, first) },
    { ...options, quantiles: BACKTEST_QUANTILES },
  );
  if (fit.kind !== 'fitted') return fit;
  const { forecaster } = fit;
  for (let origin = first; origin + horizonSteps <= values.length; origin += horizonSteps) {
    if (origin > first) {
      forecaster.update(values.subarray(origin - horizonSteps, origin));
      forecaster.refit();
    }
    const forecast = forecaster.predict();
    addWindow(
      sums,
      forecast,
      values.subarray(origin, origin + horizonSteps),
      inSampleScale(values.subarray(0, origin), forecast.seasons[0] ?? 1),
    );
  }
  return { kind: 'fitted', models: forecaster.models };
}

export function metricsOf(sums: BacktestSums): BacktestMetrics {
  const { steps, absolute, truth, symmetric, pinball, inside, scaled, windows } = sums;
  return {
    wape: absolute / truth,
    mase: scaled / windows,
    smape: symmetric / steps,
    pinball: pinball / truth,
    coverage: inside / steps,
  };
}

export interface RollingOptions extends ForecasterOptions {
  /** How many of the series' steps the first origin has seen, and how many more each next one. */
  readonly firstLength: number;
  readonly everySteps: number;
  /** A cold fit looks back this far at most. */
  readonly mostSteps: number;
}

/**
 * The deployed forecaster's forecasts as it moves along a series: refitted daily, fitted cold again whenever the history
 * has grown by a quarter, since a longer history affords more regressors. Nothing is yielded while history is short.
 */
export function* rollingForecasts(series: RegularSeries, options: RollingOptions): Generator<Forecast> {
  const { values, stepMs } = series;
  const refitEvery = Math.max(1, Math.round(DAY / stepMs));
  let forecaster: Forecaster | undefined;
  let coldLength = 0;
  let fitLength = 0;
  let seen = 0;
  for (let length = options.firstLength; length <= values.length; length += options.everySteps) {
    if (length < 1) continue;
    if (forecaster === undefined || length >= 1.25 * coldLength) {
      const from = Math.max(0, length - options.mostSteps);
      const history = { start: series.start + from * stepMs, stepMs, values: values.subarray(from, length) };
      const fit = fitForecaster(history, options);
      if (fit.kind !== 'fitted') continue;
      forecaster = fit.forecaster;
      coldLength = length;
      fitLength = length;
    } else {
      forecaster.update(values.subarray(seen, length));
      if (length - fitLength >= refitEvery) {
        forecaster.refit();
        fitLength = length;
      }
    }
    seen = length;
    yield forecaster.predict();
  }
}

function addWindow(sums: BacktestSums, forecast: Forecast, truths: Float64Array, scale: number): void {
  const path = (quantile: number) => forecast.quantiles.find((one) => one.quantile === quantile)!.values;
  const low = path(0.025);
  const high = path(0.975);
  const paths = PINBALL_QUANTILES.map(path);
  let absolute = 0;
  let steps = 0;
  for (let i = 0; i < truths.length; i++) {
    const y = truths[i]!;
    if (!Number.isFinite(y)) continue;
    const f = forecast.point[i]!;
    const size = Math.abs(y) + Math.abs(f);
    steps++;
    absolute += Math.abs(y - f);
    sums.truth += Math.abs(y);
    sums.symmetric += size > 0 ? (200 * Math.abs(y - f)) / size : 0;
    if (y >= low[i]! && y <= high[i]!) sums.inside++;
    for (let k = 0; k < paths.length; k++)
      sums.pinball += pinballLoss(y - paths[k]![i]!, PINBALL_QUANTILES[k]!) / paths.length;
  }
  if (steps === 0) return;
  sums.steps += steps;
  sums.absolute += absolute;
  if (!(scale > 0)) return;
  sums.scaled += absolute / steps / scale;
  sums.windows++;
}

function pinballLoss(over: number, quantile: number): number {
  return over >= 0 ? quantile * over : (quantile - 1) * over;
}

/** Mean absolute difference to the season before, over what is known: what MASE divides by. */
function inSampleScale(values: Float64Array, season: number): number {
  let sum = 0;
  let pairs = 0;
  for (let t = season; t < values.length; t++) {
    const difference = Math.abs(values[t]! - values[t - season]!);
    if (Number.isNaN(difference)) continue;
    sum += difference;
    pairs++;
  }
  return pairs > 0 ? sum / pairs : Number.NaN;
}
