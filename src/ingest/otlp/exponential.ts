import { setStaleMarker } from '../../model/series.ts';
import { type Buckets, coarser, MAX_SCHEMA, MIN_SCHEMA, type NativeHistogram } from '../../wire/native-histogram.ts';
import type { ExponentialBuckets, ExponentialPoint } from '../../wire/otlp.ts';

/** Prometheus's, where OpenTelemetry gives none. */
const DEFAULT_ZERO_THRESHOLD = 1e-128;
/** Of a bucket: no double has a larger exponent at any scale. */
const LARGEST_INDEX = 2 ** 30;

/** A point as a native histogram, or in words what is wrong with it. Scales above 8 become 8. */
export function nativeHistogramOf(point: ExponentialPoint): NativeHistogram | string {
  const { scale, sum, zeroCount, zeroThreshold, positive, negative } = point;
  if (!Number.isInteger(scale) || scale < MIN_SCHEMA) {
    return `its scale is ${scale}, and a native histogram has ${MIN_SCHEMA} at least`;
  }
  const threshold = zeroThreshold > 0 ? zeroThreshold : DEFAULT_ZERO_THRESHOLD;
  const schema = Math.min(scale, MAX_SCHEMA);
  if (point.noRecordedValue) return staleHistogram();
  for (const { offset, counts } of [positive, negative]) {
    if (!Number.isInteger(offset) || Math.abs(offset) + counts.length > LARGEST_INDEX) return 'its buckets lie nowhere';
  }
  const inBuckets = [...positive.counts, ...negative.counts, zeroCount];
  if (!inBuckets.every(isCount) || !isCount(point.count)) return 'a count of it is not a whole number';
  const counted = inBuckets.reduce((all, count) => all + count, 0);
  if (counted !== point.count) return `its count is ${point.count}, and ${counted} are in its buckets`;
  return {
    count: point.count,
    sum: Float64Array.of(sum ?? 0),
    schema,
    zeroThreshold: threshold,
    zeroCount,
    positive: coarser(indexed(positive), scale - schema),
    negative: coarser(indexed(negative), scale - schema),
  };
}

/** A histogram that says that its series ended: its sum is a staleness marker. */
function staleHistogram(): NativeHistogram {
  const sum = new Float64Array(1);
  setStaleMarker(sum, 0);
  const none: Buckets = new Map();
  return { count: 0, sum, schema: 0, zeroThreshold: 0, zeroCount: 0, positive: none, negative: none };
}

/** A count of observations; those that no double holds exactly are none. */
export function isCount(count: number): boolean {
  return Number.isSafeInteger(count) && count >= 0;
}

/** OpenTelemetry's index `i` begins above base^i, a native histogram's ends there. */
function indexed({ offset, counts }: ExponentialBuckets): Buckets {
  const buckets = new Map<number, number>();
  counts.forEach((count, i) => {
    if (count !== 0) buckets.set(offset + i + 1, count);
  });
  return buckets;
}
