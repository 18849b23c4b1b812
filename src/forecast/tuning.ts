import type { MixTuning } from './mix.ts';

/**
 * Constants that were chosen while looking at data, so that a benchmark can choose them anew without a part of it. Not a
 * setting: what is left out has its default, and a saved state is only good for the tuning that it was made with.
 */
export interface ForecastTuning {
  /** How experts at one step are weighted. The peak has its own. */
  readonly mix?: MixTuning;
  /** The penalty of the ridges on lags, relative to the mean diagonal of their normal equations. */
  readonly ridgeLambda?: number;
  /** What is left of a row's weight after a day in the ridge that remembers weeks, and in that of the peak: 0 to 1. */
  readonly ridgeKeptPerDay?: number;
  /** How long residuals are remembered, in days, within the bounds on their number. */
  readonly residualDays?: number;
}
