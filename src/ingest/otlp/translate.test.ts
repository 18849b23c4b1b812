import { describe, expect, test } from 'vitest';
import { formatLabels, labelsOf } from '../../model/labels.ts';
import { MINUTE } from '../../model/time.ts';
import { decodeOtlpJson } from '../../wire/otlp-json.ts';
import { TRANSLATION_STRATEGIES } from '../../wire/otlp-names.ts';
import { DEFAULT_LABEL_LIMITS } from '../check-labels.ts';
import type { OtlpTranslation } from './labels.ts';
import { plainDecimal, type TranslatedSample, translateOtlp } from './translate.ts';

const HOW: OtlpTranslation = {
  strategy: 'UnderscoreEscapingWithSuffixes',
  promoteResourceAttributes: [],
  promoteScopeMetadata: false,
};
const attributes = (of: Record<string, string>) =>
  Object.entries(of).map(([key, stringValue]) => ({ key, value: { stringValue } }));
const millis = (time: number) => `${time}000000`;

function translated(document: object, how: Partial<OtlpTranslation> = {}) {
  const request = decodeOtlpJson(new TextEncoder().encode(JSON.stringify(document)));
  return [...translateOtlp(request, { ...HOW, ...how }, DEFAULT_LABEL_LIMITS)];
}

function samples(document: object, how: Partial<OtlpTranslation> = {}): readonly TranslatedSample[] {
  return translated(document, how).filter((piece) => piece.kind === 'sample');
}

const names = (document: object, how: Partial<OtlpTranslation> = {}) =>
  samples(document, how).map(({ labels }) => formatLabels(labelsOf(labels)));

function request(metrics: readonly object[], resource: Record<string, string> = {}, scope: object = {}) {
  return { resourceMetrics: [{ resource: { attributes: attributes(resource) }, scopeMetrics: [{ scope, metrics }] }] };
}

const POINT = { timeUnixNano: millis(5_000), asInt: 1, attributes: attributes({ 'http.route': '/' }) };
const SUM = {
  name: 'http.server.requests',
  unit: 'By/s',
  sum: { aggregationTemporality: 2, isMonotonic: true, dataPoints: [POINT] },
};

describe('translateOtlp()', () => {
  test.each([
    [TRANSLATION_STRATEGIES[0], 'http_server_requests_bytes_per_second_total{http_route="/"}'],
    [TRANSLATION_STRATEGIES[1], 'http_server_requests{http_route="/"}'],
    [TRANSLATION_STRATEGIES[2], '{"http.server.requests_bytes_per_second_total", "http.route"="/"}'],
    [TRANSLATION_STRATEGIES[3], '{"http.server.requests", "http.route"="/"}'],
  ])('names by %s', (strategy, want) => {
    expect(names(request([SUM]), { strategy })).toEqual([want]);
  });

  test.each([
    { name: 'a service', resource: { 'service.name': 's' }, want: ['job="s"'] },
    { name: 'its namespace', resource: { 'service.name': 's', 'service.namespace': 'n' }, want: ['job="n/s"'] },
    { name: 'an instance alone', resource: { 'service.instance.id': 'i' }, want: ['instance="i"'] },
    { name: 'a namespace alone as nothing', resource: { 'service.namespace': 'n' }, want: [] },
  ])('says of what target they are: $name', ({ resource, want }) => {
    const [only, ...others] = names(request([SUM], resource));
    expect(only).toBe(`http_server_requests_bytes_per_second_total{${['http_route="/"', ...want].sort().join(', ')}}`);
    // Nothing but who it is: no target_info.
    expect(others).toEqual([]);
  });

  test.each([
    {
      name: 'with an identity',
      resource: { 'service.name': 's', 'host.name': 'h' },
      want: ['target_info{host_name="h", job="s"}'],
    },
    { name: 'not without one', resource: { 'host.name': 'h' }, want: [] },
  ])('tells of a target: $name', ({ resource, want }) => {
    expect(names(request([SUM], resource)).slice(1)).toEqual(want);
  });

  test('tells of a target every two and a half minutes, and at the last point', () => {
    const dataPoints = [0, 6 * MINUTE].map((ms) => ({ timeUnixNano: millis(1_000_000 + ms), asInt: 1 }));
    const times = samples(request([{ name: 'm', gauge: { dataPoints } }], { 'service.name': 's', a: 'b' }))
      .filter(({ point }) => point === -1)
      .map(({ time }) => time - 1_000_000);
    expect(times).toEqual([0, 2.5 * MINUTE, 5 * MINUTE, 6 * MINUTE]);
  });

  test('bounds what a point long ago asks for', () => {
    const dataPoints = [1, 1_785_751_200_000].map((ms) => ({ timeUnixNano: millis(ms), asInt: 1 }));
    const all = samples(request([{ name: 'm', gauge: { dataPoints } }], { 'service.name': 's', a: 'b' }));
    expect(all.length).toBe(2 + (48 * 60) / 2.5 + 1);
  });

  test('promotes attributes of the resource where the point has none, and the scope', () => {
    const resource = { zone: 'z', 'http.route': 'never', other: 'o' };
    const scope = { name: 'lib', version: '2', attributes: attributes({ team: 't' }) };
    const how = { promoteResourceAttributes: ['zone', 'http.route'], promoteScopeMetadata: true };
    expect(names(request([SUM], resource, scope), how)).toEqual([
      'http_server_requests_bytes_per_second_total{http_route="/", otel_scope_name="lib", otel_scope_team="t", otel_scope_version="2", zone="z"}',
    ]);
  });

  test('joins what becomes one label in the order of its keys, and leaves out what would be the name', () => {
    const point = { ...POINT, attributes: attributes({ a_b: '3', 'a-b': '1', 'a.b': '2', __name__: 'x', empty: '' }) };
    expect(names(request([{ name: 'm', gauge: { dataPoints: [point] } }]))).toEqual(['m{a_b="1;2;3"}']);
  });

  test('gives the bucket its own le, and refuses a point with a thousand of them', () => {
    const histogram = (bounds: number) => ({
      timeUnixNano: millis(1_000),
      count: 0,
      bucketCounts: Array.from({ length: bounds + 1 }, () => 0),
      explicitBounds: Array.from({ length: bounds }, (_, i) => i),
      attributes: attributes({ le: 'mine' }),
    });
    const of = (bounds: number) =>
      request([{ name: 'm', histogram: { aggregationTemporality: 2, dataPoints: [histogram(bounds)] } }]);
    expect(names(of(1))).toEqual(['m_count{le="mine"}', 'm_bucket{le="0"}', 'm_bucket{le="+Inf"}']);
    expect(translated(of(1_001)).map(({ kind }) => kind)).toEqual(['family', 'refused']);
  });

  test('keeps the ids of an exemplar before its attributes', () => {
    const exemplar = {
      asDouble: 1,
      traceId: 'ab'.repeat(16),
      spanId: '00'.repeat(8),
      filteredAttributes: attributes({ a: 'x'.repeat(100) }),
    };
    const [sample] = samples(request([{ name: 'm', gauge: { dataPoints: [{ ...POINT, exemplars: [exemplar] }] } }]));
    expect(sample!.exemplars).toEqual([{ time: 5_000, value: 1, labels: [['trace_id', 'ab'.repeat(16)]] }]);
  });
});

test.each([
  [0.1, '0.1'],
  [1, '1'],
  [1e21, '1000000000000000000000'],
  [1.5e22, '15000000000000000000000'],
  [1e-7, '0.0000001'],
  [-2.5e-9, '-0.0000000025'],
  [5e-324, `0.${'0'.repeat(323)}5`],
  [Infinity, '+Inf'],
  [-Infinity, '-Inf'],
])('plainDecimal(%d) is %s', (value, want) => {
  expect(plainDecimal(value)).toBe(want);
});
