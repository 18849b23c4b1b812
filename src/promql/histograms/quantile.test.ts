import { describe, expect, test } from 'vitest';
import type { HistogramValue } from '../../model/histogram-value.ts';
import { parseHistogram } from '../../rules/series-notation.ts';
import { histogramFractionOf, histogramQuantileOf, histogramVarianceOf } from './quantile.ts';
import { trimmed } from './trim.ts';

const of = (text: string): HistogramValue => parseHistogram(`{{${text}}}`).histogram;

// (1, 2] and (2, 4] with 4 observations each.
const EIGHT = 'schema:0 count:8 sum:20 offset:1 buckets:[4 4]';

describe('histogramQuantileOf()', () => {
  test.each([
    { q: -0.1, text: EIGHT, want: Number.NEGATIVE_INFINITY },
    { q: 1.1, text: EIGHT, want: Number.POSITIVE_INFINITY },
    { q: 0.25, text: EIGHT, want: Math.SQRT2 },
    { q: 0.5, text: EIGHT, want: 2 },
    { q: 0.75, text: EIGHT, want: 2 * Math.SQRT2 },
    { q: 1, text: EIGHT, want: 4 },
    { q: 0.5, text: 'schema:0 count:8 sum:-20 n_offset:1 n_buckets:[4 4]', want: -2 },
    { q: 0.5, text: 'schema:0 count:4 z_bucket:4 z_bucket_w:0.5', want: 0 },
    { q: 0.25, text: 'schema:0 count:5 z_bucket:4 z_bucket_w:0.8 offset:1 buckets:[1]', want: 0.25 },
    { q: 0.5, text: 'schema:-53 count:4 custom_values:[2 6] buckets:[1 2 1]', want: 4 },
    { q: 0.1, text: 'schema:-53 count:4 custom_values:[2 6] buckets:[1 2 1]', want: 0.8 },
    { q: 0.99, text: 'schema:-53 count:4 custom_values:[2 6] buckets:[1 2 1]', want: 6 },
    { q: 0.1, text: 'schema:-53 count:4 custom_values:[-2 6] buckets:[1 2 1]', want: -2 },
  ])('$q of {{$text}} is $want', ({ q, text, want }) => {
    expect(histogramQuantileOf(q, of(text)).value).toBeCloseTo(want, 12);
  });

  test('is NaN without observations', () => {
    expect(histogramQuantileOf(0.5, of('schema:0')).value).toBeNaN();
    expect(histogramFractionOf(Number.NaN, 1, of(EIGHT)).value).toBeNaN();
  });

  test('tells of observations that are NaN', () => {
    const histogram = of('schema:0 count:8 sum:NaN offset:1 buckets:[4]');
    expect(histogramQuantileOf(0.9, histogram)).toEqual({ value: Number.NaN, nan: 'result' });
    expect(histogramQuantileOf(0.25, histogram)).toMatchObject({ nan: 'skew' });
    expect(histogramFractionOf(1, 2, histogram)).toEqual({ value: 0.5, nan: 'excluded' });
  });
});

test.each([
  { lower: 1, upper: 2, text: EIGHT, want: 0.5 },
  { lower: 2, upper: 1, text: EIGHT, want: 0 },
  { lower: Number.NEGATIVE_INFINITY, upper: Math.SQRT2, text: EIGHT, want: 0.25 },
  { lower: 0, upper: Number.POSITIVE_INFINITY, text: EIGHT, want: 1 },
  { lower: 3, upper: 6, text: 'schema:-53 count:4 custom_values:[2 6] buckets:[1 2 1]', want: 0.375 },
  { lower: 0, upper: 1, text: 'schema:-53 count:4 custom_values:[2 6] buckets:[1 2 1]', want: 0.125 },
])('the share of {{$text}} between $lower and $upper is $want', ({ lower, upper, text, want }) => {
  expect(histogramFractionOf(lower, upper, of(text)).value).toBeCloseTo(want, 12);
});

test('histogramVarianceOf() takes the middles of buckets', () => {
  // 2^0.5 and 2^1.5 in the mean 2.5: (1.0858^2 + 0.3284^2) / 2.
  expect(histogramVarianceOf(of(EIGHT))).toBeCloseTo(((2.5 - Math.SQRT2) ** 2 + (2.5 - 2 * Math.SQRT2) ** 2) / 2, 12);
});

// From native_histograms.test at lines 2049, 2055, 2063 and 2197, in the numbers that it expects.
const TRIMMED = 'schema:0 count:34 sum:100 z_bucket:1 z_bucket_w:0.001 buckets:[2 4 8 16] n_buckets:[1 2]';
test.each([
  { text: TRIMMED, bound: Number.POSITIVE_INFINITY, keeps: 'above', count: 0 },
  { text: TRIMMED, bound: Number.NEGATIVE_INFINITY, keeps: 'above', count: 34 },
  { text: TRIMMED, bound: 0, keeps: 'above', count: 30.5 },
  { text: TRIMMED, bound: 0, keeps: 'below', count: 3.5 },
  { text: TRIMMED, bound: Math.SQRT2, keeps: 'below', count: 8 },
  {
    text: 'schema:-53 count:15 sum:172.5 custom_values:[5 10 15 20] buckets:[1 6 4 3 1]',
    bound: 7.5,
    keeps: 'below',
    count: 4,
  },
] as const)('of {{$text}} $count observations lie $keeps $bound', ({ text, bound, keeps, count }) => {
  expect(trimmed(of(text), bound, keeps).count).toBeCloseTo(count, 9);
});
