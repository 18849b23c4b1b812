import type { RegularSeries } from '../model/series.ts';
import { DAY, HOUR, WEEK } from '../model/time.ts';
import { maskedAutocorrelation } from '../numeric/fft.ts';
import { fitTransform, toModel } from './transform.ts';

/** A season length that the data bears out. */
export interface Season {
  /** In steps of the series. */
  readonly length: number;
  /** Autocorrelation at that length after removing the trend, -1 to 1. */
  readonly autocorrelation: number;
}

/** Lengths that demand has because people and cron jobs have them. */
const CANDIDATES = [HOUR, 12 * HOUR, DAY, WEEK];
const LEAST_AUTOCORRELATION = 0.1;
/** Cycles needed to tell a season from one coincidence. */
const LEAST_CYCLES = 2.5;
/** Longer series are averaged down to about this many blocks first: a season of a day needs no seconds. */
const MOST_BLOCKS = 8192;
/** Steps that a season must have to show a shape. */
const LEAST_STEPS = 4;
/** Standard errors that the likeness of separate cycles must lie above zero. */
const SIGNIFICANCE = 4;
/** Points at which cycles are compared. */
const PHASES = 12;

/**
 * The calendar seasons that a series has: a local maximum of its masked autocorrelation near the candidate, above 0.1,
 * confirmed by cycles that resemble each other, which those of wandering noise do not.
 */
export function findSeasons(
  { stepMs, values }: RegularSeries,
  candidatesMs: readonly number[] = CANDIDATES,
): readonly Season[] {
  const transform = fitTransform(values);
  const found: Season[] = [];
  for (const candidate of candidatesMs) {
    const length = Math.round(candidate / stepMs);
    if (length < LEAST_STEPS || values.length < LEAST_CYCLES * length) continue;
    const block = Math.max(1, Math.min(Math.floor(length / 24), Math.ceil(values.length / MOST_BLOCKS)));
    const z = blockMeans(
      values.map((value) => toModel(transform, value)),
      block,
    );
    const period = length / block;
    const autocorrelation = peakNear(withoutTrend(z, Math.round(period)), period);
    if (autocorrelation < LEAST_AUTOCORRELATION || !cyclesAgree(z, period)) continue;
    found.push({ length, autocorrelation });
  }
  // Half a day is part of the shape of a day where there is one.
  const day = Math.round(DAY / stepMs);
  const halfDay = found.some(({ length }) => length === day) ? Math.round((12 * HOUR) / stepMs) : 0;
  return found.filter(({ length }) => length !== halfDay);
}

/** Means of blocks over what is known; NaN where under half of a block is. */
function blockMeans(values: Float64Array, block: number): Float64Array {
  if (block === 1) return values;
  const means = new Float64Array(Math.floor(values.length / block));
  for (let i = 0; i < means.length; i++) {
    let sum = 0;
    let known = 0;
    for (let t = i * block; t < (i + 1) * block; t++) {
      if (Number.isNaN(values[t]!)) continue;
      sum += values[t]!;
      known++;
    }
    means[i] = 2 * known >= block ? sum / known : Number.NaN;
  }
  return means;
}

/** Subtracts a moving mean over one period, so that neither a trend nor a slow wander looks like a season. */
function withoutTrend(z: Float64Array, period: number): Float64Array {
  const half = Math.floor(period / 2);
  const sums = new Float64Array(z.length + 1);
  const counts = new Uint32Array(z.length + 1);
  for (let i = 0; i < z.length; i++) {
    const known = !Number.isNaN(z[i]!);
    sums[i + 1] = sums[i]! + (known ? z[i]! : 0);
    counts[i + 1] = counts[i]! + (known ? 1 : 0);
  }
  return z.map((value, i) => {
    const from = Math.max(0, i - half);
    const to = Math.min(z.length, i + half + 1);
    return value - (sums[to]! - sums[from]!) / (counts[to]! - counts[from]!);
  });
}

/** The autocorrelation at the period if that is a local maximum (two per cent either way), else below any threshold. */
function peakNear(z: Float64Array, period: number): number {
  const slack = Math.max(1, Math.round(period / 50));
  const centre = Math.round(period);
  const wide = Math.max(2 * slack, Math.round(period / 6));
  const acf = maskedAutocorrelation(z, centre + wide);
  let best = Number.NEGATIVE_INFINITY;
  for (let lag = centre - slack; lag <= centre + slack; lag++) best = Math.max(best, acf[lag]!);
  const before = acf[centre - wide]!;
  const after = acf[centre + wide]!;
  return best > before && best > after ? best : Number.NEGATIVE_INFINITY;
}

/**
 * Whether the shapes of separate cycles are alike: the mean correlation of all pairs must lie clearly above zero. Cycles
 * of noise are not alike, however strongly neighbours in time hang together. A week of equal days passes as well.
 */
function cyclesAgree(z: Float64Array, period: number): boolean {
  const cycles = Math.floor(z.length / period);
  const shapes: Float64Array[] = [];
  for (let c = 0; c < cycles; c++) {
    const shape = shapeOf(z, z.length - (c + 1) * period, period);
    if (shape !== undefined) shapes.push(shape);
  }
  if (shapes.length < 2) return false;
  let sum = 0;
  let pairs = 0;
  for (let a = 0; a < shapes.length; a++) {
    for (let b = a + 1; b < shapes.length; b++) {
      let product = 0;
      for (let i = 0; i < PHASES; i++) product += shapes[a]![i]! * shapes[b]![i]!;
      sum += product;
      pairs++;
    }
  }
  // A smooth random shape has about four degrees of freedom, so one correlation has a standard error of a half.
  return sum / pairs > (SIGNIFICANCE * 0.5) / Math.sqrt(Math.max(pairs, shapes.length * 2)) || sum / pairs > 0.9;
}

/** One cycle at twelve phases, its own mean and slope removed, of length one; undefined where a phase is unknown. */
function shapeOf(z: Float64Array, from: number, period: number): Float64Array | undefined {
  const shape = new Float64Array(PHASES);
  for (let i = 0; i < PHASES; i++) {
    let sum = 0;
    let known = 0;
    const end = Math.max(Math.round(from + ((i + 1) * period) / PHASES), Math.round(from + (i * period) / PHASES) + 1);
    for (let t = Math.round(from + (i * period) / PHASES); t < end; t++) {
      if (!(t >= 0 && t < z.length) || Number.isNaN(z[t]!)) continue;
      sum += z[t]!;
      known++;
    }
    if (known === 0) return undefined;
    shape[i] = sum / known;
  }
  const middle = (PHASES - 1) / 2;
  const mean = shape.reduce((a, b) => a + b, 0) / PHASES;
  let slope = 0;
  let spread = 0;
  shape.forEach((value, i) => {
    slope += (i - middle) * (value - mean);
    spread += (i - middle) ** 2;
  });
  let size = 0;
  for (let i = 0; i < PHASES; i++) {
    shape[i] = shape[i]! - mean - (slope / spread) * (i - middle);
    size += shape[i]! * shape[i]!;
  }
  if (!(size > 0)) return undefined;
  const norm = Math.sqrt(size);
  return shape.map((value) => value / norm);
}
