import type { PeakForecast } from '../model/forecast.ts';
import type { ScalingPolicy } from './policy.ts';

/** Quantiles of the peak that a price chooses among, beside the policy's own. */
export const PRICED_QUANTILES: readonly number[] = [0.5, 0.8, 0.9, 0.95];

/**
 * The quantile of the peak that costs least: its replicas against those that carry the mean demand of the last day, and
 * the price of being short times the probability of it. Where the forecast is sure, the last per cents of risk are
 * nearly free, and the policy's own quantile is taken; where the tail is long, as before a rush that comes every other
 * day, it stops where another replica costs more than the risk that it takes away.
 *
 * @param fill How full the floor's replicas may be.
 * @returns Undefined where the policy has no price or an objective in its place, there is no mean to price replicas by,
 *   or no quantile to choose.
 */
export function pricedQuantile(
  { quantiles, dayMean, eventFactor = 1 }: Pick<PeakForecast, 'quantiles' | 'dayMean' | 'eventFactor'>,
  { quantile: most, shortageCost, objective }: Pick<ScalingPolicy, 'quantile' | 'shortageCost' | 'objective'>,
  fill: number,
): PeakForecast['quantiles'][number] | undefined {
  if (shortageCost === undefined || objective !== undefined || dayMean === undefined) return undefined;
  let chosen: PeakForecast['quantiles'][number] | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const entry of quantiles) {
    const { quantile, value } = entry;
    if (quantile > most + ALIKE || !Number.isFinite(value)) continue;
    // Whatever else is forecast, for pictures, the same policy chooses the same.
    if (!PRICED_QUANTILES.some((priced) => isAlike(priced, quantile)) && !isAlike(most, quantile)) continue;
    // What a declared event multiplies the demand by makes its peak no dearer.
    const replicas = Math.max(0, value) / (fill * eventFactor * dayMean);
    const cost = replicas + shortageCost * (1 - quantile);
    if (cost >= least) continue;
    least = cost;
    chosen = entry;
  }
  return chosen;
}

/** Quantiles are read from documents and stored forecasts. */
const ALIKE = 1e-9;

function isAlike(a: number, b: number): boolean {
  return Math.abs(a - b) < ALIKE;
}
