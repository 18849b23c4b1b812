import { describe, expect, test } from 'vitest';
import { encodeHistogram, type SentHistogram } from '../testing/encode-histogram.ts';
import { WireError } from './errors.ts';
import { readHistogram } from './histogram.ts';

/** Counts 1, 3, 4, 7, 8 in two spans: 23 in all. */
const POSITIVE: SentHistogram = {
  positiveSpans: [
    { offset: 0, length: 3 },
    { offset: 2, length: 2 },
  ],
  positiveDeltas: [1, 2, 1, 3, 1],
};
const CUSTOM: SentHistogram = {
  schema: -53,
  count: 30,
  sum: 1,
  positiveSpans: [{ offset: 0, length: 6 }],
  positiveDeltas: [2, 1, 2, 3, -1, -2],
  customValues: [0.1, 0.5, 1, 2.5, 5, 10],
};

describe('readHistogram() keeps', () => {
  test.each<{ name: string; sent: SentHistogram; kept?: SentHistogram }>([
    {
      name: 'both signs and the zero bucket',
      sent: {
        count: 27,
        sum: 1,
        schema: 3,
        zeroThreshold: 0.1,
        zeroCount: 1,
        negativeSpans: [{ offset: 1, length: 2 }],
        negativeDeltas: [1, 1],
        ...POSITIVE,
      },
    },
    { name: 'custom buckets', sent: CUSTOM },
    { name: 'nothing at all', sent: { count: 0, sum: 0 }, kept: {} },
    {
      name: 'float counts',
      sent: {
        floatCount: 4.5,
        sum: 2,
        floatZeroCount: 1,
        positiveSpans: [{ offset: -3, length: 2 }],
        positiveCounts: [1.5, 2],
      },
    },
    {
      name: 'a float count that differs from its buckets by rounding',
      sent: { floatCount: 3, positiveSpans: [{ offset: 1, length: 1 }], positiveCounts: [2.9999] },
    },
    {
      name: 'observations that are in no bucket, where one was NaN',
      sent: { count: 25, sum: Number.NaN, ...POSITIVE },
    },
    { name: 'a hint of a reset', sent: { count: 23, resetHint: 2, ...POSITIVE } },
    {
      name: 'a schema that is too fine, coarser',
      // At schema 10 the buckets 1 to 4 are bucket 1 of schema 8, and 5 is in bucket 2.
      sent: { count: 15, schema: 10, positiveSpans: [{ offset: 1, length: 5 }], positiveDeltas: [1, 1, 1, 1, 1] },
      kept: { count: 15, schema: 8, positiveSpans: [{ offset: 1, length: 2 }], positiveDeltas: [10, -5] },
    },
  ])('$name', ({ sent, kept = sent }) => {
    const bytes = encodeHistogram(kept);
    expect(readHistogram(encodeHistogram(sent))).toEqual({ kind: 'histogram', time: 0, start: 0, bytes });
  });

  test('times apart from the rest, fields in any order and numbers that are not packed', () => {
    const bytes = Uint8Array.from([
      ...[0x78, 7, 0x88, 1, 5, 0x60, 2, 0x5a, 4, 0x10, 1, 0x08, 2],
      ...[0x08, 1, 0xfa, 1, 1, 0xff],
    ]);
    const packed = Uint8Array.from([0x08, 1, 0x5a, 4, 0x08, 2, 0x10, 1, 0x62, 1, 2]);
    expect(readHistogram(bytes)).toEqual({ kind: 'histogram', time: 7, start: 5, bytes: packed });
  });
});

describe('readHistogram() refuses', () => {
  test.each<{ name: string; sent: SentHistogram; why: RegExp }>([
    { name: 'a count that is not that of the buckets', sent: { count: 99, ...POSITIVE }, why: /count is 99.*have 23/ },
    {
      name: 'spans of more buckets',
      sent: { count: 1, positiveSpans: [{ offset: 0, length: 2 }], positiveDeltas: [1] },
      why: /spans need 2/,
    },
    {
      name: 'spans of 4 billion buckets',
      sent: { count: 1, positiveSpans: [{ offset: 0, length: 4e9 }], positiveDeltas: [1] },
      why: /spans need/,
    },
    {
      name: 'a span before the one before it',
      sent: {
        count: 2,
        positiveSpans: [
          { offset: 0, length: 1 },
          { offset: -1, length: 1 },
        ],
        positiveDeltas: [1, 0],
      },
      why: /span begins/,
    },
    {
      name: 'a count below zero',
      sent: { count: 0, positiveSpans: [{ offset: 0, length: 2 }], positiveDeltas: [1, -2] },
      why: /count -1/,
    },
    {
      name: 'a float count below zero',
      sent: { floatCount: 1, positiveSpans: [{ offset: 0, length: 1 }], positiveCounts: [-1] },
      why: /count -1/,
    },
    {
      name: 'counts of both kinds',
      sent: { count: 1, positiveSpans: [{ offset: 0, length: 1 }], positiveCounts: [1] },
      why: /both kinds/,
    },
    { name: 'a schema that nobody has', sent: { count: 23, schema: -5, ...POSITIVE }, why: /schema -5/ },
    { name: 'bounds that do not ascend', sent: { ...CUSTOM, customValues: [1, 2, 2, 3, 4, 5] }, why: /ascend/ },
    { name: 'an infinite bound', sent: { ...CUSTOM, customValues: [1, 2, 3, 4, 5, Infinity] }, why: /ascend/ },
    { name: 'more custom buckets than bounds', sent: { ...CUSTOM, customValues: [1, 2] }, why: /6 custom buckets/ },
    { name: 'a zero bucket beside custom ones', sent: { ...CUSTOM, zeroCount: 1 }, why: /zero bucket/ },
    {
      name: 'custom buckets below zero',
      sent: { ...CUSTOM, negativeSpans: [{ offset: 0, length: 1 }], negativeDeltas: [1] },
      why: /below zero/,
    },
    { name: 'bounds in an exponential schema', sent: { ...CUSTOM, schema: 0 }, why: /bounds/ },
    { name: 'counts beyond 2^53', sent: { count: 2 ** 60, ...POSITIVE }, why: /its count is/ },
  ])('$name', ({ sent, why }) => {
    expect(readHistogram(encodeHistogram(sent))).toMatchObject({ kind: 'refused', why: expect.stringMatching(why) });
  });

  test('what is cut short', () => {
    const bytes = encodeHistogram({ count: 23, sum: 1, ...POSITIVE });
    expect(() => readHistogram(bytes.subarray(0, bytes.length - 1))).toThrow(WireError);
  });
});

test('readHistogram() refuses what is too long before it is read, and spans that no 32 bits can say', () => {
  expect(readHistogram(new Uint8Array(5 << 20))).toEqual({
    kind: 'refused',
    time: 0,
    why: 'it takes more than 4194304 bytes',
  });
  // Offsets of 2^40; lengths of 2^40.
  const far = [0x80, 0x80, 0x80, 0x80, 0x80, 0x40];
  for (const field of [0x08, 0x10]) {
    expect(readHistogram(Uint8Array.of(0x5a, 7, field, ...far)).kind).toBe('refused');
  }
});
