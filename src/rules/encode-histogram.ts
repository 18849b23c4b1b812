import type { BucketCounts, HistogramValue } from '../model/histogram-value.ts';
import { ProtoWriter } from '../wire/proto-writer.ts';

const HINTS: readonly HistogramValue['hint'][] = ['unknown', 'reset', 'not_reset', 'gauge'];

/** The bytes of a histogram as the store keeps them: remote write's message with counts that are floats. */
export function encodeHistogramValue(histogram: HistogramValue): Uint8Array {
  const { schema, count, sum, zeroThreshold, zeroCount, positive, negative, bounds, hint } = histogram;
  const out = new ProtoWriter(256);
  const double = (tag: number, value: number): void => out.fixed64(tag, new DataView(Float64Array.of(value).buffer), 0);
  const doubles = (tag: number, values: readonly number[]): void => {
    out.message(tag, () => out.bytes(new Uint8Array(Float64Array.from(values).buffer)));
  };
  const buckets = (spanTag: number, countsTag: number, { indices, counts }: BucketCounts): void => {
    indices.forEach((index, i) => {
      const gap = i === 0 ? index : index - indices[i - 1]! - 1;
      out.message(spanTag, () => {
        if (gap !== 0) out.int64(0x08, zigzag(gap));
        out.int64(0x10, 1);
      });
    });
    if (counts.length > 0) doubles(countsTag, counts);
  };
  double(0x11, count);
  double(0x19, sum);
  out.int64(0x20, zigzag(schema));
  double(0x29, zeroThreshold);
  double(0x39, zeroCount);
  buckets(0x42, 0x52, negative);
  buckets(0x5a, 0x6a, positive);
  if (hint !== 'unknown') out.int64(0x70, HINTS.indexOf(hint));
  if (bounds.length > 0) {
    // Field 16: its tag takes two bytes, 0x82 and 0x01.
    out.bytes(Uint8Array.of(0x82));
    doubles(0x01, bounds);
  }
  return out.finish();
}

function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1;
}
