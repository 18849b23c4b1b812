import type { BucketCounts, HistogramValue } from '../../model/histogram-value.ts';
import { sameBounds } from './custom-bounds.ts';

/** The same in every number; empty buckets and hints do not count. */
export function sameHistogram(a: HistogramValue, b: HistogramValue): boolean {
  return (
    a.schema === b.schema &&
    same(a.count, b.count) &&
    same(a.sum, b.sum) &&
    sameBounds(a.bounds, b.bounds) &&
    a.zeroThreshold === b.zeroThreshold &&
    same(a.zeroCount, b.zeroCount) &&
    sameSide(a.positive, b.positive) &&
    sameSide(a.negative, b.negative)
  );
}

function same(a: number, b: number): boolean {
  return Object.is(a, b);
}

function sameSide(a: BucketCounts, b: BucketCounts): boolean {
  let j = 0;
  for (let i = 0; i < a.indices.length; i++) {
    if (a.counts[i] === 0) continue;
    while (b.counts[j] === 0) j++;
    if (a.indices[i] !== b.indices[j] || !same(a.counts[i]!, b.counts[j]!)) return false;
    j++;
  }
  while (b.counts[j] === 0) j++;
  return j >= b.indices.length;
}
