import { type BucketCounts, type HistogramValue, NO_BUCKETS } from '../../model/histogram-value.ts';

/** Every count and the sum, times a factor. What goes below zero counts nothing any more: a gauge. */
export function multiplied(histogram: HistogramValue, factor: number): HistogramValue {
  return mapCounts(histogram, (count) => count * factor, factor < 0);
}

/** Divided by zero, no buckets are left: where their counts would be is infinity. */
export function divided(histogram: HistogramValue, by: number): HistogramValue {
  const quotient = mapCounts(histogram, (count) => count / by, by < 0);
  return by === 0 ? { ...quotient, positive: NO_BUCKETS, negative: NO_BUCKETS } : quotient;
}

function mapCounts(histogram: HistogramValue, change: (count: number) => number, toGauge: boolean): HistogramValue {
  const { hint, zeroCount, count, sum, positive, negative } = histogram;
  const mapped = ({ indices, counts }: BucketCounts): BucketCounts => ({ indices, counts: counts.map(change) });
  return {
    ...histogram,
    hint: toGauge ? 'gauge' : hint,
    zeroCount: change(zeroCount),
    count: change(count),
    sum: change(sum),
    positive: mapped(positive),
    negative: mapped(negative),
  };
}

/** Without buckets that are empty. */
export function compacted(histogram: HistogramValue): HistogramValue {
  const positive = compactedSide(histogram.positive);
  const negative = compactedSide(histogram.negative);
  if (positive === histogram.positive && negative === histogram.negative) return histogram;
  return { ...histogram, positive, negative };
}

function compactedSide(side: BucketCounts): BucketCounts {
  if (!side.counts.includes(0)) return side;
  return {
    indices: side.indices.filter((_, i) => side.counts[i] !== 0),
    counts: side.counts.filter((count) => count !== 0),
  };
}

export function withHint(histogram: HistogramValue, hint: HistogramValue['hint']): HistogramValue {
  return histogram.hint === hint ? histogram : { ...histogram, hint };
}

/** Whether a count, the sum or a bucket grew out of what a number can be. */
export function overflows({ zeroCount, count, sum, positive, negative, bounds }: HistogramValue): boolean {
  return [[zeroCount, count, sum], positive.counts, negative.counts, bounds].some((all) =>
    all.some((value) => value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY),
  );
}
