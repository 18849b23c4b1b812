import { allBuckets, type HistogramValue, hasCustomBuckets } from '../../model/histogram-value.ts';

/** As Prometheus writes a histogram where it needs a text: `{count:3, sum:4.5, (1,2]:3}`. */
export function formatHistogram(histogram: HistogramValue): string {
  const buckets = allBuckets({ ...histogram, zeroThreshold: hasCustomBuckets(histogram) ? 0 : histogram.zeroThreshold })
    .filter(({ count }) => count !== 0)
    .map(({ lower, upper, lowerInclusive, upperInclusive, count }) => {
      const bounds = `${lowerInclusive ? '[' : '('}${general(lower)},${general(upper)}${upperInclusive ? ']' : ')'}`;
      return `, ${bounds}:${general(count)}`;
    });
  return `{count:${general(histogram.count)}, sum:${general(histogram.sum)}${buckets.join('')}}`;
}

/** Go's `%g`: an exponent of two digits at least, below 1e-4 and from 1e6 on. */
function general(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  if (Object.is(value, -0)) return '-0';
  const [mantissa, exponent] = value.toExponential().split('e') as [string, string];
  const size = Number(exponent);
  if (value === 0 || (size >= -4 && size < 6)) return String(value);
  return `${mantissa}e${size < 0 ? '-' : '+'}${String(Math.abs(size)).padStart(2, '0')}`;
}
