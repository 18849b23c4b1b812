import { allBuckets, type HistogramValue, hasCustomBuckets } from '../../model/histogram-value.ts';
import { formatGeneral } from '../format-float.ts';

/** As Prometheus writes a histogram where it needs a text: `{count:3, sum:4.5, (1,2]:3}`. */
export function formatHistogram(histogram: HistogramValue): string {
  const buckets = allBuckets({ ...histogram, zeroThreshold: hasCustomBuckets(histogram) ? 0 : histogram.zeroThreshold })
    .filter(({ count }) => count !== 0)
    .map(({ lower, upper, lowerInclusive, upperInclusive, count }) => {
      const bounds = `${lowerInclusive ? '[' : '('}${formatGeneral(lower)},${formatGeneral(upper)}${upperInclusive ? ']' : ')'}`;
      return `, ${bounds}:${formatGeneral(count)}`;
    });
  return `{count:${formatGeneral(histogram.count)}, sum:${formatGeneral(histogram.sum)}${buckets.join('')}}`;
}
