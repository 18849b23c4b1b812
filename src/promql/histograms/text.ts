import {
  type BoundedBucket,
  type HistogramValue,
  negativeBuckets,
  positiveBuckets,
} from '../../model/histogram-value.ts';
import { formatGeneral } from '../format-float.ts';

/** As Prometheus writes a histogram where it needs a text: `{count:3, sum:4.5, (1,2]:3}`. Buckets reach into the zero bucket. */
export function formatHistogram(histogram: HistogramValue): string {
  const { count, sum, zeroCount, zeroThreshold } = histogram;
  const inclusive = { lowerInclusive: true, upperInclusive: true };
  const zero: BoundedBucket = { lower: -zeroThreshold, upper: zeroThreshold, ...inclusive, count: zeroCount };
  const buckets = [...negativeBuckets(histogram).reverse(), zero, ...positiveBuckets(histogram)]
    .filter((bucket) => bucket.count !== 0)
    .map((bucket) => `, ${formatBucket(bucket)}`);
  return `{count:${formatGeneral(count)}, sum:${formatGeneral(sum)}${buckets.join('')}}`;
}

function formatBucket({ lower, upper, lowerInclusive, upperInclusive, count }: BoundedBucket): string {
  const [opened, closed] = [lowerInclusive ? '[' : '(', upperInclusive ? ']' : ')'];
  return `${opened}${formatGeneral(lower)},${formatGeneral(upper)}${closed}:${formatGeneral(count)}`;
}
