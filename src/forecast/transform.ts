import { median } from 'simple-statistics';
import { quantile } from '../numeric/quantile.ts';

/** Model space: logarithmic above `scale` and linear well below it, or plainly linear where values are negative. */
export interface Transform {
  readonly kind: 'log' | 'linear';
  readonly shift: number;
  readonly scale: number;
}

/**
 * Errors of load are proportional to load, so models work on log(1 + y / scale). A demand that is really negative now
 * and then (a normalised score, a difference) has no such nature and stays linear.
 */
export function fitTransform(values: Float64Array): Transform {
  const known = values.filter(Number.isFinite);
  const negative = known.filter((value) => value < 0).length;
  if (negative > known.length / 100) {
    const shift = median(Array.from(known));
    const spread = quantile(known, 0.9) - quantile(known, 0.1);
    return { kind: 'linear', shift, scale: positiveOr(spread, largestOf(known)) };
  }
  const positive = Array.from(known).filter((value) => value > 0);
  const usual = positive.length === 0 ? 1 : positiveOr(median(positive), 1);
  return { kind: 'log', shift: 0, scale: positiveOr(usual / USUAL_OVER_SCALE, usual) };
}

/** Model space is kept in single precision: the median, which may be all there is, comes back as it was. */
const USUAL_OVER_SCALE = Math.expm1(Math.fround(Math.LN2));

export function toModel({ kind, shift, scale }: Transform, y: number): number {
  if (kind === 'linear') return (y - shift) / scale;
  // The few negative values of a positive series mirror the positive ones, so that nothing is NaN.
  return y >= 0 ? Math.log1p(y / scale) : -Math.log1p(-y / scale);
}

export function fromModel({ kind, shift, scale }: Transform, z: number): number {
  if (kind === 'linear') return shift + z * scale;
  return z >= 0 ? scale * Math.expm1(z) : -scale * Math.expm1(-z);
}

function positiveOr(value: number, otherwise: number): number {
  if (value > 0 && Number.isFinite(value)) return value;
  return otherwise > 0 && Number.isFinite(otherwise) ? otherwise : 1;
}

function largestOf(values: Float64Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}
