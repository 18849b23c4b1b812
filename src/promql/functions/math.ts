import { greater, smaller } from '../numeric.ts';
import type { Value, Vector } from '../value.ts';
import { PIECE_CELLS, type Work } from '../work.ts';
import { mapped, scalarArg, vectorArg } from './arguments.ts';

export const EACH: Readonly<Record<string, (value: number) => number>> = {
  abs: Math.abs,
  ceil: Math.ceil,
  floor: Math.floor,
  exp: Math.exp,
  ln: Math.log,
  log2: Math.log2,
  log10: Math.log10,
  sqrt: Math.sqrt,
  acos: Math.acos,
  acosh: Math.acosh,
  asin: Math.asin,
  asinh: Math.asinh,
  atan: Math.atan,
  atanh: Math.atanh,
  cos: Math.cos,
  // As Go has them, which overflow with the exponential.
  cosh: (value) => (Math.abs(value) > 21 ? Math.exp(Math.abs(value)) / 2 : Math.cosh(value)),
  sin: Math.sin,
  sinh: (value) => (Math.abs(value) > 21 ? (Math.sign(value) * Math.exp(Math.abs(value))) / 2 : Math.sinh(value)),
  tan: Math.tan,
  tanh: Math.tanh,
  deg: (value) => (value * 180) / Math.PI,
  rad: (value) => (value * Math.PI) / 180,
  sgn: (value) => (value < 0 ? -1 : value > 0 ? 1 : value),
};

export function clamp(args: readonly Value[]): Work<Vector> {
  return clampBetween(vectorArg(args, 0), scalarArg(args, 1), scalarArg(args, 2));
}

export function clampMin(args: readonly Value[]): Work<Vector> {
  const low = scalarArg(args, 1);
  return clampBetween(vectorArg(args, 0), low, new Float64Array(low.length).fill(Number.POSITIVE_INFINITY));
}

export function clampMax(args: readonly Value[]): Work<Vector> {
  const high = scalarArg(args, 1);
  return clampBetween(vectorArg(args, 0), new Float64Array(high.length).fill(Number.NEGATIVE_INFINITY), high);
}

/** Nothing where the bounds cross. */
function* clampBetween(vector: Vector, low: Float64Array, high: Float64Array): Work<Vector> {
  const clamped = yield* mapped(vector, low.length, (value, step) => greater(low[step]!, smaller(high[step]!, value)));
  for (let cell = 0; cell < clamped.present.length; cell++) {
    const step = cell % low.length;
    if (cell % PIECE_CELLS === 0) yield;
    if (high[step]! < low[step]!) clamped.present[cell] = 0;
  }
  return clamped;
}

/** To the nearest multiple of the second argument (1); ties go up. */
export function round(args: readonly Value[]): Work<Vector> {
  const vector = vectorArg(args, 0);
  const nearest = args.length > 1 ? scalarArg(args, 1) : undefined;
  if (nearest === undefined) return mapped(vector, 1, (value) => Math.floor(value + 0.5));
  return mapped(vector, nearest.length, (value, step) => {
    // Dividing by the inverse loses fewer digits than multiplying.
    const inverse = 1 / nearest[step]!;
    return Math.floor(value * inverse + 0.5) / inverse;
  });
}
