import { expect, test } from 'vitest';
import { labelsOf } from '../model/labels.ts';
import { formatHistogramNotation } from './histogram-notation.ts';
import { parseHistogram, parseSeriesLabels, parseSeriesValues } from './series-notation.ts';

test.each([
  ['', []],
  ['1 2.5 -3', [1, 2.5, -3]],
  ['1+2x3', [1, 3, 5, 7]],
  ['5-2x2', [5, 3, 1]],
  ['-1-1x1', [-1, -2]],
  ['7x2', [7, 7, 7]],
  ['_ _x2 1', ['none', 'none', 'none', 1]],
  ['1 stale', [1, 'stale']],
  ['1_000 1e3 .5 Inf -inf', [1000, 1000, 0.5, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]],
])('parseSeriesValues(%j)', (text, want) => {
  expect(parseSeriesValues(text)).toEqual(want);
});

test.each([
  'x',
  '1x',
  '1+x2',
  '1+1',
  'stalex2',
  'NaNx2',
  '1{{}}',
  '{{count:x}}',
  '{{',
  '1 }}',
  '1x99999999',
])('parseSeriesValues(%j) says what is wrong', (text) => {
  expect(() => parseSeriesValues(text)).toThrow(/not in the notation of series|more than/);
});

test('histograms add up', () => {
  const values = parseSeriesValues('{{count:1 sum:2 buckets:[1]}}+{{count:1 sum:2 buckets:[1]}}x2');
  expect(values.map((value) => (typeof value === 'object' ? value.histogram.count : value))).toEqual([1, 2, 3]);
});

test.each([
  ['', []],
  ['up', { __name__: 'up' }],
  ['up{job="a", b="c"}', { __name__: 'up', job: 'a', b: 'c' }],
  ['{"a.b", c="d"}', { __name__: 'a.b', c: 'd' }],
] as const)('parseSeriesLabels(%j)', (text, labels) => {
  expect(parseSeriesLabels(text)).toEqual({ labels: labelsOf(labels as Record<string, string>), end: text.length });
});

test.each([
  '{{}}',
  '{{schema:1 count:32.1 sum:-0.3 z_bucket:7.1 z_bucket_w:0.05 offset:-3 buckets:[5.1 10 7] n_offset:-5 n_buckets:[4.1 5]}}',
  '{{schema:-53 count:6 custom_values:[1 2] buckets:[1 2 3]}}',
  '{{count:3 counter_reset_hint:gauge buckets:[1 0 2]}}',
])('formatHistogramNotation() writes %s as it was', (text) => {
  expect(formatHistogramNotation(parseHistogram(text).histogram)).toBe(text);
});

test('formatHistogramNotation() leaves out buckets that count nothing at the ends', () => {
  const { histogram } = parseHistogram('{{count:3 buckets:[0 1 0 2 0] n_buckets:[0]}}');
  expect(formatHistogramNotation(histogram)).toBe('{{count:3 offset:1 buckets:[1 0 2]}}');
});
