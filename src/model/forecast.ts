import type { Millis } from './time.ts';

/** One quantile of the future: `values[i]` belongs to `issuedAt + (i + 1) * stepMs`. */
export interface QuantilePath {
  /** 0 to 1. */
  readonly quantile: number;
  readonly values: Float64Array;
}

/** Quantiles of the *largest* value within (issuedAt, issuedAt + windowMs], ascending in both fields. */
export interface PeakForecast {
  readonly windowMs: number;
  readonly quantiles: readonly { readonly quantile: number; readonly value: number }[];
  /** The factor of a declared event that is in these values; left out where it is 1. */
  readonly eventFactor?: number;
  /** Mean of the last day, which a rise is dear or cheap against; left out where it is not above zero. */
  readonly dayMean?: number;
}

/** How far a model may be trusted on this series, measured on its own past by rolling origins. */
export interface ForecastAccuracy {
  /** Mean absolute error over the backtest's horizons, in the series' unit. */
  readonly mae: number;
  /** `mae` divided by the error of repeating the last value on the same origins. Below 1 is better than naive. */
  readonly maeVsLast: number;
  /** Share of truths below the one-sided 0.95 quantile, 0 to 1. NaN until enough origins. */
  readonly coverage: number;
  /** Number of rolling origins behind these figures. */
  readonly origins: number;
  /**
   * How the peak forecast does lately, which is what a planner acts on: its pinball losses at 0.5 and 0.95, divided by
   * those of the better of two naive peaks (the largest of the last window, the last value) that have intervals of the
   * same making. Older losses fade within days. Below 1 is better than naive; NaN until there is enough to compare.
   */
  readonly peakVsNaive: number;
  /** Share of peaks below their 0.95 quantile, 0 to 1. NaN until enough origins. */
  readonly peakCoverage: number;
}

/** What an issued forecast is judged at: its first step, the end of the peak's window, half and all of its steps, the peak. */
export const HORIZONS = ['first', 'window', 'half', 'whole', 'peak'] as const;
export type Horizon = (typeof HORIZONS)[number];

/** How issued forecasts of one horizon did lately: older ones fade within days. NaN: not known yet. */
export interface LiveHorizon {
  readonly horizon: Horizon;
  /** From the issue to the step, or to the end of the peak's window. */
  readonly aheadMs: number;
  /** Forecasts that came true, the older the less they count. */
  readonly count: number;
  /** Mean absolute error over that of repeating the last value, and over that of the same local time a day before. */
  readonly errorVsLast: number;
  readonly errorVsSeason: number;
  /** Share of truths at or below the one-sided 0.95 quantile, and within the central 95 %. */
  readonly coverage: number;
  readonly central: number;
  /** Mean of forecast less truth over the mean size of the truth: above 0, too much was forecast. */
  readonly bias: number;
}

/** How what was issued proved to be, as far as the truth had come when this forecast was issued. */
export interface LiveAccuracy {
  readonly horizons: readonly LiveHorizon[];
  /**
   * Mean absolute error of the peak's median over that of the better of two naive peaks (the largest of the last window,
   * the last value). NaN until there is enough to compare.
   */
  readonly errorVsNaive: number;
  /** Too many peaks lay above their 0.95 quantile for chance to explain. */
  readonly coverageBroken: boolean;
}

/** The future of one regular series, as seen at `issuedAt`. Depends on no sample later than `issuedAt`. */
export interface Forecast {
  /** The time of the last sample used. */
  readonly issuedAt: Millis;
  readonly stepMs: number;
  /** `point[i]` belongs to `issuedAt + (i + 1) * stepMs`. */
  readonly point: Float64Array;
  /** Ascending by quantile; monotone at each step. */
  readonly quantiles: readonly QuantilePath[];
  readonly peak: PeakForecast;
  /** The chosen model, or the mix and its weights, in words: `ridge`, `mix(ridge 0.71, yesterday 0.29)`. */
  readonly model: string;
  /** Season lengths found, in samples. */
  readonly seasons: readonly number[];
  readonly accuracy: ForecastAccuracy;
  /** Length of the history behind it, gaps included. */
  readonly historyMs: number;
  /** What became of the forecasts issued before it. Undefined for one that was never issued. */
  readonly live?: LiveAccuracy;
}

/** Why there is no forecast: the planner then stays reactive. */
export type NoForecast =
  | { readonly kind: 'insufficient-history'; readonly haveMs: number; readonly needMs: number }
  | { readonly kind: 'no-data' }
  | { readonly kind: 'stale'; readonly lastSampleAt: Millis };
