import type { Forecast } from '../model/forecast.ts';
import type { RegularSeries } from '../model/series.ts';
import { DAY } from '../model/time.ts';
import { type BacktestSums, CALIBRATION_QUANTILES, inSampleScale, scoreForecast } from './backtest-sums.ts';
import { type FitResult, type Forecaster, fitForecaster } from './forecaster.ts';
import type { ForecasterOptions } from './forecaster-options.ts';

/** What became of a backtest: the models that took part, or why there was none. */
export type BacktestAnswer =
  | Exclude<FitResult, { kind: 'fitted' }>
  | { readonly kind: 'fitted'; readonly models: readonly string[] };

export interface WindowOptions {
  readonly windows: number;
  /** Errors are added here. */
  readonly sums: BacktestSums;
  /** Is shown each forecast, with what came. */
  readonly onForecast?: (forecast: Forecast, truths: Float64Array) => void;
}

/**
 * Forecasts the last `windows` stretches of `horizonSteps`, each from what came before it, and adds the errors up.
 * The first window is fitted cold, later ones take the new values in and refit, as a deployed forecaster does.
 * @returns The kind of the fit: only `fitted` added anything.
 */
export function backtestWindows(
  series: RegularSeries,
  options: ForecasterOptions,
  { windows, sums, onForecast }: WindowOptions,
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
    { ...options, quantiles: CALIBRATION_QUANTILES },
  );
  if (fit.kind !== 'fitted') return fit;
  const { forecaster } = fit;
  for (let origin = first; origin + horizonSteps <= values.length; origin += horizonSteps) {
    if (origin > first) {
      forecaster.update(values.subarray(origin - horizonSteps, origin));
      forecaster.refit();
    }
    const forecast = forecaster.predict();
    const truths = values.subarray(origin, origin + horizonSteps);
    const scale = inSampleScale(values.subarray(0, origin), forecast.seasons[0] ?? 1);
    scoreForecast(sums, forecast, truths, scale);
    onForecast?.(forecast, truths);
  }
  return { kind: 'fitted', models: forecaster.models };
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
