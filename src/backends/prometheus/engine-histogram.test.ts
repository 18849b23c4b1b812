import fc from 'fast-check';
import { expect, test } from 'vitest';
import { allBuckets, CUSTOM_BUCKETS, type HistogramValue, NO_BUCKETS } from '../../model/histogram-value.ts';
import { resultOf } from './engine-evaluator.ts';
import { histogramOf } from './engine-histogram.ts';

const counts = fc.integer({ min: 1, max: 1_000 });
const side = (least: number, most: number) =>
  fc.uniqueArray(fc.integer({ min: least, max: most }), { maxLength: 6 }).chain((indices) =>
    fc.array(counts, { minLength: indices.length, maxLength: indices.length }).map((all) => ({
      indices: indices.sort((a, b) => a - b),
      counts: all,
    })),
  );
const shared = { hint: 'unknown', count: 10, sum: 3.5 } as const;
const exponential = fc.integer({ min: -4, max: 8 }).chain((schema) =>
  fc.record<HistogramValue>({
    ...{ hint: fc.constant('unknown'), count: counts, sum: fc.double({ noNaN: true }), schema: fc.constant(schema) },
    zeroThreshold: fc.constantFrom(0, 1e-128, 2 ** -20),
    zeroCount: fc.integer({ min: 0, max: 9 }),
    positive: side(Math.ceil(-15 * 2 ** schema), Math.floor(40 * 2 ** schema)),
    negative: side(Math.ceil(-15 * 2 ** schema), Math.floor(40 * 2 ** schema)),
    bounds: fc.constant([]),
  }),
);
const custom = fc
  .uniqueArray(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 8 })
  .chain((bounds) =>
    side(0, bounds.length).map((positive): HistogramValue => {
      const sorted = bounds.map((bound) => bound + 0).sort((a, b) => a - b);
      return {
        ...shared,
        schema: CUSTOM_BUCKETS,
        zeroThreshold: 0,
        zeroCount: 0,
        positive,
        negative: NO_BUCKETS,
        bounds: sorted,
      };
    }),
  );

test('a histogram that is sent with bounds is sent on with the same ones', () => {
  fc.assert(
    fc.property(fc.oneof(exponential, custom), (histogram) => {
      const buckets = allBuckets(histogram);
      const { count, sum } = histogram;
      const read = histogramOf({ count, sum, buckets });
      expect(read).toMatchObject({ count, sum });
      expect(allBuckets(read).map(({ lower, upper, count: of }) => [lower, upper, of])).toEqual(
        buckets.map(({ lower, upper, count: of }) => [lower, upper, of]),
      );
    }),
  );
});

test('buckets of a schema are read as such, those of none as custom ones', () => {
  const buckets = [
    { lower: -2, upper: -1, count: 1 },
    { lower: -0.001, upper: 0.001, count: 3 },
    { lower: 1, upper: Math.SQRT2, count: 2 },
  ];
  expect(histogramOf({ count: 6, sum: 1, buckets: buckets.slice(1) })).toEqual({
    ...{ hint: 'unknown', schema: 1, zeroThreshold: 0.001, zeroCount: 3, count: 6, sum: 1 },
    ...{ positive: { indices: [1], counts: [2] }, negative: { indices: [], counts: [] }, bounds: [] },
  });
  expect(histogramOf({ count: 6, sum: 1, buckets })).toMatchObject({ schema: CUSTOM_BUCKETS });
});

const sent = {
  count: '3',
  sum: '4.5',
  buckets: [
    [3, '-Inf', '5', '1'],
    [0, '5', '10', '2'],
  ],
};
const metric = { __name__: 'sized' };
const ofSent = { schema: CUSTOM_BUCKETS, count: 3, sum: 4.5, bounds: [5, 10] };

test('an engine may answer with histograms, and with floats and histograms', () => {
  const vector = { resultType: 'vector', result: [{ metric, histogram: [60, sent] }] };
  expect(resultOf({ data: vector, warnings: [], infos: [] }, undefined).value).toMatchObject({
    samples: [{ time: 60_000, value: Number.NaN, histogram: ofSent }],
  });

  const series = [
    {
      metric,
      histograms: [
        [60, sent],
        [120, sent],
      ],
    },
    { metric: { __name__: 'mixed' }, values: [[60, '1']], histograms: [[120, sent]] },
  ];
  const { value } = resultOf({ data: { resultType: 'matrix', result: series }, warnings: [], infos: [] }, undefined);
  expect(value).toMatchObject({
    series: [
      { times: Float64Array.of(60_000), values: Float64Array.of(1), histograms: { times: Float64Array.of(120_000) } },
      { times: new Float64Array(), histograms: { times: Float64Array.of(60_000, 120_000), values: [ofSent, ofSent] } },
    ],
  });
});

test.each([
  [[60], /pair/],
  [[60, 'much'], /histogram/],
  [[60, { count: '1', sum: '1', buckets: [['x']] }], /histogram/],
])('a histogram that cannot be read is told: %j', (histogram, message) => {
  const data = { resultType: 'vector', result: [{ metric, histogram }] };
  expect(() => resultOf({ data, warnings: [], infos: [] }, undefined)).toThrow(message);
});

test('histograms count among the samples that a query may have', () => {
  const data = {
    resultType: 'matrix',
    result: [
      {
        metric,
        histograms: [
          [60, sent],
          [120, sent],
        ],
      },
    ],
  };
  expect(() => resultOf({ data, warnings: [], infos: [] }, undefined, 1)).toThrow(/too many|1/);
});
