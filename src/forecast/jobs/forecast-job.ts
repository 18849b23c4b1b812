import type { Forecast, NoForecast } from '../../model/forecast.ts';
import type { RegularSeries } from '../../model/series.ts';
import { fitForecaster } from '../forecaster.ts';
import type { Network } from '../forecaster-options.ts';
import { regularOf, type SeriesInput, tailOf } from './series-input.ts';

export interface ForecastJob extends SeriesInput {
  readonly kind: 'forecast';
  readonly horizonSteps: number;
  readonly quantiles: readonly number[];
  readonly seasons: 'auto' | readonly number[];
  /** Names of the models of the mix; all that the series has where it is left out. */
  readonly models?: readonly string[] | undefined;
  /** Steps of the history to send back, for a picture. */
  readonly tailSteps?: number;
}

export type ForecastJobResult =
  | { readonly kind: 'forecast'; readonly forecast: Forecast; readonly tail: RegularSeries }
  | NoForecast;

/** The future of one series. Its peak is that of the whole horizon. */
export function doForecast(job: ForecastJob, network: Network): ForecastJobResult {
  const { horizonSteps, quantiles, seasons, tailSteps = 0, calendar, models } = job;
  const series = regularOf(job);
  if (series === undefined) return { kind: 'no-data' };
  const peakWindowMs = horizonSteps * series.stepMs;
  const fit = fitForecaster(series, {
    ...{ horizonSteps, peakWindowMs, quantiles, seasons },
    ...(calendar !== undefined && { calendar }),
    ...(models !== undefined && { models }),
    ...network,
  });
  if (fit.kind !== 'fitted') return fit;
  return { kind: 'forecast', forecast: fit.forecaster.predict(), tail: tailOf(series, tailSteps) };
}
