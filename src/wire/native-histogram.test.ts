import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addHistograms,
  coarser,
  decodeNativeHistogram,
  encodeNativeHistogram,
  type NativeHistogram,
} from './native-histogram.ts';

const buckets = fc
  .array(fc.tuple(fc.integer({ min: -2_000, max: 2_000 }), fc.integer({ min: 1, max: 2 ** 40 })), { maxLength: 40 })
  .map((pairs) => new Map([...new Map(pairs)].sort(([a], [b]) => a - b)));
const histogram: fc.Arbitrary<NativeHistogram> = fc.record({
  count: fc.maxSafeNat(),
  sum: fc.double().map((sum) => Float64Array.of(sum)),
  schema: fc.integer({ min: -4, max: 8 }),
  zeroThreshold: fc.constantFrom(0, 1e-128, 0.5),
  zeroCount: fc.maxSafeNat(),
  positive: buckets,
  negative: buckets,
});
const total = (of: ReadonlyMap<number, number>) => [...of.values()].reduce((sum, count) => sum + count, 0);

describe('encodeNativeHistogram()', () => {
  test('writes what decodeNativeHistogram() reads', () => {
    fc.assert(
      fc.property(histogram, (of) => {
        expect(decodeNativeHistogram(encodeNativeHistogram(of))).toEqual(of);
      }),
    );
  });

  /** Layouts of prometheus/prometheus d15adb9, histograms_test.go, of OpenTelemetry's offset and counts. */
  test.each([
    { name: 'no gap', offset: 0, counts: [4, 3, 2, 1], spans: [[1, 4]], deltas: [4, -1, -1, -1] },
    {
      name: 'a wide gap',
      offset: 4,
      counts: [4, 2, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
      spans: [
        [5, 4],
        [12, 1],
      ],
      deltas: [4, -2, -2, 2, -1],
    },
    {
      name: 'a gap of three',
      offset: -2,
      counts: [3, 1, 0, 0, 0, 1],
      spans: [
        [-1, 2],
        [3, 1],
      ],
      deltas: [3, -2, 0],
    },
    { name: 'gaps of one', offset: -2, counts: [3, 1, 0, 1, 0, 1], spans: [[-1, 6]], deltas: [3, -2, -1, 1, -1, 1] },
    {
      name: 'gaps of two',
      offset: -2,
      counts: [3, 0, 0, 1, 0, 0, 1],
      spans: [[-1, 7]],
      deltas: [3, -3, 0, 1, -1, 0, 1],
    },
  ])('lays out $name', ({ offset, counts, spans, deltas }) => {
    const positive = new Map(counts.flatMap((count, i) => (count === 0 ? [] : [[offset + i + 1, count] as const])));
    const bytes = encodeNativeHistogram({
      count: 0,
      sum: new Float64Array(1),
      schema: 0,
      zeroThreshold: 0,
      zeroCount: 0,
      positive,
      negative: new Map(),
    });
    const zigzag = (value: number) => (value >= 0 ? value * 2 : -value * 2 - 1);
    const expected = [
      ...spans.flatMap(([at, length]) => [
        0x5a,
        at === 0 ? 2 : 4,
        ...(at === 0 ? [] : [0x08, zigzag(at!)]),
        0x10,
        length!,
      ]),
      ...[0x62, deltas.length, ...deltas.map(zigzag)],
    ];
    expect([...bytes]).toEqual(expected);
  });
});

test.each([
  {
    by: 0,
    want: [
      [1, 4],
      [2, 3],
      [3, 2],
      [4, 1],
    ],
  },
  {
    by: 1,
    want: [
      [1, 7],
      [2, 3],
    ],
  },
  { by: 2, want: [[1, 10]] },
])('coarser() by $by joins neighbours', ({ by, want }) => {
  expect([
    ...coarser(
      new Map([
        [1, 4],
        [2, 3],
        [3, 2],
        [4, 1],
      ]),
      by,
    ),
  ]).toEqual(want);
});

test('addHistograms() loses no observation, and bounds its buckets', () => {
  fc.assert(
    fc.property(histogram, histogram, (a, b) => {
      const sum = addHistograms(a, { ...b, zeroThreshold: a.zeroThreshold });
      expect(total(sum.positive)).toBe(total(a.positive) + total(b.positive));
      expect(total(sum.negative)).toBe(total(a.negative) + total(b.negative));
      expect(sum.positive.size).toBeLessThanOrEqual(320);
      const indexes = [...sum.positive.keys()];
      expect(indexes).toEqual(indexes.toSorted((x, y) => x - y));
    }),
  );
});

test('decodeNativeHistogram() leaves other kinds alone, and refuses damage', () => {
  expect(decodeNativeHistogram(Uint8Array.of(0x11, 0, 0, 0, 0, 0, 0, 0, 0))).toBeUndefined();
  expect(() => decodeNativeHistogram(Uint8Array.of(0x5a, 0x7f))).toThrow(/native histogram/);
});
