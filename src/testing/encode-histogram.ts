import { ProtoWriter } from '../wire/proto-writer.ts';

export interface SentSpan {
  readonly offset: number;
  readonly length: number;
}

/** A `Histogram` message as senders have it. What is left out is not written, and what is there is, also where it is 0. */
export interface SentHistogram {
  readonly count?: number;
  readonly floatCount?: number;
  readonly sum?: number;
  readonly schema?: number;
  readonly zeroThreshold?: number;
  readonly zeroCount?: number;
  readonly floatZeroCount?: number;
  readonly negativeSpans?: readonly SentSpan[];
  readonly negativeDeltas?: readonly number[];
  readonly negativeCounts?: readonly number[];
  readonly positiveSpans?: readonly SentSpan[];
  readonly positiveDeltas?: readonly number[];
  readonly positiveCounts?: readonly number[];
  readonly resetHint?: number;
  readonly customValues?: readonly number[];
}

/** Encodes a histogram without its timestamps. */
export function encodeHistogram(histogram: SentHistogram): Uint8Array {
  const out = new ProtoWriter(256);
  const integer = (tag: number, value: number | undefined) => value !== undefined && out.int64(tag, value);
  const double = (tag: number, value: number | undefined) =>
    value !== undefined && out.fixed64(tag, new DataView(Float64Array.of(value).buffer), 0);
  const spans = (tag: number, all: readonly SentSpan[] = []) => {
    for (const { offset, length } of all) {
      out.message(tag, () => {
        if (offset !== 0) out.int64(0x08, zigzag(offset));
        out.int64(0x10, length);
      });
    }
  };
  const deltas = (tag: number, all: readonly number[] | undefined) =>
    all !== undefined &&
    out.message(tag, () => {
      for (const delta of all) out.number(zigzag(delta));
    });
  const doubles = (tag: number, all: readonly number[] | undefined) =>
    all !== undefined && out.message(tag, () => out.bytes(new Uint8Array(Float64Array.from(all).buffer)));
  integer(0x08, histogram.count);
  double(0x11, histogram.floatCount);
  double(0x19, histogram.sum);
  integer(0x20, histogram.schema === undefined ? undefined : zigzag(histogram.schema));
  double(0x29, histogram.zeroThreshold);
  integer(0x30, histogram.zeroCount);
  double(0x39, histogram.floatZeroCount);
  spans(0x42, histogram.negativeSpans);
  deltas(0x4a, histogram.negativeDeltas);
  doubles(0x52, histogram.negativeCounts);
  spans(0x5a, histogram.positiveSpans);
  deltas(0x62, histogram.positiveDeltas);
  doubles(0x6a, histogram.positiveCounts);
  integer(0x70, histogram.resetHint);
  if (histogram.customValues !== undefined) {
    // Field 16: its tag takes two bytes, 0x82 and 0x01.
    out.bytes(Uint8Array.of(0x82));
    doubles(0x01, histogram.customValues);
  }
  return out.finish();
}

function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1;
}
