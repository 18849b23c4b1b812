import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { HistogramValue } from '../model/histogram-value.ts';
import { setStaleMarker } from '../model/series.ts';
import { loadCore } from '../tsdb/core.ts';
import { MOST_WRITTEN, sampleWriter } from '../wire/sample-text.ts';
import { envelopeOf, formatValue, metricOf, quotedJson } from './envelope.ts';
import { unescapeName } from './routes/label-values.ts';

test.each([
  { value: 1, want: '1' },
  { value: -0, want: '-0' },
  { value: 0.1, want: '0.1' },
  { value: 1e-6, want: '0.000001' },
  { value: 1e-7, want: '1e-07' },
  { value: -1.5e-9, want: '-1.5e-09' },
  { value: 5e-324, want: '5e-324' },
  { value: 123_456_789_012_345_680_000, want: '123456789012345680000' },
  { value: 1e21, want: '1e+21' },
  { value: Number.POSITIVE_INFINITY, want: '+Inf' },
  { value: Number.NEGATIVE_INFINITY, want: '-Inf' },
  { value: Number.NaN, want: 'NaN' },
])('formatValue($value) is as Go writes it', ({ value, want }) => {
  expect(formatValue(value)).toBe(want);
});

test('formatValue() reads back the same', () => {
  fc.assert(
    fc.property(fc.double({ noDefaultInfinity: true, noNaN: true }), (v) => Object.is(Number(formatValue(v)), v)),
  );
});

test('metricOf() is JSON, whatever the labels hold', () => {
  expect(
    metricOf([
      ['a"b', '\n'],
      ['__name__', 'up'],
      ['z', '</script>'],
    ]),
  ).toBe('{"__name__":"up","a\\"b":"\\n","z":"</script>"}');
});

test('a staleness marker is never answered', () => {
  const values = Float64Array.of(1, 0, Number.NaN);
  setStaleMarker(values, 1);
  const series = [
    { labels: [], times: Float64Array.of(1000, 2000, 3500), values },
    { labels: [], times: Float64Array.of(2000), values: values.slice(1, 2) },
  ];
  const result = { value: { kind: 'matrix', series } as const, warnings: ['w'], infos: ['i'] };
  expect([...envelopeOf(result)].join('')).toBe(
    '{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"],[3.5,"NaN"]]}]},"warnings":["w"],"infos":["i"]}',
  );
});

const writeSamples = sampleWriter(await loadCore());

test.each([
  { name: 'some values', times: [1000, 2500], values: [0.1, -3] },
  { name: 'values that have an exponent or none at all', times: [1, 2, 3], values: [1e-7, Number.NaN, 1e300] },
  { name: 'markers alone', times: [1, 2], values: ['stale', 'stale'] },
  { name: 'markers around a value', times: [1, 2, 3], values: ['stale', 7, 'stale'] },
  { name: 'times before 1970', times: [-1500, 0], values: [1, 2] },
  { name: 'more than is written at once', times: [...Array(2 * MOST_WRITTEN + 3).keys()], values: [] },
  { name: 'none', times: [], values: [] },
])('envelopeOf() answers $name the same as bytes and as text', ({ times, values }) => {
  const column = Float64Array.from(times, (time, i) => (typeof values[i] === 'number' ? values[i] : time / 7 + 1));
  values.forEach((value, i) => {
    if (value === 'stale') setStaleMarker(column, i);
  });
  const series = ['a', 'b'].map((name) => ({
    labels: [['__name__', name]] as const,
    times: Float64Array.from(times),
    values: column,
  }));
  const result = { value: { kind: 'matrix', series } as const, warnings: [], infos: [] };
  // Bytes are good until the next part.
  const written = Array.from(envelopeOf(result, { writeSamples }), (part) => Buffer.from(part).toString()).join('');
  expect(written).toBe([...envelopeOf(result)].join(''));
});

// The example in Prometheus's `util/jsonutil/marshal.go`, and custom buckets beside floats.
test('native histograms are answered with their buckets that are not empty', () => {
  const sides = {
    positive: { indices: [-1, 0, 1, 2], counts: [12, 21, 0, 6] },
    negative: { indices: [-1], counts: [2] },
  };
  const histogram: HistogramValue = {
    ...{ hint: 'unknown', schema: 0, count: 44, sum: 34_593.34, zeroThreshold: 0.25, zeroCount: 3, bounds: [] },
    ...sides,
  };
  const vector = { kind: 'vector', samples: [{ labels: [], time: 1500, value: Number.NaN, histogram }] } as const;
  const buckets =
    '[1,"-0.5","-0.25","2"],[3,"-0.25","0.25","3"],[0,"0.25","0.5","12"],[0,"0.5","1","21"],[0,"2","4","6"]';
  expect([...envelopeOf({ value: vector, warnings: [], infos: [] })].join('')).toContain(
    `[{"metric":{},"histogram":[1.5,{"count":"44","sum":"34593.34","buckets":[${buckets}]}]}]`,
  );
  const custom: HistogramValue = {
    ...{ hint: 'unknown', schema: -53, count: 3, sum: 4, zeroThreshold: 0, zeroCount: 0, bounds: [5] },
    positive: { indices: [0, 1], counts: [1, 2] },
    negative: { indices: [], counts: [] },
  };
  const empty = { ...custom, positive: custom.negative, count: 0, sum: 0 };
  const series = [
    {
      ...{ labels: [], times: Float64Array.of(1000), values: Float64Array.of(7) },
      histograms: { times: Float64Array.of(2000, 3000), values: [custom, empty] },
    },
  ];
  expect([...envelopeOf({ value: { kind: 'matrix', series }, warnings: [], infos: [] })].join('')).toContain(
    '[{"metric":{},"values":[[1,"7"]],"histograms":[' +
      '[2,{"count":"3","sum":"4","buckets":[[3,"-Inf","5","1"],[0,"5","+Inf","2"]]}],[3,{"count":"0","sum":"0"}]]}]',
  );
});

test.each([
  { text: 'job', want: 'job' },
  { text: 'U__my_2e_label', want: 'my.label' },
  { text: 'U__a__b', want: 'a_b' },
  { text: 'U___1f600_', want: '😀' },
  { text: 'U__a_', want: 'U__a_' },
  { text: 'U___d800_', want: 'U___d800_' },
  { text: 'U___110000_', want: 'U___110000_' },
])('unescapeName($text)', ({ text, want }) => {
  expect(unescapeName(text)).toBe(want);
});

test('quotedJson() writes any text as JSON.stringify does', () => {
  const texts = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom('"', '\\', 'a\n', '\u2028', '\ud800'),
  );
  fc.assert(
    fc.property(texts, (text) => {
      expect(quotedJson(text)).toBe(JSON.stringify(text));
    }),
  );
});
