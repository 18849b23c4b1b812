import type { Forecast, Horizon, LiveHorizon, NoForecast } from './forecast.ts';
import type { Millis } from './time.ts';

/** Which demand of which policy. */
export interface DemandKey {
  readonly namespace: string;
  readonly policy: string;
  readonly demand: string;
}

/** What was last said of a demand's future. */
export type ForecastStatus =
  | { readonly kind: 'forecast'; readonly forecast: Forecast }
  | { readonly kind: 'none'; readonly at: Millis; readonly why: NoForecast };

/** A value of the demand that came true. */
export interface Truth {
  readonly time: Millis;
  readonly value: number;
}

/** Sums over forecasts of one horizon that came true, in the demand's unit but for the counts. */
export interface HorizonSums {
  readonly count: number;
  /** Sums of absolute errors: of the forecast, and of repeating the value known when it was issued. */
  readonly absoluteError: number;
  readonly absoluteErrorOfLast: number;
  /** Of the peak alone: the absolute error of repeating the largest value of the window before. */
  readonly absoluteErrorOfRecent: number;
  /** Those for which the value at the same local time a day before is known: the errors of both. */
  readonly seasonCount: number;
  readonly absoluteErrorBesideSeason: number;
  readonly absoluteErrorOfSeason: number;
  /** How many truths lay at or below the 0.95 quantile. */
  readonly covered: number;
  /** Those for which all below is known: records of the first version have none. */
  readonly complete: number;
  /** How many truths lay within the 0.025 and the 0.975 quantile. */
  readonly within: number;
  /** Sum of forecast less truth, and of the truths' sizes. */
  readonly bias: number;
  readonly size: number;
}

/** How good the forecasts proved to be whose truth came on one day, by horizon. */
export interface ForecastScore {
  /** The beginning of the day, UTC. */
  readonly day: Millis;
  readonly horizons: Readonly<Partial<Record<Horizon, HorizonSums>>>;
}

/** What the sums of a horizon come to. NaN: nothing is known of it, or the naive forecast was never wrong. */
export function ratiosOf(sums: HorizonSums): Omit<LiveHorizon, 'horizon' | 'aheadMs' | 'count'> {
  return {
    errorVsLast: ratio(sums.absoluteError, sums.absoluteErrorOfLast),
    errorVsSeason: ratio(sums.absoluteErrorBesideSeason, sums.absoluteErrorOfSeason),
    coverage: ratio(sums.covered, sums.count),
    central: ratio(sums.within, sums.complete),
    bias: ratio(sums.bias, sums.size),
  };
}

function ratio(part: number, whole: number): number {
  return whole > 0 ? part / whole : Number.NaN;
}
