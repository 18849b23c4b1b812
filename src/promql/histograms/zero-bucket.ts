import { type HistogramValue, negativeBuckets, positiveBuckets } from '../../model/histogram-value.ts';
import { type KahanSum, kahanAdd } from '../numeric.ts';
import type { Compensated } from './compensated.ts';

/** What the zero bucket has once it is as wide as asked, or wider, so that no bucket lies half inside of it. */
interface WiderZero {
  readonly threshold: number;
  readonly count: number;
  readonly error: number;
}

/** Makes both zero buckets equally wide: `a` as it is then, and what the zero bucket of `b` has. */
export function reconciled(
  a: Compensated,
  b: HistogramValue,
): { readonly own: Compensated; readonly otherCount: number; readonly otherError: number } {
  let own = a;
  let other: WiderZero = { threshold: b.zeroThreshold, count: b.zeroCount, error: 0 };
  // Each round may widen one of them to the end of a bucket that the other's width cuts.
  while (other.threshold !== own.value.zeroThreshold) {
    if (own.value.zeroThreshold > other.threshold) {
      other = widened({ value: b, errors: undefined }, own.value.zeroThreshold);
    }
    if (other.threshold > own.value.zeroThreshold) own = withZero(own, widened(own, other.threshold));
  }
  return { own, otherCount: other.count, otherError: other.error };
}

/** @param least Not below the histogram's own threshold. */
export function widened({ value, errors }: Compensated, least: number): WiderZero {
  let threshold = least;
  if (threshold === value.zeroThreshold) return { threshold, count: value.zeroCount, error: errors?.zeroCount ?? 0 };
  for (;;) {
    const zero: KahanSum = { sum: value.zeroCount, c: errors?.zeroCount ?? 0 };
    for (const [i, { lower, upper, count }] of positiveBuckets(value).entries()) {
      if (lower >= threshold) break;
      kahanAdd(zero, count);
      if (errors !== undefined) kahanAdd(zero, errors.positive[i]!);
      if (upper <= threshold) continue;
      // An empty bucket that is cut changes nothing.
      if (count !== 0) threshold = upper;
      break;
    }
    let again = false;
    for (const [i, { lower, upper, count }] of negativeBuckets(value).entries()) {
      if (upper <= -threshold) break;
      kahanAdd(zero, count);
      if (errors !== undefined) kahanAdd(zero, errors.negative[i]!);
      if (lower >= -threshold) continue;
      if (count !== 0) {
        threshold = -lower;
        again = true;
      }
      break;
    }
    if (!again) return { threshold, count: zero.sum, error: zero.c };
  }
}

/** With a wider zero bucket, and without the buckets that are in it now, and those that are empty. */
function withZero({ value, errors }: Compensated, { threshold, count, error }: WiderZero): Compensated {
  const side = (which: 'positive' | 'negative') => {
    const begins =
      which === 'positive'
        ? positiveBuckets(value).map(({ lower }) => lower)
        : negativeBuckets(value).map(({ upper }) => -upper);
    const { indices, counts } = value[which];
    const lost = errors?.[which];
    const kept = [...indices.keys()].filter(
      (i) => begins[i]! >= threshold && (counts[i] !== 0 || (lost !== undefined && lost[i] !== 0)),
    );
    return {
      counts: { indices: kept.map((i) => indices[i]!), counts: kept.map((i) => counts[i]!) },
      errors: kept.map((i) => lost?.[i] ?? 0),
    };
  };
  const positive = side('positive');
  const negative = side('negative');
  return {
    value: {
      ...value,
      zeroThreshold: threshold,
      zeroCount: count,
      positive: positive.counts,
      negative: negative.counts,
    },
    errors: errors && { ...errors, zeroCount: error, positive: positive.errors, negative: negative.errors },
  };
}
