import { expect, test } from 'vitest';
import { setStaleMarker } from '../../model/series.ts';
import { encodeHistogram } from '../../testing/encode-histogram.ts';
import { readHistogram } from '../../wire/histogram.ts';
import { decodeHistogramValue } from './decode.ts';

/** As the store has it after it has read what a sender sent. */
function stored(sent: Parameters<typeof encodeHistogram>[0]) {
  const read = readHistogram(encodeHistogram(sent));
  if (read.kind !== 'histogram') throw new Error(read.why);
  return decodeHistogramValue(read.bytes);
}

test('whole counts', () => {
  const spans = [
    { offset: -2, length: 2 },
    { offset: 3, length: 1 },
  ];
  expect(
    stored({
      ...{ count: 20, sum: -1.5, schema: -1, zeroThreshold: 0.25, zeroCount: 4, resetHint: 3 },
      ...{
        positiveSpans: spans,
        positiveDeltas: [2, 3, -1],
        negativeSpans: [{ offset: 1, length: 1 }],
        negativeDeltas: [5],
      },
    }),
  ).toEqual({
    ...{ hint: 'gauge', count: 20, sum: -1.5, schema: -1, zeroThreshold: 0.25, zeroCount: 4, bounds: [] },
    positive: { indices: [-2, -1, 3], counts: [2, 5, 4] },
    negative: { indices: [1], counts: [5] },
  });
});

test('counts that are floats, in custom buckets', () => {
  const sent = { floatCount: 2.5, sum: 7, schema: -53, customValues: [1, 2], positiveCounts: [0.5, 2] };
  expect(stored({ ...sent, positiveSpans: [{ offset: 1, length: 2 }] })).toEqual({
    ...{ hint: 'unknown', count: 2.5, sum: 7, schema: -53, zeroThreshold: 0, zeroCount: 0, bounds: [1, 2] },
    positive: { indices: [1, 2], counts: [0.5, 2] },
    negative: { indices: [], counts: [] },
  });
});

test('a staleness marker in place of the sum, and nothing at all', () => {
  const sum = new Float64Array(1);
  setStaleMarker(sum, 0);
  const bytes = Uint8Array.of(0x19, ...new Uint8Array(sum.buffer));
  expect(decodeHistogramValue(bytes)).toBe('stale');
  expect(decodeHistogramValue(new Uint8Array())).toMatchObject({ count: 0, sum: 0, positive: { indices: [] } });
  expect(() => decodeHistogramValue(Uint8Array.of(0x08, 0x80))).toThrow(RangeError);
});
