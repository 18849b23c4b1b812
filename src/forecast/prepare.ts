import type { RegularSeries } from '../model/series.ts';
import type { Millis } from '../model/time.ts';

/** Samples as they came: in any order, some twice, some not finite. */
export interface LooseSamples {
  readonly times: ArrayLike<Millis>;
  readonly values: ArrayLike<number>;
}

export interface RegularOptions {
  readonly stepMs: number;
  /** The grid's last instant; the newest sample's bin where it is left out. */
  readonly end?: Millis;
  /** The longest series to make, in steps, counted back from the end. */
  readonly mostSteps?: number;
}

/** A regular series and what became of the samples that are not in it. */
export interface Prepared {
  readonly series: RegularSeries;
  /** Samples that were averaged with others of their bin, and those left out by reason. */
  readonly merged: number;
  readonly dropped: { readonly notFinite: number; readonly outside: number };
}

/** A grid longer than this is a mistake in a timestamp, not a history: the oldest steps are cut off. */
const MOST_STEPS = 2_000_000;

/**
 * Puts samples on a grid of multiples of the step since the epoch. The value at t is the mean of the samples in
 * (t - step, t]; a bin without samples is NaN. Order does not matter, a time that comes twice is averaged, and values
 * that are not finite are left out. A grid that steps in days is aligned to the newest sample's time of day.
 */
export function toRegular({ times, values }: LooseSamples, options: RegularOptions): Prepared {
  const { stepMs, mostSteps = MOST_STEPS } = options;
  if (!(stepMs > 0)) throw new RangeError(`stepMs must be above zero, got ${stepMs}`);
  let first = Number.POSITIVE_INFINITY;
  let newest = Number.NEGATIVE_INFINITY;
  let notFinite = 0;
  for (let i = 0; i < times.length; i++) {
    if (!Number.isFinite(values[i]!) || !Number.isFinite(times[i]!)) {
      notFinite++;
      continue;
    }
    first = Math.min(first, times[i]!);
    newest = Math.max(newest, times[i]!);
  }
  if (first > newest) {
    return {
      series: { start: options.end ?? 0, stepMs, values: new Float64Array(0) },
      merged: 0,
      dropped: { notFinite, outside: 0 },
    };
  }
  const phase = options.end ?? newest;
  const origin = phase - Math.floor(phase / stepMs) * stepMs;
  // Samples that lie on one regular grid keep it: daily stamps at 06:00 stay at 06:00.
  const shift = onGrid(times, values, origin, stepMs) || options.end !== undefined ? origin : 0;
  const binOf = (t: Millis) => Math.ceil((t - shift) / stepMs);
  const end = options.end === undefined ? binOf(newest) : binOf(options.end);
  const start = Math.max(Math.min(binOf(first), end + 1), end - mostSteps + 1);
  const sums = new Float64Array(end - start + 1);
  const counts = new Uint32Array(sums.length);
  let outside = 0;
  let merged = 0;
  for (let i = 0; i < times.length; i++) {
    if (!Number.isFinite(values[i]!) || !Number.isFinite(times[i]!)) continue;
    const bin = binOf(times[i]!) - start;
    if (bin < 0 || bin >= sums.length) {
      outside++;
      continue;
    }
    const count = counts[bin]! + 1;
    counts[bin] = count;
    if (count > 1) merged++;
    // A running mean: a sum of enormous values would overflow.
    sums[bin] = sums[bin]! + (values[i]! - sums[bin]!) / count;
  }
  for (let bin = 0; bin < sums.length; bin++) if (counts[bin] === 0) sums[bin] = Number.NaN;
  return { series: { start: start * stepMs + shift, stepMs, values: sums }, merged, dropped: { notFinite, outside } };
}

function onGrid(times: ArrayLike<Millis>, values: ArrayLike<number>, origin: number, stepMs: number): boolean {
  for (let i = 0; i < times.length; i++) {
    if (Number.isFinite(values[i]!) && Math.abs(((times[i]! - origin) / stepMs) % 1) > 1e-9) return false;
  }
  return true;
}

/**
 * The step of irregular samples: the median distance between neighbours in time, of which whole seconds are taken where
 * it is above ten. NaN where there are not two different times.
 */
export function inferStep(times: ArrayLike<Millis>): number {
  const sorted = Float64Array.from(times).filter(Number.isFinite).sort();
  const gaps: number[] = [];
  for (let i = 1; i < sorted.length; i++) if (sorted[i]! > sorted[i - 1]!) gaps.push(sorted[i]! - sorted[i - 1]!);
  if (gaps.length === 0) return Number.NaN;
  gaps.sort((a, b) => a - b);
  const median = gaps[gaps.length >> 1]!;
  return median > 10_000 ? Math.round(median / 1000) * 1000 : median;
}
