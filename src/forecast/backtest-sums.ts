import type { Forecast } from '../model/forecast.ts';

/** Sums of one model's errors over windows and series; `metricsOf` turns them into figures. Plain data. */
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
  /** Index `h - 1` has the sums of the truths h steps ahead. */
  readonly byStep: {
    readonly steps: Float64Array;
    readonly absolute: Float64Array;
    readonly truth: Float64Array;
    readonly inside: Float64Array;
  };
  /** Truths at or below each of `CALIBRATION_QUANTILES`. */
  readonly below: Float64Array;
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

/** The same figures at one number of steps ahead, or over all of them: what the pictures show. */
export interface BacktestDetail {
  /** Index `h - 1` belongs to h steps ahead. */
  readonly wapeByStep: readonly number[];
  readonly coverageByStep: readonly number[];
  /** Share of truths at or below each quantile: the quantile itself, where the forecast is calibrated. */
  readonly calibration: readonly { readonly quantile: number; readonly share: number }[];
}

export const CALIBRATION_QUANTILES = [0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975] as const;
const PINBALL_QUANTILES = [0.1, 0.5, 0.9, 0.95] as const;

export function backtestSums(horizonSteps: number): BacktestSums {
  const line = () => new Float64Array(horizonSteps);
  return {
    ...{ steps: 0, absolute: 0, truth: 0, symmetric: 0, pinball: 0, inside: 0, scaled: 0, windows: 0 },
    byStep: { steps: line(), absolute: line(), truth: line(), inside: line() },
    below: new Float64Array(CALIBRATION_QUANTILES.length),
  };
}

/** Adds the sums of other windows, of the same horizon, to `into`. */
export function mergeSums(into: BacktestSums, from: BacktestSums): void {
  for (const name of ['steps', 'absolute', 'truth', 'symmetric', 'pinball', 'inside', 'scaled', 'windows'] as const) {
    into[name] += from[name];
  }
  for (const name of ['steps', 'absolute', 'truth', 'inside'] as const) addTo(into.byStep[name], from.byStep[name]);
  addTo(into.below, from.below);
}

/**
 * Scores one forecast against what came. Truths that are not known do not count.
 *
 * @param forecast Has each of `CALIBRATION_QUANTILES`.
 * @param scale In-sample error of repeating the season before: what MASE divides by. NaN where there is none.
 * @throws {RangeError} If the forecast lacks a quantile.
 */
export function scoreForecast(sums: BacktestSums, forecast: Forecast, truths: Float64Array, scale: number): void {
  const paths = CALIBRATION_QUANTILES.map((quantile) => pathOf(forecast, quantile));
  const low = paths[0]!;
  const high = paths.at(-1)!;
  const { byStep } = sums;
  let absolute = 0;
  let steps = 0;
  for (let i = 0; i < truths.length; i++) {
    const y = truths[i]!;
    if (!Number.isFinite(y)) continue;
    const f = forecast.point[i]!;
    const size = Math.abs(y) + Math.abs(f);
    const inside = y >= low[i]! && y <= high[i]! ? 1 : 0;
    steps++;
    absolute += Math.abs(y - f);
    sums.truth += Math.abs(y);
    sums.symmetric += size > 0 ? (200 * Math.abs(y - f)) / size : 0;
    sums.inside += inside;
    byStep.steps[i]!++;
    byStep.absolute[i]! += Math.abs(y - f);
    byStep.truth[i]! += Math.abs(y);
    byStep.inside[i]! += inside;
    for (let k = 0; k < paths.length; k++) if (y <= paths[k]![i]!) sums.below[k]!++;
    for (const quantile of PINBALL_QUANTILES) {
      const path = paths[CALIBRATION_QUANTILES.indexOf(quantile)]!;
      sums.pinball += pinballLoss(y - path[i]!, quantile) / PINBALL_QUANTILES.length;
    }
  }
  if (steps === 0) return;
  sums.steps += steps;
  sums.absolute += absolute;
  if (!(scale > 0)) return;
  sums.scaled += absolute / steps / scale;
  sums.windows++;
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

export function detailOf({ byStep, below, steps }: BacktestSums): BacktestDetail {
  return {
    wapeByStep: Array.from(byStep.absolute, (sum, i) => sum / byStep.truth[i]!),
    coverageByStep: Array.from(byStep.inside, (count, i) => count / byStep.steps[i]!),
    calibration: CALIBRATION_QUANTILES.map((quantile, k) => ({ quantile, share: below[k]! / steps })),
  };
}

/** Mean absolute difference to the season before, over what is known: what MASE divides by. */
export function inSampleScale(values: Float64Array, season: number): number {
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

/** @throws {RangeError} If the forecast was not asked for that quantile. */
export function pathOf({ quantiles }: Pick<Forecast, 'quantiles'>, quantile: number): Float64Array {
  const path = quantiles.find((one) => one.quantile === quantile);
  if (path === undefined) throw new RangeError(`the forecast has no quantile ${quantile}`);
  return path.values;
}

function addTo(into: Float64Array, from: Float64Array): void {
  for (let i = 0; i < into.length; i++) into[i]! += from[i]!;
}

function pinballLoss(over: number, quantile: number): number {
  return over >= 0 ? quantile * over : (quantile - 1) * over;
}
