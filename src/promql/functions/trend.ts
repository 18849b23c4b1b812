import { formatFixed } from '../format-float.ts';
import { type KahanSum, kahanAdd } from '../numeric.ts';
import type { CallContext, RangeFunction, Window } from './definition.ts';

/** Slope of the least-squares line, per second. */
export const deriv: RangeFunction = (window, out, at) => {
  if (window.to - window.from < 2) return false;
  // Times count from a sample nearby, so that their squares keep their digits.
  out[at] = regression(window, window.times[window.from]!).slope;
  return true;
};

/** The line's value `scalars[0]` seconds after the step. */
export const predictLinear: RangeFunction = (window, out, at) => {
  if (window.to - window.from < 2) return false;
  const { slope, intercept } = regression(window, window.time);
  out[at] = slope * window.scalars[0]! + intercept;
  return true;
};

function regression({ times, values, from, to }: Window, origin: number): { slope: number; intercept: number } {
  const count = to - from;
  const x: KahanSum = { sum: 0, c: 0 };
  const y: KahanSum = { sum: 0, c: 0 };
  const xy: KahanSum = { sum: 0, c: 0 };
  const xx: KahanSum = { sum: 0, c: 0 };
  let constant = true;
  for (let i = from; i < to; i++) {
    const seconds = (times[i]! - origin) / 1000;
    const value = values[i]!;
    if (value !== values[from]!) constant = false;
    kahanAdd(x, seconds);
    kahanAdd(y, value);
    kahanAdd(xy, seconds * value);
    kahanAdd(xx, seconds * seconds);
  }
  if (constant) {
    const value = values[from]!;
    return Number.isFinite(value) ? { slope: 0, intercept: value } : { slope: Number.NaN, intercept: Number.NaN };
  }
  const sumX = x.sum + x.c;
  const sumY = y.sum + y.c;
  const covariance = xy.sum + xy.c - (sumX * sumY) / count;
  const spread = xx.sum + xx.c - (sumX * sumX) / count;
  const slope = covariance / spread;
  return { slope, intercept: sumY / count - (slope * sumX) / count };
}

/** Holt's linear smoothing: `scalars` are the smoothing factor and the trend factor, which `checkFactors` has seen. */
export const doubleExponentialSmoothing: RangeFunction = ({ values, from, to, scalars }, out, at) => {
  if (to - from < 2) return false;
  const smoothing = scalars[0]!;
  const trendFactor = scalars[1]!;
  let before = 0;
  let level = values[from]!;
  let trend = values[from + 1]! - values[from]!;
  for (let i = from + 1; i < to; i++) {
    if (i > from + 1) trend = trendFactor * (level - before) + (1 - trendFactor) * trend;
    const next = smoothing * values[i]! + (1 - smoothing) * (level + trend);
    before = level;
    level = next;
  }
  out[at] = level;
  return true;
};

export function checkFactors([smoothing, trend]: readonly number[], _: boolean, { call, error }: CallContext): void {
  for (const [factor, name, short] of [[smoothing!, 'smoothing', 'sf'] as const, [trend!, 'trend', 'tf'] as const]) {
    if (factor > 0 && factor < 1) continue;
    throw error(call.span, `invalid ${name} factor. Expected: 0 < ${short} < 1, got: ${formatFixed(factor)}`);
  }
}
