import type { RegularSeries } from '../model/series.ts';
import { DAY, HOUR, MINUTE, WEEK } from '../model/time.ts';
import { quantileSorted } from '../numeric/quantile.ts';
import { likenessOf } from './cycles.ts';
import { type SpectralPeak, spectralPeaks } from './free-seasons.ts';
import type { LocalClock } from './local-clock.ts';
import { localGrid } from './local-grid.ts';
import { fitTransform, toModel } from './transform.ts';

/** A season length that the data bears out. */
export interface Season {
  /** In steps of the series. */
  readonly length: number;
  /** Autocorrelation at that length after removing the trend, -1 to 1. */
  readonly autocorrelation: number;
}

/** A season length that was looked at, and why it is one or is not. */
export interface SeasonCandidate extends Season {
  readonly lengthMs: number;
  /** Where it came from: people's calendar, or the series' own spectrum. */
  readonly origin: 'calendar' | 'spectrum';
  readonly verdict: SeasonVerdict;
  /** Whole cycles compared. */
  readonly cycles: number;
  /** Share of the variance about the slow trend that repeating the mean of the other cycles explains, 0 to 1. */
  readonly strength: number;
  /** One less a bound on the chance that cycles which have nothing in common look so alike, 0 to 1. */
  readonly confidence: number;
}

export type SeasonVerdict =
  | 'found'
  /** The step is too long for a season of this length to have a shape. */
  | 'too-few-steps'
  | 'too-few-cycles'
  /** The series does not resemble itself one season later, or does so no more than somewhat sooner or later. */
  | 'no-peak'
  /** Separate cycles do not resemble each other: chance, or a rhythm that does not keep time. */
  | 'cycles-differ'
  /** It is part of the shape of a season that was found. */
  | 'part-of-another';

/** Lengths that demand has because people and cron jobs have them. Ascending. */
const CALENDAR = [HOUR, 12 * HOUR, DAY, WEEK];
const LEAST_AUTOCORRELATION = 0.1;
/** Cycles needed to tell a season from one coincidence; a week of days that are there already needs two. */
const LEAST_CYCLES = 2.5;
const LEAST_CYCLES_OF_DAYS = 2;
/** Steps that a season must have to show a shape. */
const LEAST_STEPS = 4;
/** Standard errors that the likeness of separate cycles must lie above zero. */
const SIGNIFICANCE = 4;
/** A free season must explain this much besides: thousands of lengths were looked at. */
const LEAST_FREE_STRENGTH = 0.1;
const LEAST_WEEK_STRENGTH = 0.05;
/** Cycles that a free season must have, as the hints do. */
const LEAST_FREE_CYCLES = 6;
/** Hints that are looked at, of each scale, and free candidates that are judged. */
const MOST_HINTS = 24;
const MOST_FREE = 5;
/** Harmonics that are always the shape of the season rather than a rhythm of their own: of a day, from three hours. */
const SHAPE_HARMONICS = 8;
/** A season that resembles itself less than this, compared with a multiple of it, is part of the multiple's shape. */
const PART_SHARE = 0.8;
/** Lengths that people choose are whole numbers of these. */
const ROUND = [HOUR, 30 * MINUTE, 10 * MINUTE, 5 * MINUTE, MINUTE];
/** Likeness that convinces even where there are two cycles. */
const SURE_LIKENESS = 0.9;
/** Longer series are averaged down to about this many blocks first: a season of a day needs no seconds. */
const MOST_BLOCKS = 8192;
/** Values that say well enough how the values are distributed. */
const SAMPLED = 1024;
/** Blocks in a cycle that are enough to place a calendar season. */
const BLOCKS_A_CYCLE = 96;

/** The seasons that a series has, shortest first. */
export function findSeasons(series: RegularSeries, clock?: LocalClock): readonly Season[] {
  return explainSeasons(series, clock).filter(({ verdict }) => verdict === 'found');
}

/**
 * Looks for the calendar's seasons (an hour, half a day, a day, a week) and then for any other that stands out from the
 * series' spectrum. A season is a local maximum of the masked autocorrelation above 0.1, confirmed by cycles that resemble
 * each other, which those of wandering noise do not. A week of equal days counts as a week.
 * @param clock Where the wall clock changes: the calendar's seasons keep its time, any other that of the steps.
 * @returns Candidates with their verdicts, ascending by length.
 */
export function explainSeasons({ stepMs, values }: RegularSeries, clock?: LocalClock): readonly SeasonCandidate[] {
  const z = steadied(values);
  const grid = localGrid(clock, z.length);
  const local = (some: Float64Array) => grid?.toLocal(some) ?? some;
  const calendar = judgeCalendar(local(z), stepMs);
  const free = judgeFree(z, stepMs, calendar);
  const rhythms = free.filter(isFound);
  // What repeats after 90 minutes does so after a day: the calendar is asked again without it.
  const rest = rhythms.reduce((left, { length }) => withoutProfile(left, length), z);
  const settled = rhythms.length === 0 ? calendar : judgeCalendar(local(rest), stepMs, calendar);
  return [...settled, ...free].sort((a, b) => a.lengthMs - b.lengthMs);
}

const isFound = ({ verdict }: SeasonCandidate) => verdict === 'found';

/** @param before Verdicts before other rhythms were taken out of `z`. */
function judgeCalendar(
  z: Float64Array,
  stepMs: number,
  before: readonly SeasonCandidate[] = [],
): readonly SeasonCandidate[] {
  const judged: SeasonCandidate[] = [];
  const hasDay = () => judged.some((one) => one.lengthMs === DAY && isFound(one));
  for (const lengthMs of CALENDAR) {
    const ofDays = lengthMs > DAY && hasDay();
    const now = judge(z, { length: Math.round(lengthMs / stepMs), lengthMs, origin: 'calendar', ofDays });
    const lost = !isFound(now) && before.some((one) => one.lengthMs === lengthMs && isFound(one));
    judged.push(lost ? { ...now, verdict: 'part-of-another' } : now);
  }
  // Half a day is part of the shape of a day where there is one.
  if (!hasDay()) return judged;
  return judged.map((one) =>
    one.lengthMs === DAY / 2 && isFound(one) ? { ...one, verdict: 'part-of-another' as const } : one,
  );
}

/** In model space, with what lies absurdly far out brought in: a spike of a cron job stays, a broken sample does not rule. */
function steadied(values: Float64Array): Float64Array {
  const sorted = sampleOf(values).sort();
  const transform = fitTransform(sorted);
  const [low, middle, high] = [0.01, 0.5, 0.99].map((q) =>
    toModel(transform, quantileSorted(sorted, sorted.length, q)),
  );
  const least = middle! - 2 * (middle! - low!);
  const most = middle! + 2 * (high! - middle!);
  return values.map((value) => {
    if (!Number.isFinite(value)) return Number.NaN;
    const at = toModel(transform, value);
    return at < least ? least : at > most ? most : at;
  });
}

/** Finite values, about a thousand of them where there are more, spread so that no period is favoured. */
function sampleOf(values: Float64Array): Float64Array {
  if (values.length <= 2 * SAMPLED) return values.filter(Number.isFinite);
  const golden = (Math.sqrt(5) - 1) / 2;
  const some = Float64Array.from(
    { length: SAMPLED },
    (_, i) => values[Math.floor(((i * golden) % 1) * values.length)]!,
  );
  const known = some.filter(Number.isFinite);
  return 4 * known.length >= SAMPLED ? known : values.filter(Number.isFinite);
}

interface Question {
  readonly length: number;
  readonly lengthMs: number;
  readonly origin: SeasonCandidate['origin'];
  /** Whether its days are known to be a season: then only what a week adds is asked. */
  readonly ofDays?: boolean;
  /** Longer seasons of which it may be part. */
  readonly multiples?: readonly number[];
}

function judge(z: Float64Array, question: Question): SeasonCandidate {
  const { length, lengthMs, origin, ofDays = false, multiples = [] } = question;
  const nothing = { length, lengthMs, origin, cycles: 0, autocorrelation: 0, strength: 0, confidence: 0 };
  if (length < LEAST_STEPS) return { ...nothing, verdict: 'too-few-steps' };
  const had = Math.floor(z.length / length);
  if (z.length < (ofDays ? LEAST_CYCLES_OF_DAYS : LEAST_CYCLES) * length) {
    return { ...nothing, cycles: had, verdict: 'too-few-cycles' };
  }
  const coarse = Math.min(Math.floor(length / 24), Math.ceil(z.length / MOST_BLOCKS));
  const block = Math.max(1, coarse, Math.floor(length / BLOCKS_A_CYCLE));
  const period = length / block;
  const rest = withoutTrend(blockMeans(z, block), Math.round(period));
  const { autocorrelation, peak } = peakNear(rest, period);
  if (!peak || autocorrelation < LEAST_AUTOCORRELATION) {
    return { ...nothing, autocorrelation, cycles: had, verdict: 'no-peak' };
  }
  const variance = covarianceAt(rest, 0);
  const isPart = (longer: number) =>
    autocorrelation * variance < PART_SHARE * covarianceAt(rest, Math.round(longer / block));
  if (multiples.some(isPart)) return { ...nothing, autocorrelation, cycles: had, verdict: 'part-of-another' };
  const { mean, significance, cycles } = likenessOf(rest, period);
  const strength = strengthOf(rest, Math.round(period));
  const confidence = 1 - Math.exp(-(Math.max(0, significance) ** 2) / 2);
  const sure = significance > SIGNIFICANCE;
  const alike =
    origin === 'spectrum'
      ? sure && strength > LEAST_FREE_STRENGTH
      : sure || mean > SURE_LIKENESS || (ofDays && mean > 0 && strength > LEAST_WEEK_STRENGTH);
  return { ...nothing, autocorrelation, cycles, strength, confidence, verdict: alike ? 'found' : 'cycles-differ' };
}

/** Seasons from the spectrum of the newest steps and, where the series is longer, of the whole in blocks. */
function judgeFree(z: Float64Array, stepMs: number, calendar: readonly SeasonCandidate[]): readonly SeasonCandidate[] {
  const block = Math.ceil(z.length / MOST_BLOCKS);
  const newest = z.subarray(Math.max(0, z.length - MOST_BLOCKS));
  const scales = [{ signal: newest, width: 1 }];
  if (block > 1) scales.push({ signal: blockMeans(z, block), width: block });
  const known = calendar.filter(isFound).map(({ length }) => length);
  const judged: SeasonCandidate[] = [];
  for (const { signal, width } of scales) {
    const n = signal.length * width;
    const peaks = spectralPeaks(withoutTrend(signal, Math.round(signal.length / 4)), LEAST_STEPS);
    for (const hint of peaks.slice(0, MOST_HINTS)) {
      const period = hint.period * width;
      // Days and their multiples are the calendar's.
      const blur = Math.max(0.02 * period, (0.25 * period * period) / n);
      if (known.some((length) => Math.abs(period - Math.max(1, Math.round(period / length)) * length) < blur)) continue;
      if (known.some((length) => isShapeOf(length / width, hint, peaks, signal.length))) continue;
      // A shape with corners has strong harmonics: the season may be twice or three times as long.
      for (const times of [1, 2, 3]) {
        const length = roundest(period * times, (0.25 * period * period * times) / n, stepMs);
        if (n < LEAST_FREE_CYCLES * length || judged.some((one) => Math.abs(one.length - length) < 0.05 * length))
          break;
        const longer = [...known, ...judged.filter(isFound).map((one) => one.length)];
        const multiples = [...longer.filter((other) => isMultiple(other, length)), 2 * length, 3 * length];
        const one = judge(width === 1 ? newest : z, {
          length,
          lengthMs: length * stepMs,
          origin: 'spectrum',
          multiples,
        });
        judged.push(one);
        if (one.verdict !== 'part-of-another' || longer.some((other) => isMultiple(other, length))) break;
      }
      if (judged.length >= MOST_FREE) return withoutMultiples(judged);
    }
  }
  return withoutMultiples(judged);
}

/** Whether a hint is one of the first harmonics of a season that has others which are not its own. */
function isShapeOf(season: number, hint: SpectralPeak, peaks: readonly SpectralPeak[], n: number): boolean {
  const harmonicOf = ({ period }: SpectralPeak) => {
    const k = Math.round(season / period);
    return Math.abs(k / season - 1 / period) < 1 / n ? k : 0;
  };
  const own = harmonicOf(hint);
  return own > 1 && own <= SHAPE_HARMONICS && peaks.some((peak) => harmonicOf(peak) % own !== 0);
}

function isMultiple(longer: number, length: number): boolean {
  const times = Math.round(longer / length);
  return times > 1 && Math.abs(longer - times * length) <= Math.max(0.5, 0.02 * length);
}

/** The whole number of steps within the tolerance that people would most likely have chosen. */
function roundest(period: number, tolerance: number, stepMs: number): number {
  for (const unit of ROUND) {
    const steps = unit / stepMs;
    const length = Math.round(Math.round(period / steps) * steps);
    if (steps >= 1 && length > 0 && Math.abs(length - period) <= tolerance) return length;
  }
  return Math.round(period);
}

/** Of a season and its multiples the shortest remains. */
function withoutMultiples(candidates: readonly SeasonCandidate[]): readonly SeasonCandidate[] {
  const found = candidates.filter(isFound);
  return candidates.map((one) =>
    isFound(one) && found.some(({ length }) => isMultiple(one.length, length))
      ? { ...one, verdict: 'part-of-another' as const }
      : one,
  );
}

/** Takes the mean of all cycles out. */
function withoutProfile(z: Float64Array, length: number): Float64Array {
  const { sums, counts } = foldOf(z, length);
  return z.map((value, t) => value - sums[t % length]! / counts[t % length]!);
}

/** Means of blocks over what is known; NaN where under half of a block is. */
function blockMeans(values: Float64Array, block: number): Float64Array {
  if (block === 1) return values;
  const means = new Float64Array(Math.floor(values.length / block));
  // The newest value ends a block: what is left over is the oldest.
  const start = values.length - means.length * block;
  for (let i = 0; i < means.length; i++) {
    let sum = 0;
    let known = 0;
    for (let t = start + i * block; t < start + (i + 1) * block; t++) {
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
  const n = z.length;
  const out = new Float64Array(n);
  const half = Math.floor(period / 2);
  let sum = 0;
  let known = 0;
  for (let t = -half; t < n; t++) {
    const entering = t + half < n ? z[t + half]! : Number.NaN;
    if (!Number.isNaN(entering)) {
      sum += entering;
      known++;
    }
    const leaving = t > half ? z[t - half - 1]! : Number.NaN;
    if (!Number.isNaN(leaving)) {
      sum -= leaving;
      known--;
    }
    if (t >= 0) out[t] = z[t]! - sum / known;
  }
  return out;
}

/** The autocorrelation at the period (two per cent either way), and whether it is higher than a sixth of a period away. */
function peakNear(z: Float64Array, period: number): { autocorrelation: number; peak: boolean } {
  const slack = Math.max(1, Math.round(period / 50));
  const centre = Math.round(period);
  const wide = Math.max(2 * slack, Math.round(period / 6));
  let best = Number.NEGATIVE_INFINITY;
  for (let lag = centre - slack; lag <= centre + slack; lag++) best = Math.max(best, covarianceAt(z, lag));
  const peak = best > covarianceAt(z, centre - wide) && best > covarianceAt(z, centre + wide);
  return { autocorrelation: Math.max(-1, best / covarianceAt(z, 0)) || 0, peak };
}

/** Mean product of what lies `lag` apart in a series without trend: pairs of which either is unknown take no part. */
function covarianceAt(z: Float64Array, lag: number): number {
  let products = 0;
  let pairs = 0;
  for (let t = lag; t < z.length; t++) {
    const product = z[t]! * z[t - lag]!;
    if (Number.isNaN(product)) continue;
    products += product;
    pairs++;
  }
  return pairs > 0 ? products / pairs : Number.NEGATIVE_INFINITY;
}

/** What the mean of the other cycles explains of a series without trend; 0 where it is worse than nothing. */
function strengthOf(z: Float64Array, period: number): number {
  const { sums, counts } = foldOf(z, period);
  let left = 0;
  let all = 0;
  for (let t = 0; t < z.length; t++) {
    const others = counts[t % period]! - 1;
    if (Number.isNaN(z[t]!) || others < 1) continue;
    const rest = z[t]! - (sums[t % period]! - z[t]!) / others;
    left += rest * rest;
    all += z[t]! * z[t]!;
  }
  return all > 0 ? Math.max(0, 1 - left / all) : 0;
}

function foldOf(z: Float64Array, period: number): { sums: Float64Array; counts: Float64Array } {
  const sums = new Float64Array(period);
  const counts = new Float64Array(period);
  for (let t = 0; t < z.length; t++) {
    if (Number.isNaN(z[t]!)) continue;
    sums[t % period] = sums[t % period]! + z[t]!;
    counts[t % period] = counts[t % period]! + 1;
  }
  return { sums, counts };
}
