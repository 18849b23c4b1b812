import { choleskyInPlace, solveCholesky } from '../../numeric/cholesky.ts';
import { placeBetween } from '../knots.ts';
import { localSteps, movedBy } from '../local-clock.ts';
import { blockMean, isOrdinary, type Track } from '../track.ts';
import type { Model, ModelContext } from './model.ts';

export interface WindowRidgeOptions {
  readonly name: string;
  /** Lags used: a whole season, so that the map sees every phase. */
  readonly lags: number;
  /** The window is taken relative to the mean of its last `centre` values. */
  readonly centre: number;
  /** Relative to the mean diagonal of the normal equations. */
  readonly lambda: number;
}

/**
 * One linear map from a whole window of lags to all horizons. Needs no calendar: the map finds the phases by itself.
 * Meant for coarse steps, where a week is at most a few hundred lags.
 */
export function windowRidge(
  { knots, maxGap }: ModelContext,
  { name, lags, centre, lambda }: WindowRidgeOptions,
): Model {
  const farthest = knots[knots.length - 1]!;
  const gram = new Float64Array(lags * lags);
  const moments = Array.from(knots, () => new Float64Array(lags));
  const coefficients = Array.from(knots, () => new Float64Array(lags));
  const x = new Float64Array(lags);
  let next = lags - 1;
  let rows = 0;
  let solved = false;

  return {
    name,
    refit(track) {
      for (; next + farthest < track.length; next++) {
        // A map from local time to local time: rows whose horizons cross a change of the clock do not fit in.
        if (!isUsable(track, next, lags, farthest) || localSteps(track, next, farthest) !== farthest) continue;
        const level = writeWindow(track, next, lags, centre, x);
        addSquare(gram, x);
        for (let k = 0; k < knots.length; k++) addScaled(moments[k]!, x, track.z[next + knots[k]!]! - level);
        rows++;
      }
      if (rows < lags / 4) return;
      solved = solveAll(gram, moments, coefficients, lambda);
    },
    predict(track, origin, horizons, out) {
      if (!solved || origin < lags - 1) {
        out.fill(Number.NaN);
        return;
      }
      const level = writeWindow(track, origin, lags, centre, x);
      for (let i = 0; i < horizons.length; i++) {
        const { low, high, share } = placeBetween(knots, Math.max(1, localSteps(track, origin, horizons[i]!)));
        if (share > 0 && knots[high]! - knots[low]! > maxGap) {
          out[i] = Number.NaN;
          continue;
        }
        let ahead = dot(coefficients[low]!, x);
        if (share > 0) ahead += share * (dot(coefficients[high]!, x) - ahead);
        out[i] = level + ahead;
      }
    },
  };
}

function isUsable(track: Track, origin: number, lags: number, farthest: number): boolean {
  let missing = 0;
  for (let t = origin - lags + 1; t <= origin; t++) if (!isOrdinary(track, t)) missing++;
  if (missing > lags / 10) return false;
  for (let t = origin + 1; t <= origin + farthest; t++) if (!isOrdinary(track, t)) return false;
  return true;
}

function writeWindow(track: Track, origin: number, lags: number, centre: number, x: Float64Array): number {
  const level = blockMean(track, origin + 1 - centre, origin + 1);
  for (let lag = 0; lag < lags; lag++) x[lag] = track.z[Math.max(0, movedBy(track, origin, -lag))]! - level;
  return level;
}

function addSquare(gram: Float64Array, x: Float64Array): void {
  const p = x.length;
  for (let i = 0; i < p; i++) {
    const xi = x[i]!;
    const row = i * p;
    for (let j = 0; j <= i; j++) gram[row + j] = gram[row + j]! + xi * x[j]!;
  }
}

function addScaled(sum: Float64Array, x: Float64Array, by: number): void {
  for (let i = 0; i < x.length; i++) sum[i] = sum[i]! + x[i]! * by;
}

function solveAll(
  gram: Float64Array,
  moments: readonly Float64Array[],
  coefficients: readonly Float64Array[],
  lambda: number,
): boolean {
  const factor = gram.slice();
  const p = moments[0]!.length;
  let trace = 0;
  for (let i = 0; i < p; i++) trace += gram[i * p + i]!;
  for (let i = 0; i < p; i++) factor[i * p + i] = factor[i * p + i]! + (lambda * trace) / p + 1e-12;
  if (!choleskyInPlace(factor, p)) return false;
  for (let k = 0; k < moments.length; k++) {
    coefficients[k]!.set(moments[k]!);
    solveCholesky(factor, p, coefficients[k]!);
  }
  return true;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
