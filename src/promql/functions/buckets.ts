import { almostEqual } from '../numeric.ts';

/** A classic histogram at one instant: cumulative counts by upper bound. */
export interface Bucket {
  readonly upper: number;
  count: number;
}

/** What had to be mended for counts to grow with the bounds. */
export interface Mending {
  readonly lowest: number;
  readonly highest: number;
  readonly largest: number;
}

/** Counts that differ by less than this share of their sum differ by rounding. */
const TOLERANCE = 1e-12;

/** The bucket's observations are taken to lie evenly between its bounds. */
export function bucketQuantile(q: number, given: Bucket[]): { readonly value: number; readonly mended?: Mending } {
  if (Number.isNaN(q)) return { value: Number.NaN };
  if (q < 0) return { value: Number.NEGATIVE_INFINITY };
  if (q > 1) return { value: Number.POSITIVE_INFINITY };
  const buckets = coalesced(given);
  if (buckets === undefined) return { value: Number.NaN };
  const mended = makeMonotonic(buckets);
  const value = monotonicQuantile(q, buckets);
  return mended === undefined ? { value } : { value, mended };
}

function monotonicQuantile(q: number, buckets: readonly Bucket[]): number {
  const last = buckets.length - 1;
  const total = buckets[last]!.count;
  if (buckets.length < 2 || total === 0) return Number.NaN;
  const rank = q * total;
  let at = 0;
  while (at < last && !(buckets[at]!.count >= rank)) at++;
  const bucket = buckets[at]!;
  if (at === last) return buckets[last - 1]!.upper;
  if (at === 0 && bucket.upper <= 0) return bucket.upper;
  const start = at === 0 ? 0 : buckets[at - 1]!.upper;
  const before = at === 0 ? 0 : buckets[at - 1]!.count;
  return start + (bucket.upper - start) * ((rank - before) / (bucket.count - before));
}

/** The share of observations between two values. */
export function bucketFraction(lower: number, upper: number, given: Bucket[]): number {
  const buckets = coalesced(given);
  if (buckets === undefined) return Number.NaN;
  const total = buckets[buckets.length - 1]!.count;
  if (total === 0 || Number.isNaN(lower) || Number.isNaN(upper)) return Number.NaN;
  if (lower >= upper) return 0;
  return (rankOf(upper, buckets, total) - rankOf(lower, buckets, total)) / total;
}

/** How many observations lie below a value. Nothing is known inside a bucket without a finite width. */
function rankOf(value: number, buckets: readonly Bucket[], total: number): number {
  let rank = 0;
  let start = buckets[0]!.upper <= 0 ? Number.NEGATIVE_INFINITY : 0;
  for (const { upper, count } of buckets) {
    if (start >= value) return Math.min(rank, total);
    if (upper > value) {
      if (start === Number.NEGATIVE_INFINITY) return Math.min(count, total);
      return Math.min(rank + ((count - rank) * (value - start)) / (upper - start), total);
    }
    rank = count;
    start = upper;
  }
  return total;
}

/** Sorted, equal bounds added up. Undefined without a bucket up to infinity. */
function coalesced(buckets: Bucket[]): Bucket[] | undefined {
  buckets.sort((a, b) => (a.upper === b.upper ? 0 : a.upper - b.upper));
  if (buckets[buckets.length - 1]?.upper !== Number.POSITIVE_INFINITY) return undefined;
  const out: Bucket[] = [];
  for (const { upper, count } of buckets) {
    const last = out[out.length - 1];
    if (last !== undefined && last.upper === upper) last.count += count;
    else out.push({ upper, count });
  }
  return out;
}

function makeMonotonic(buckets: Bucket[]): Mending | undefined {
  let lowest = Number.POSITIVE_INFINITY;
  let highest = Number.NEGATIVE_INFINITY;
  let largest = 0;
  let previous = buckets[0]!.count;
  for (let i = 1; i < buckets.length; i++) {
    const bucket = buckets[i]!;
    if (bucket.count === previous) continue;
    if (almostEqual(previous, bucket.count, TOLERANCE)) {
      bucket.count = previous;
    } else if (bucket.count < previous) {
      lowest = Math.min(lowest, bucket.upper);
      highest = Math.max(highest, bucket.upper);
      largest = Math.max(largest, previous - bucket.count);
      bucket.count = previous;
    } else {
      previous = bucket.count;
    }
  }
  return largest > 0 ? { lowest, highest, largest } : undefined;
}
