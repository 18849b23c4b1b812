import type { RegularSeries } from '../model/series.ts';
import type { Millis } from '../model/time.ts';

/** Samples as they came: in any order, some twice, some not finite. */
export interface LooseSamples {
  readonly times: ArrayLike<Millis>;
  readonly values: ArrayLike<number>;
}

/** Instants `phaseMs + i * stepMs`. */
export interface Grid {
  readonly stepMs: number;
  readonly phaseMs: number;
}

export interface RegularOptions extends Grid {
  /** The last instant wanted; the newest sample's bin where it is left out. Later samples count as outside. */
  readonly end?: Millis;
  /** The longest series to make, in steps, counted back from the end. */
  readonly mostSteps?: number;
}

/** A regular series and what became of the samples that are not in it. */
export interface Prepared {
  readonly series: RegularSeries;
  /** Samples averaged with others of their bin. */
  readonly merged: number;
  /** Samples left out, by reason. */
  readonly dropped: { readonly notFinite: number; readonly outside: number };
}

/** A grid longer than this is a mistake in a timestamp, not a history: the oldest steps are cut off. */
export const MOST_STEPS = 1_000_000;

/**
 * Puts samples on a grid. The value at t is the mean of the samples in (t - step, t]; a bin without samples is NaN.
 * Order does not matter, samples that share a time are averaged, values that are not finite are left out.
 *
 * @throws {RangeError} If the step is not above zero.
 */
export function toRegular({ times, values }: LooseSamples, options: RegularOptions): Prepared {
  const { stepMs, phaseMs, mostSteps = MOST_STEPS } = options;
  if (!(stepMs > 0)) throw new RangeError(`stepMs must be above zero, got ${stepMs}`);
  const binOf = (t: Millis) => Math.ceil((t - phaseMs) / stepMs);
  let oldest = Number.POSITIVE_INFINITY;
  let newest = Number.NEGATIVE_INFINITY;
  let notFinite = 0;
  for (let i = 0; i < times.length; i++) {
    if (!isUsable(times[i]!, values[i]!)) {
      notFinite++;
      continue;
    }
    oldest = Math.min(oldest, times[i]!);
    newest = Math.max(newest, times[i]!);
  }
  const end = options.end === undefined ? binOf(newest) : Math.floor((options.end - phaseMs) / stepMs);
  if (oldest > newest || binOf(oldest) > end) {
    const outside = times.length - notFinite;
    return { series: emptyUntil(end, options), merged: 0, dropped: { notFinite, outside } };
  }
  const start = Math.max(binOf(oldest), end - mostSteps + 1);
  const means = new Float64Array(end - start + 1).fill(Number.NaN);
  const counts = new Uint32Array(means.length);
  let outside = 0;
  let merged = 0;
  for (let i = 0; i < times.length; i++) {
    if (!isUsable(times[i]!, values[i]!)) continue;
    const bin = binOf(times[i]!) - start;
    if (bin < 0 || bin >= means.length) {
      outside++;
      continue;
    }
    const count = counts[bin]! + 1;
    counts[bin] = count;
    if (count > 1) merged++;
    // A running mean: a sum of enormous values would overflow.
    means[bin] = count === 1 ? values[i]! : means[bin]! + (values[i]! / count - means[bin]! / count);
  }
  return {
    series: { start: start * stepMs + phaseMs, stepMs, values: means },
    merged,
    dropped: { notFinite, outside },
  };
}

/**
 * The grid of irregular samples: the step is the median distance between neighbours in time (to a second where it is
 * above ten), the phase that of the samples when all share one, else zero: daily stamps at 06:00 stay at 06:00.
 * @returns Undefined where there are not two different times.
 */
export function inferGrid(times: ArrayLike<Millis>, stepMs?: number): Grid | undefined {
  const step = stepMs ?? inferStep(times);
  if (Number.isNaN(step)) return undefined;
  const phase = modulo(times[0]!, step);
  for (let i = 0; i < times.length; i++) if (modulo(times[i]!, step) !== phase) return { stepMs: step, phaseMs: 0 };
  return { stepMs: step, phaseMs: phase };
}

function inferStep(times: ArrayLike<Millis>): number {
  const sorted = Float64Array.from(times).filter(Number.isFinite).sort();
  const gaps: number[] = [];
  for (let i = 1; i < sorted.length; i++) if (sorted[i]! > sorted[i - 1]!) gaps.push(sorted[i]! - sorted[i - 1]!);
  if (gaps.length === 0) return Number.NaN;
  gaps.sort((a, b) => a - b);
  const median = gaps[gaps.length >> 1]!;
  return median > 10_000 ? Math.round(median / 1000) * 1000 : median;
}

function isUsable(time: number, value: number): boolean {
  return Number.isFinite(time) && Number.isFinite(value);
}

function emptyUntil(end: number, { stepMs, phaseMs }: Grid): RegularSeries {
  const start = Number.isFinite(end) ? (end + 1) * stepMs + phaseMs : phaseMs;
  return { start, stepMs, values: new Float64Array(0) };
}

function modulo(time: number, step: number): number {
  return time - Math.floor(time / step) * step;
}
