import { allBuckets, type BoundedBucket, type HistogramValue, hasCustomBuckets } from '../../model/histogram-value.ts';
import { type KahanSum, kahanAdd } from '../numeric.ts';

/** What observations that are NaN do to an answer: they are counted, and in no bucket. */
export type NanEffect = 'result' | 'skew' | 'excluded';

/**
 * Inside a bucket, observations are taken to lie evenly: between the logarithms of its bounds, or between the bounds
 * themselves in custom buckets and in the zero bucket. From 0.5 on counted from the top, which has more to lose.
 */
export function histogramQuantileOf(
  q: number,
  histogram: HistogramValue,
): { readonly value: number; readonly nan?: NanEffect } {
  if (q < 0) return { value: Number.NEGATIVE_INFINITY };
  if (q > 1) return { value: Number.POSITIVE_INFINITY };
  if (histogram.count === 0 || Number.isNaN(q)) return { value: Number.NaN };
  const custom = hasCustomBuckets(histogram);
  const withNan = Number.isNaN(histogram.sum);
  const upwards = withNan || q < 0.5;
  let rank = (upwards ? q : 1 - q) * histogram.count;
  const buckets = allBuckets(histogram);
  if (!upwards) buckets.reverse();
  const step = stepTo(rank, buckets);
  const { at } = step;
  const bucket = withoutOtherSide(buckets[at] ?? NOWHERE, histogram);
  let { lower } = bucket;
  const { upper, count } = bucket;
  if (custom) {
    if (lower === Number.NEGATIVE_INFINITY) {
      if (upper <= 0) return { value: upper };
      lower = 0;
    } else if (upper === Number.POSITIVE_INFINITY) {
      return { value: lower };
    }
  }
  const counted = Math.min(step.counted, histogram.count);
  if (counted < rank) return withNan ? { value: Number.NaN, nan: 'result' } : { value: upper };
  rank = upwards ? rank - (counted - count) : counted - rank;
  const value = within({ lower, upper, count }, rank, custom);
  if (!withNan) return { value };
  const after = buckets.slice(at + 1);
  const skewed = after.reduce((sum, bucket) => sum + bucket.count, counted) < histogram.count;
  // Counting on, Prometheus takes the last bucket for the one where the rank lies.
  const last = after.at(-1);
  const nearTop = last === undefined ? value : within(last, rank, custom);
  return skewed ? { value: nearTop, nan: 'skew' } : { value: nearTop };
}

function within(
  { lower, upper, count }: Pick<BoundedBucket, 'lower' | 'upper' | 'count'>,
  rank: number,
  custom: boolean,
) {
  const share = rank / count;
  return custom || (lower <= 0 && upper >= 0) ? lower + (upper - lower) * share : between(lower, upper, share);
}

const NOWHERE: BoundedBucket = { lower: 0, upper: 0, lowerInclusive: false, upperInclusive: false, count: 0 };

/** The first bucket with which at least `rank` observations are counted, or else the last one. */
function stepTo(rank: number, buckets: readonly BoundedBucket[]): { readonly at: number; readonly counted: number } {
  let counted = 0;
  for (const [at, { count }] of buckets.entries()) {
    if (count === 0) continue;
    counted += count;
    if (counted >= rank) return { at, counted };
  }
  return { at: buckets.length - 1, counted };
}

/** The zero bucket of a histogram that has buckets on one side alone has nothing on the other side. */
function withoutOtherSide(bucket: BoundedBucket, histogram: HistogramValue): BoundedBucket {
  if (hasCustomBuckets(histogram) || !(bucket.lower < 0 && bucket.upper > 0)) return bucket;
  const positive = histogram.positive.indices.length > 0;
  const negative = histogram.negative.indices.length > 0;
  if (positive === negative) return bucket;
  return positive ? { ...bucket, lower: 0 } : { ...bucket, upper: 0 };
}

/** Between the bounds of a bucket of one sign, evenly in their logarithms. */
function between(lower: number, upper: number, share: number): number {
  const logLower = Math.log2(Math.abs(lower));
  const logUpper = Math.log2(Math.abs(upper));
  if (lower > 0) return 2 ** (logLower + (logUpper - logLower) * share);
  return -(2 ** (logUpper + (logLower - logUpper) * (1 - share)));
}

/** How much of a bucket lies at or below a value inside of it. */
export function shareBelow({ lower, upper }: BoundedBucket, value: number, linear: boolean): number {
  if (linear) return (value - lower) / (upper - lower);
  const logLower = Math.log2(Math.abs(lower));
  const logUpper = Math.log2(Math.abs(upper));
  const log = Math.log2(Math.abs(value));
  return value > 0 ? (log - logLower) / (logUpper - logLower) : 1 - (log - logUpper) / (logLower - logUpper);
}

/** The share of observations between two values. */
export function histogramFractionOf(
  lower: number,
  upper: number,
  histogram: HistogramValue,
): { readonly value: number; readonly nan?: NanEffect } {
  if (histogram.count === 0 || Number.isNaN(lower) || Number.isNaN(upper)) return { value: Number.NaN };
  if (lower >= upper) return { value: 0 };
  const buckets = allBuckets(histogram);
  const counted = buckets.reduce((sum, { count }) => sum + count, 0);
  const withNan = Number.isNaN(histogram.sum);
  const most = withNan ? counted : histogram.count;
  const below = (value: number): number => Math.min(rankOf(value, buckets, histogram) ?? most, most);
  const value = (below(upper) - below(lower)) / histogram.count;
  return withNan && counted < histogram.count ? { value, nan: 'excluded' } : { value };
}

/** How many observations lie below a value, or undefined where all do. */
function rankOf(value: number, buckets: readonly BoundedBucket[], histogram: HistogramValue): number | undefined {
  const custom = hasCustomBuckets(histogram);
  let rank = 0;
  for (const whole of buckets) {
    const isZero = whole.lower <= 0 && whole.upper >= 0;
    const bucket = isZero ? withoutOtherSideOf(whole, histogram) : whole;
    if (bucket.lower >= value) return rank;
    if (bucket.upper > value) {
      const linear = custom || isZero;
      if (linear && bucket.lower === Number.NEGATIVE_INFINITY) return bucket.count;
      return rank + bucket.count * shareBelow(bucket, value, linear);
    }
    rank += bucket.count;
  }
  return undefined;
}

/** As `withoutOtherSide`, and of custom buckets too: their first one begins at 0, if it does not end there. */
function withoutOtherSideOf(bucket: BoundedBucket, histogram: HistogramValue): BoundedBucket {
  const positive = histogram.positive.indices.length > 0;
  const negative = histogram.negative.indices.length > 0;
  if (positive === negative) return bucket;
  return positive ? { ...bucket, lower: 0 } : { ...bucket, upper: 0 };
}

/** Estimated from the buckets' middles: the geometric ones, 0 for the zero bucket, the plain ones of custom buckets. */
export function histogramVarianceOf(histogram: HistogramValue): number {
  const mean = histogram.sum / histogram.count;
  const custom = hasCustomBuckets(histogram);
  const total: KahanSum = { sum: 0, c: 0 };
  for (const { lower, upper, count } of allBuckets(histogram)) {
    if (count === 0) continue;
    let middle = 0;
    if (custom) middle = (upper + lower) / 2;
    else if (lower > 0 || upper < 0) middle = Math.sign(upper) * Math.sqrt(upper * lower);
    const distance = middle - mean;
    kahanAdd(total, count * distance * distance);
  }
  return (total.sum + total.c) / histogram.count;
}
