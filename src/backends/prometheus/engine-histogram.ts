import {
  type BucketCounts,
  boundOf,
  CUSTOM_BUCKETS,
  type HistogramValue,
  NO_BUCKETS,
} from '../../model/histogram-value.ts';

/** A native histogram as the API sends it: with bounds in place of a schema. Numbers are read already. */
export interface SentHistogram {
  readonly count: number;
  readonly sum: number;
  /** Those that are not empty, in order. */
  readonly buckets: readonly SentBucket[];
}

export interface SentBucket {
  readonly lower: number;
  readonly upper: number;
  readonly count: number;
}

const FINEST = 8;
const COARSEST = -4;
/** Engines may calculate bounds otherwise, by some last digits. */
const SAME = 1e-12;

/**
 * The histogram that is sent so: of the schema that has all its bounds, or else with custom buckets, which may have any.
 * What was seen of resets is not sent.
 */
export function histogramOf({ count, sum, buckets }: SentHistogram): HistogramValue {
  const zero = buckets.find(({ lower, upper }) => lower <= 0 && lower === -upper);
  const others = buckets.filter((bucket) => bucket !== zero);
  const about = { hint: 'unknown', count, sum, zeroCount: zero?.count ?? 0 } as const;
  // A bucket that the zero bucket reaches into begins at its end, though it may be empty.
  const nearest = others.reduce((least, bucket) => Math.min(least, Math.abs(nearOf(bucket))), Number.POSITIVE_INFINITY);
  const thresholds = zero === undefined ? [0, nearest] : [zero.upper];
  for (const zeroThreshold of thresholds) {
    const found = exponentialBuckets(others, zeroThreshold);
    if (found !== undefined) return { ...about, ...found, zeroThreshold, bounds: [] };
  }
  const bounds = [...new Set(buckets.flatMap(({ lower, upper }) => [lower, upper]))]
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  const indices = buckets.map(({ upper }) =>
    upper === Number.POSITIVE_INFINITY ? bounds.length : bounds.indexOf(upper),
  );
  const positive = { indices, counts: buckets.map((bucket) => bucket.count) };
  return { ...about, schema: CUSTOM_BUCKETS, zeroThreshold: 0, zeroCount: 0, positive, negative: NO_BUCKETS, bounds };
}

function exponentialBuckets(buckets: readonly SentBucket[], zeroThreshold: number) {
  if (buckets.some(({ lower, upper }) => !Number.isFinite(lower) || !Number.isFinite(upper) || lower * upper <= 0)) {
    return undefined;
  }
  for (let schema = FINEST; schema >= COARSEST; schema--) {
    if (!buckets.every((bucket) => fits(bucket, schema, zeroThreshold))) continue;
    const side = (all: readonly SentBucket[]): BucketCounts => ({
      indices: all.map((bucket) => indexOf(bucket, schema)),
      counts: all.map(({ count }) => count),
    });
    const positive = side(buckets.filter(({ lower }) => lower > 0));
    const negative = side(buckets.filter(({ lower }) => lower < 0).reverse());
    return { schema, positive, negative };
  }
  return undefined;
}

function fits(bucket: SentBucket, schema: number, zeroThreshold: number): boolean {
  const index = indexOf(bucket, schema);
  const near = Math.abs(nearOf(bucket));
  const begins = boundOf(index - 1, schema, []);
  const cut = near === zeroThreshold && begins < zeroThreshold;
  return isSame(Math.abs(farOf(bucket)), boundOf(index, schema, [])) && (cut || isSame(near, begins));
}

function indexOf(bucket: SentBucket, schema: number): number {
  return Math.round(Math.log2(Math.abs(farOf(bucket))) * 2 ** schema);
}

/** The bound that is nearer to zero. */
const nearOf = ({ lower, upper }: SentBucket) => (lower >= 0 ? lower : upper);
const farOf = ({ lower, upper }: SentBucket) => (lower >= 0 ? upper : lower);

function isSame(a: number, b: number): boolean {
  return Math.abs(a - b) <= SAME * Math.max(a, b);
}
