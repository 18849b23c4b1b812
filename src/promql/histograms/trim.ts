import {
  type BoundedBucket,
  type HistogramValue,
  hasCustomBuckets,
  negativeBuckets,
  positiveBuckets,
} from '../../model/histogram-value.ts';
import { shareBelow } from './quantile.ts';
import { compacted } from './scale.ts';

/** What stays of a bucket, and where its observations are taken to be in the mean. */
interface Kept {
  readonly count: number;
  readonly middle: number;
}

/** Which part stays: what is below the bound, or what is above it. */
type Keeps = 'below' | 'above';

/** Without the observations beyond a bound. A bucket that it cuts keeps its share; count and sum are estimated anew. */
export function trimmed(histogram: HistogramValue, bound: number, keeps: Keeps): HistogramValue {
  const custom = hasCustomBuckets(histogram);
  let total = 0;
  let sum = 0;
  let changed = false;
  const side = (buckets: readonly BoundedBucket[], sign: 1 | -1): number[] =>
    buckets.map((bucket) => {
      if (bucket.count === 0) return 0;
      const kept = keptOf(bucket, bound, { keeps, sign, custom });
      total += kept.count;
      sum += kept.middle * kept.count;
      if (kept.count !== bucket.count) changed = true;
      return kept.count;
    });
  const positive = side(positiveBuckets(histogram), 1);
  const negative = side(negativeBuckets(histogram), -1);
  let { zeroCount } = histogram;
  if (zeroCount > 0) {
    const zero = keptOfZero(histogram, bound, keeps);
    if (zero.count !== zeroCount) changed = true;
    zeroCount = zero.count;
    total += zero.count;
    sum += zero.middle * zero.count;
  }
  if (!changed) return histogram;
  return compacted({
    ...histogram,
    ...{ zeroCount, count: total, sum },
    positive: { indices: histogram.positive.indices, counts: positive },
    negative: { indices: histogram.negative.indices, counts: negative },
  });
}

interface About {
  readonly keeps: Keeps;
  readonly sign: 1 | -1;
  readonly custom: boolean;
}

function keptOf(bucket: BoundedBucket, bound: number, { keeps, sign, custom }: About): Kept {
  const { lower, upper, count } = bucket;
  if (keeps === 'below' ? upper <= bound : lower >= bound)
    return { count, middle: middleOf(lower, upper, sign, custom) };
  // So that a bound that is NaN keeps nothing.
  if (!(keeps === 'below' ? lower < bound : upper > bound)) return { count: 0, middle: 0 };
  if (lower === Number.NEGATIVE_INFINITY || upper === Number.POSITIVE_INFINITY)
    return keptOfEndless(bucket, bound, keeps);
  const below = count * shareBelow(bucket, bound, custom);
  return keeps === 'below'
    ? { count: below, middle: middleOf(lower, bound, sign, custom) }
    : { count: count - below, middle: middleOf(bound, upper, sign, custom) };
}

/** Nothing is known inside of a bucket without end, but that what is below the first bound is taken to be above 0. */
function keptOfEndless({ lower, upper, count }: BoundedBucket, bound: number, keeps: Keeps): Kept {
  if (lower !== Number.NEGATIVE_INFINITY) {
    return keeps === 'below' ? { count: 0, middle: lower } : { count, middle: bound };
  }
  const finite = upper !== Number.POSITIVE_INFINITY;
  if (keeps === 'below') {
    if (bound > 0 && upper > 0 && finite) return { count: (count * bound) / upper, middle: bound / 2 };
    if (upper <= 0) return { count, middle: bound };
  } else if (bound >= 0 && upper > bound && finite) {
    return { count: count * (1 - bound / upper), middle: (bound + upper) / 2 };
  }
  return { count: 0, middle: 0 };
}

function keptOfZero(histogram: HistogramValue, bound: number, keeps: Keeps): Kept {
  const { zeroThreshold, zeroCount: count } = histogram;
  const has = (side: readonly number[]) => side.some((each) => each !== 0);
  const positive = has(histogram.positive.counts);
  const negative = has(histogram.negative.counts);
  const lower = positive && !negative ? 0 : -zeroThreshold;
  const upper = negative && !positive ? 0 : zeroThreshold;
  const whole = { count, middle: (lower + upper) / 2 };
  if (bound <= lower) return keeps === 'below' ? { count: 0, middle: 0 } : whole;
  if (bound >= upper) return keeps === 'below' ? whole : { count: 0, middle: 0 };
  return keeps === 'below'
    ? { count: (count * (bound - lower)) / (upper - lower), middle: (lower + bound) / 2 }
    : { count: (count * (upper - bound)) / (upper - lower), middle: (bound + upper) / 2 };
}

function middleOf(lower: number, upper: number, sign: 1 | -1, linear: boolean): number {
  if (!Number.isFinite(lower)) {
    if (!Number.isFinite(upper)) return 0;
    return upper > 0 ? upper / 2 : upper;
  }
  if (!Number.isFinite(upper)) return lower;
  return linear ? (lower + upper) / 2 : sign * Math.sqrt(Math.abs(lower * upper));
}
