import { type BucketCounts, boundOf, type HistogramValue, hasCustomBuckets } from '../../model/histogram-value.ts';
import { commonBounds, onCommonBounds, sameBounds } from './custom-bounds.ts';
import { coarserSide } from './resolution.ts';
import { widened } from './zero-bucket.ts';

/** Whether counting began anew after `previous`: by the hint where it tells, else because some count went down. */
export function isReset(current: HistogramValue, previous: HistogramValue): boolean {
  if (current.hint === 'reset') return true;
  if (current.hint === 'not_reset') return false;
  if (current.count < previous.count) return true;
  if (hasCustomBuckets(current)) {
    if (!hasCustomBuckets(previous)) return true;
    if (!sameBounds(current.bounds, previous.bounds)) return fellOnCommonBounds(current, previous);
  }
  if (current.schema > previous.schema || current.zeroThreshold < previous.zeroThreshold) return true;
  const zero = widened({ value: previous, errors: undefined }, current.zeroThreshold);
  if (zero.threshold !== current.zeroThreshold || current.zeroCount < zero.count) return true;
  return fell(current, previous, 'positive') || fell(current, previous, 'negative');
}

function fell(current: HistogramValue, previous: HistogramValue, side: 'positive' | 'negative'): boolean {
  const { schema, zeroThreshold } = current;
  const before = coarserSide({ ...previous[side], errors: undefined }, previous.schema - schema);
  const custom = hasCustomBuckets(current);
  const first = before.indices.findIndex((index) => custom || boundOf(index, schema, []) > zeroThreshold);
  return first !== -1 && anyFell(current[side], before, first);
}

function anyFell(current: BucketCounts, before: BucketCounts, first: number): boolean {
  for (let i = first, j = 0; i < before.indices.length; i++) {
    const index = before.indices[i]!;
    while (j < current.indices.length && current.indices[j]! < index) j++;
    const now = current.indices[j] === index ? current.counts[j]! : 0;
    // A bucket that is gone was there, whatever its count's sign.
    if (current.indices[j] === index ? now < before.counts[i]! : before.counts[i] !== 0) return true;
  }
  return false;
}

function fellOnCommonBounds(current: HistogramValue, previous: HistogramValue): boolean {
  const bounds = commonBounds(current.bounds, previous.bounds);
  const now = onCommonBounds({ ...current.positive, errors: undefined }, current.bounds, bounds);
  const before = onCommonBounds({ ...previous.positive, errors: undefined }, previous.bounds, bounds);
  return before.indices.some((index, i) => (now.counts[now.indices.indexOf(index)] ?? 0) < before.counts[i]!);
}

/**
 * The hints that Prometheus's store would give histograms of one series, in order of time: it tells whether counting
 * began anew of one that goes on in the same chunk alone, which it does at the same buckets and without a gap in between.
 * @param previous The one before, or undefined where there is none, or a float or staleness marker was between.
 */
export function storedHint(current: HistogramValue, previous: HistogramValue | undefined): HistogramValue['hint'] {
  if (current.hint === 'gauge') return 'gauge';
  if (previous === undefined || previous.hint === 'gauge' || current.hint === 'reset') return 'unknown';
  const { schema, zeroThreshold, bounds } = previous;
  const alike =
    current.schema === schema && current.zeroThreshold === zeroThreshold && sameBounds(current.bounds, bounds);
  return alike && !isReset({ ...current, hint: 'unknown' }, previous) ? 'not_reset' : 'unknown';
}
