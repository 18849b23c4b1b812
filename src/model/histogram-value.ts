/** Counts of buckets by index, in order of index. Buckets that are not there are empty; those that are may be. */
export interface BucketCounts {
  readonly indices: readonly number[];
  readonly counts: readonly number[];
}

/**
 * What is known of a histogram and the one before it: whether counting began anew between them. A gauge may go down.
 */
export type ResetHint = 'unknown' | 'reset' | 'not_reset' | 'gauge';

/** A native histogram at one time, as a query calculates with it: all counts are floats, and may be below zero. */
export interface HistogramValue {
  readonly hint: ResetHint;
  /** -4 to 8: bucket `i` ends at 2^(i * 2^-schema) and begins at the end of bucket `i - 1`. Or `CUSTOM_BUCKETS`. */
  readonly schema: number;
  /** The zero bucket reaches as far to both sides. 0 in custom buckets. */
  readonly zeroThreshold: number;
  readonly zeroCount: number;
  readonly count: number;
  readonly sum: number;
  readonly positive: BucketCounts;
  /** As the positive ones, with their signs changed. None in custom buckets. */
  readonly negative: BucketCounts;
  /** The upper bounds of custom buckets, which ascend; bucket `bounds.length` goes on to infinity. */
  readonly bounds: readonly number[];
}

export const CUSTOM_BUCKETS = -53;
export const NO_BUCKETS: BucketCounts = { indices: [], counts: [] };

/** A bucket with its bounds. */
export interface BoundedBucket {
  readonly lower: number;
  readonly upper: number;
  readonly lowerInclusive: boolean;
  readonly upperInclusive: boolean;
  readonly count: number;
}

export function hasCustomBuckets({ schema }: Pick<HistogramValue, 'schema'>): boolean {
  return schema === CUSTOM_BUCKETS;
}

/** Buckets of the finest schema while values double. */
const FINEST_BUCKETS = 256;

/**
 * 2^(i/256), to the last bit what Prometheus has: multiplied up from the roots of two, the coarsest first, of which
 * its first one is the double below the square root of two. So its bounds are up to four such steps from the truth.
 */
const BOUNDS_TO_TWO: Float64Array = Float64Array.from({ length: FINEST_BUCKETS }, (_, i) => {
  let bound = 1;
  let root = 2;
  for (let bit = FINEST_BUCKETS / 2; bit >= 1; bit /= 2) {
    root = Math.sqrt(root);
    if ((i & bit) !== 0) bound *= bit === FINEST_BUCKETS / 2 ? root - Number.EPSILON : root;
  }
  return bound;
});

/** Where bucket `index` ends. The last one of schemas below 0 ends at the greatest number, not at infinity. */
export function boundOf(index: number, schema: number, bounds: readonly number[]): number {
  if (schema === CUSTOM_BUCKETS) {
    if (index < 0) return Number.NEGATIVE_INFINITY;
    return index >= bounds.length ? Number.POSITIVE_INFINITY : bounds[index]!;
  }
  const perDouble = 2 ** schema;
  const doubles = Math.floor(index / perDouble);
  const within = index - doubles * perDouble;
  if (doubles === 1024 && within === 0) return Number.MAX_VALUE;
  // Powers of two are exact; so the bounds of coarser schemas are those of finer ones, to the bit.
  return BOUNDS_TO_TWO[(within * FINEST_BUCKETS) / perDouble]! * 2 ** doubles;
}

/** The buckets above zero, in order. */
export function positiveBuckets({ schema, positive, bounds }: HistogramValue): BoundedBucket[] {
  const custom = schema === CUSTOM_BUCKETS;
  return positive.indices.map((index, i) => ({
    lower: boundOf(index - 1, schema, bounds),
    upper: boundOf(index, schema, bounds),
    lowerInclusive: custom && index === 0,
    upperInclusive: true,
    count: positive.counts[i]!,
  }));
}

/** The buckets below zero, from zero downwards. */
export function negativeBuckets({ schema, negative, bounds }: HistogramValue): BoundedBucket[] {
  return negative.indices.map((index, i) => ({
    lower: -boundOf(index, schema, bounds),
    upper: -boundOf(index - 1, schema, bounds),
    lowerInclusive: true,
    upperInclusive: false,
    count: negative.counts[i]!,
  }));
}

/** All buckets that are there, the zero bucket where it has counts, from the lowest on. None reaches into the zero bucket. */
export function allBuckets(histogram: HistogramValue): BoundedBucket[] {
  const { zeroThreshold, zeroCount } = histogram;
  const found = negativeBuckets(histogram)
    .reverse()
    .map((bucket) =>
      bucket.upper < 0 && bucket.upper > -zeroThreshold ? { ...bucket, upper: -zeroThreshold } : bucket,
    );
  if (zeroCount > 0) {
    const inclusive = { lowerInclusive: true, upperInclusive: true };
    found.push({ lower: -zeroThreshold, upper: zeroThreshold, ...inclusive, count: zeroCount });
  }
  for (const bucket of positiveBuckets(histogram)) {
    const reachesIn = bucket.lower > 0 && bucket.lower < zeroThreshold;
    found.push(reachesIn ? { ...bucket, lower: zeroThreshold } : bucket);
  }
  return found;
}
