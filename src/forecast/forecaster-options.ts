import type { RegularSeries } from '../model/series.ts';
import type { SeriesCalendar } from './calendar.ts';
import { checkModelNames } from './models/model-names.ts';
import type { Regressor } from './regressor/regressor.ts';
import type { ForecastTuning } from './tuning.ts';

export interface ForecasterOptions extends Network {
  /** Steps ahead. */
  readonly horizonSteps: number;
  /** The window of the peak forecast: lead time plus refresh. */
  readonly peakWindowMs: number;
  /** Quantiles wanted, of each step and of the peak; 0.01 to 0.99. The default has what plans and pictures need. */
  readonly quantiles?: readonly number[];
  /** Season lengths in steps; `auto` takes the calendar's and what is found. */
  readonly seasons?: 'auto' | readonly number[];
  /**
   * Names of the models that take part, `mstl` only so. Those that this series has no model for do not; where it has none
   * of them the last value answers.
   */
  readonly models?: readonly string[];
  /** Local time and special days; without it seasons are those of UTC. */
  readonly calendar?: SeriesCalendar;
  /** For benchmarks: other constants than those shipped. */
  readonly tuning?: ForecastTuning;
}

/** The global network, where there is one: one more expert. It is not plain data: each thread opens its own. */
export interface Network {
  readonly regressor?: Regressor;
}

/**
 * @throws {UnknownModelError} If a model's name is none.
 * @throws {RangeError} If an option is out of its range.
 */
export function checkOptions(
  { stepMs }: RegularSeries,
  { horizonSteps, peakWindowMs, quantiles, seasons, models = [] }: ForecasterOptions,
): void {
  checkModelNames(models);
  if (!(stepMs > 0)) throw new RangeError(`stepMs must be above zero, got ${stepMs}`);
  if (!Number.isInteger(horizonSteps) || horizonSteps < 1) {
    throw new RangeError(`horizonSteps must be a whole number above zero, got ${horizonSteps}`);
  }
  if (!(peakWindowMs > 0)) throw new RangeError(`peakWindowMs must be above zero, got ${peakWindowMs}`);
  for (const quantile of quantiles ?? []) {
    if (!(quantile >= 0.01 && quantile <= 0.99))
      throw new RangeError(`quantiles must lie within 0.01 and 0.99, got ${quantile}`);
  }
  for (const season of seasons === undefined || seasons === 'auto' ? [] : seasons) {
    if (!Number.isInteger(season) || season < 2)
      throw new RangeError(`seasons must be whole numbers of steps above 1, got ${season}`);
  }
}
