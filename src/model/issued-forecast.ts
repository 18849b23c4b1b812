import type { Forecast, NoForecast } from './forecast.ts';
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

/** How good a day's forecasts proved to be, at the lead that plans care about: the window of the peak. */
export interface ForecastScore {
  /** The beginning of the day, UTC. */
  readonly day: Millis;
  readonly count: number;
  /** Sums of absolute errors: of the point forecast, and of repeating the value known when it was issued. */
  readonly absoluteError: number;
  readonly absoluteErrorOfLast: number;
  /** How many truths lay at or below the 0.95 quantile. */
  readonly covered: number;
}
