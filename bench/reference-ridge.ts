import { choleskyInPlace, solveCholesky } from '../src/numeric/cholesky.ts';
import { addRow, type NormalEquations, normalEquations, solveRidgeInPlace } from '../src/numeric/normal-equations.ts';
import { quantile } from '../src/numeric/quantile.ts';

/** What our forecasts are measured beside: one ridge with split-conformal residuals, as plain as it gets. */
export interface ReferenceForecast {
  readonly point: Float64Array;
  readonly lower: Float64Array;
  readonly upper: Float64Array;
}

const LAGS = 168;
const CENTRE = 24;
const LAMBDA = 0.3;
const ORIGINS = 14;
const ORIGINS_APART = 12;
const POOLED = 3;

/**
 * Hourly values: a week of logs less the mean of the last day, mapped to all steps by one ridge, with a 95 % interval
 * from the residuals of 14 rolling origins 12 h apart (the ridge fitted anew at each), pooled over neighbouring steps.
 */
export function referenceHourly(values: Float64Array, horizon: number): ReferenceForecast {
  const z = values.map((value) => Math.log(Math.max(value, 1e-9)));
  const ends = Array.from({ length: ORIGINS }, (_, i) => z.length - horizon - i * ORIGINS_APART).reverse();
  const guesses = windowRidges(z, [...ends, z.length], horizon);
  const point = guesses.pop()!;
  const residuals = guesses.map((own, i) => own.map((guess, step) => z[ends[i]! + step]! - guess));
  const lower = new Float64Array(horizon);
  const upper = new Float64Array(horizon);
  for (let step = 0; step < horizon; step++) {
    const pool = Float64Array.from(
      residuals.flatMap((own) => [...own.slice(Math.max(0, step - POOLED), step + POOLED + 1)]),
    );
    const margin = quantile(pool.map(Math.abs), Math.min(1, 0.95 * (1 + 1 / pool.length)));
    lower[step] = Math.exp(point[step]! - margin);
    upper[step] = Math.exp(point[step]! + margin);
  }
  return { point: point.map(Math.exp), lower, upper };
}

/** For each end, in ascending order, the logs of the `horizon` values after it, by what comes before: rows are taken in once. */
function windowRidges(z: Float64Array, ends: readonly number[], horizon: number): Float64Array[] {
  const gram = new Float64Array(LAGS * LAGS);
  const moments = Array.from({ length: horizon }, () => new Float64Array(LAGS));
  const x = new Float64Array(LAGS);
  let t = LAGS;
  return ends.map((end) => {
    for (; t + horizon <= end; t++) {
      const level = writeWindow(z, t, x);
      for (let i = 0; i < LAGS; i++) for (let j = 0; j <= i; j++) gram[i * LAGS + j]! += x[i]! * x[j]!;
      for (let h = 0; h < horizon; h++) for (let i = 0; i < LAGS; i++) moments[h]![i]! += x[i]! * (z[t + h]! - level);
    }
    const factor = gram.slice();
    for (let i = 0; i < LAGS; i++) factor[i * LAGS + i]! += LAMBDA;
    if (!choleskyInPlace(factor, LAGS)) throw new Error('cannot solve the reference ridge');
    const level = writeWindow(z, end, x);
    return Float64Array.from(moments, (moment) => {
      const coefficients = moment.slice();
      solveCholesky(factor, LAGS, coefficients);
      return coefficients.reduce((sum, coefficient, i) => sum + coefficient * x[i]!, level);
    });
  });
}

function writeWindow(z: Float64Array, end: number, x: Float64Array): number {
  let level = 0;
  for (let t = end - CENTRE; t < end; t++) level += z[t]! / CENTRE;
  for (let lag = 0; lag < LAGS; lag++) x[lag] = z[end - 1 - lag]! - level;
  return level;
}

const PEAK_LAGS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 18, 24, 36, 72, 144];
/** Residuals behind the quantile: a week's, at every fifth minute. */
const PEAK_RESIDUALS = 2016;
const PEAK_EVERY = 5;

/** The 0.95 quantile of the largest of the next `window` values of a 1-minute series, as seen at each origin in turn. */
export interface ReferencePeak {
  /** Learns from all values before `end`. */
  refit(end: number): void;
  /** Origins ascend; values up to the origin are read, and no others. */
  upper(origin: number): number;
}

export function referencePeak(values: Float64Array, start: number, fitEnd: number, window: number): ReferencePeak {
  const known = values.slice(start, fitEnd).filter((value) => value > 0);
  const scale = quantile(known, 0.5) || 1;
  const day = 1440;
  const z = values.map((value) => Math.log1p(Math.max(0, value) / scale));
  for (let t = 1; t < z.length; t++) if (Number.isNaN(z[t]!)) z[t] = z[t - 1]!;
  const p = PEAK_LAGS.length + 12;
  const x = new Float64Array(p);
  const first = start + day + Math.max(144, window + 2);
  const equations = normalEquations(p);
  let coefficients = new Float64Array(p);
  let next = first;
  const residuals: number[] = [];
  const waiting: { readonly origin: number; readonly guess: number }[] = [];

  function peakAfter(origin: number): number {
    let most = Number.NEGATIVE_INFINITY;
    for (let t = origin + 1; t <= origin + window; t++) most = Math.max(most, z[t]!);
    return most;
  }

  function write(origin: number): void {
    const last = z[origin]!;
    let at = 0;
    x[at++] = 1;
    x[at++] = last;
    for (const lag of PEAK_LAGS) x[at++] = z[origin - lag]! - last;
    x[at++] = peakAfter(origin - window) - last;
    x[at++] = peakAfter(origin - day) - last;
    for (const lag of [-2, 0, 2]) x[at++] = z[origin - day + window + lag]! - last;
    x[at++] = z[origin - day]! - last;
    for (const k of [1, 2]) {
      const angle = (2 * Math.PI * k * (origin % day)) / day;
      x[at++] = Math.cos(angle);
      x[at++] = Math.sin(angle);
    }
  }

  function guessAt(origin: number): number {
    write(origin);
    return coefficients.reduce((sum, coefficient, i) => sum + coefficient * x[i]!, z[origin]!);
  }

  function learn(equationsSoFar: NormalEquations, end: number): void {
    for (; next + window < end; next += 3) {
      write(next);
      addRow(equationsSoFar, x, peakAfter(next) - z[next]!);
    }
    coefficients = equationsSoFar.moment.slice();
    if (!solveRidgeInPlace(equationsSoFar.gram.slice(), coefficients, 0.001))
      throw new Error('cannot solve the peak ridge');
  }

  // The first residuals are those of the last week of the history, by a fit on what comes before it.
  const held = Math.min(PEAK_RESIDUALS * PEAK_EVERY, Math.floor((fitEnd - first) / 3));
  learn(equations, fitEnd - held);
  for (let origin = fitEnd - held; origin + window < fitEnd; origin += PEAK_EVERY) {
    residuals.push(peakAfter(origin) - guessAt(origin));
  }
  learn(equations, fitEnd);

  return {
    refit: (end) => learn(equations, end),
    upper(origin) {
      while (waiting.length > 0 && waiting[0]!.origin + window <= origin) {
        const due = waiting.shift()!;
        residuals.push(peakAfter(due.origin) - due.guess);
        if (residuals.length > PEAK_RESIDUALS) residuals.shift();
      }
      const guess = guessAt(origin);
      if (origin % PEAK_EVERY === 0) waiting.push({ origin, guess });
      const margin = quantile(Float64Array.from(residuals), Math.min(1, 0.95 * (1 + 1 / residuals.length)));
      return scale * Math.expm1(guess + margin);
    },
  };
}
