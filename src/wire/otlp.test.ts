import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeOtlp } from '../testing/encode-otlp.ts';
import { PROPERTY_RUNS } from '../testing/property-runs.ts';
import { WireError, WireTooLargeError } from './errors.ts';
import { millisOf, type OtlpRequest } from './otlp.ts';
import { decodeOtlpJson } from './otlp-json.ts';
import { decodeOtlpProtobuf } from './otlp-protobuf.ts';

const json = (document: unknown) => new TextEncoder().encode(JSON.stringify(document));
const T = '1785751200123456789';
const MS = 1_785_751_200_123;

/** A request of one metric. */
const of = (metric: object, more: object = {}) => ({
  resourceMetrics: [{ scopeMetrics: [{ metrics: [{ name: 'm', ...metric }] }], ...more }],
});
const gauge = (...dataPoints: object[]) => of({ gauge: { dataPoints } });
const metricOf = ({ resources }: OtlpRequest) => resources[0]!.scopes[0]!.metrics[0]!;
const attribute = (value: object) => ({ attributes: [{ key: 'a', value }], asInt: '1', timeUnixNano: T });

const exemplar = {
  filteredAttributes: [{ key: 'user', value: { stringValue: 'ann' } }],
  timeUnixNano: T,
  asDouble: 0.25,
  spanId: 'eee19b7ec3c1b174',
  traceId: '5b8efff798038103d269b633813fc60c',
};
const EVERYTHING = {
  resourceMetrics: [
    {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }] },
      scopeMetrics: [
        {
          scope: { name: 'lib', version: '1.2', attributes: [{ key: 'x', value: { boolValue: true } }] },
          schemaUrl: 'https://schema',
          metrics: [
            {
              name: 'requests',
              description: 'How many.',
              unit: '1',
              sum: {
                aggregationTemporality: 1,
                isMonotonic: true,
                dataPoints: [
                  {
                    attributes: [{ key: 'code', value: { intValue: '200' } }],
                    startTimeUnixNano: '1000000',
                    timeUnixNano: T,
                    asInt: '-7',
                    exemplars: [exemplar],
                  },
                  { timeUnixNano: T, flags: 1 },
                ],
              },
            },
            {
              name: 'latency',
              histogram: {
                aggregationTemporality: 2,
                dataPoints: [
                  {
                    timeUnixNano: T,
                    count: '6',
                    sum: 1.5,
                    bucketCounts: ['1', '2', '3'],
                    explicitBounds: [0.1, 1],
                    exemplars: [exemplar],
                  },
                  { timeUnixNano: T, count: '2' },
                ],
              },
            },
            {
              name: 'size',
              exponentialHistogram: {
                aggregationTemporality: 2,
                dataPoints: [
                  {
                    timeUnixNano: T,
                    count: '9',
                    sum: -3,
                    scale: -2,
                    zeroCount: '1',
                    zeroThreshold: 0.5,
                    positive: { offset: -4, bucketCounts: ['1', '0', '4'] },
                    negative: { offset: 3, bucketCounts: ['3'] },
                  },
                ],
              },
            },
            {
              name: 'pause',
              summary: {
                dataPoints: [
                  {
                    timeUnixNano: T,
                    count: '4',
                    sum: 2,
                    quantileValues: [
                      { quantile: 0.5, value: 0.4 },
                      { quantile: 1, value: 1 },
                    ],
                  },
                ],
              },
            },
            { name: 'level', gauge: { dataPoints: [{ timeUnixNano: T, asDouble: 1.25 }, { timeUnixNano: T }] } },
            { name: 'nothing' },
          ],
        },
      ],
    },
  ],
};

describe('decodeOtlpProtobuf() and decodeOtlpJson()', () => {
  test('read the same of everything', () => {
    const fromJson = decodeOtlpJson(json(EVERYTHING));
    expect(said(decodeOtlpProtobuf(encodeOtlp(EVERYTHING)).resources)).toEqual(fromJson.resources);
    const [sum, histogram, exponential, summary, level, nothing] = fromJson.resources[0]!.scopes[0]!.metrics;
    expect(fromJson.resources[0]!.attributes).toEqual([['service.name', 'shop']]);
    expect(sum!.data).toMatchObject({
      kind: 'sum',
      temporality: 'delta',
      monotonic: true,
      points: [
        { attributes: [['code', '200']], start: 1, time: MS, value: -7, noRecordedValue: false },
        { attributes: [], value: undefined, noRecordedValue: true },
      ],
    });
    expect(histogram!.data).toMatchObject({
      temporality: 'cumulative',
      points: [
        {
          count: 6,
          sum: 1.5,
          bucketCounts: [1, 2, 3],
          bounds: [0.1, 1],
          exemplars: [
            {
              attributes: [['user', 'ann']],
              time: MS,
              value: 0.25,
              traceId: exemplar.traceId,
              spanId: exemplar.spanId,
            },
          ],
        },
        { count: 2, sum: undefined, bucketCounts: [] },
      ],
    });
    expect(exponential!.data?.points[0]).toMatchObject({
      scale: -2,
      zeroCount: 1,
      zeroThreshold: 0.5,
      positive: { offset: -4, counts: [1, 0, 4] },
      negative: { offset: 3, counts: [3] },
    });
    expect(summary!.data?.points[0]).toMatchObject({
      quantiles: [
        { quantile: 0.5, value: 0.4 },
        { quantile: 1, value: 1 },
      ],
    });
    expect(level!.data).toMatchObject({ kind: 'gauge', points: [{ value: 1.25 }, { value: undefined }] });
    expect(nothing!.data).toBeUndefined();
  });

  test.each([
    { name: 'a text', value: { stringValue: 'ü' }, want: 'ü' },
    { name: 'true', value: { boolValue: true }, want: 'true' },
    { name: 'a whole number', value: { intValue: '-42' }, want: '-42' },
    { name: 'the largest number', value: { intValue: '9223372036854775807' }, want: '9223372036854775807' },
    { name: 'the smallest number', value: { intValue: '-9223372036854775808' }, want: '-9223372036854775808' },
    { name: 'a fraction', value: { doubleValue: 0.5 }, want: '0.5' },
    { name: 'bytes', value: { bytesValue: 'AAH/' }, want: 'AAH/' },
    { name: 'nothing', value: {}, want: '' },
    {
      name: 'a list',
      value: { arrayValue: { values: [{ stringValue: 'a"b' }, { intValue: '1' }, {}, { doubleValue: 1.5 }] } },
      want: '["a\\"b",1,null,1.5]',
    },
    {
      name: 'a map, its keys sorted',
      value: {
        kvlistValue: {
          values: [
            { key: 'b', value: { boolValue: false } },
            { key: 'a', value: { arrayValue: { values: [] } } },
          ],
        },
      },
      want: '{"a":[],"b":false}',
    },
  ])('write an attribute of $name as a text', ({ value, want }) => {
    for (const decoded of [
      decodeOtlpJson(json(gauge(attribute(value)))),
      decodeOtlpProtobuf(encodeOtlp(gauge(attribute(value)))),
    ]) {
      expect(metricOf(decoded).data?.points[0]?.attributes).toEqual([['a', want]]);
    }
  });

  test('never fail but with an error of the wire, whatever the bytes', () => {
    const body = encodeOtlp(EVERYTHING);
    const text = json(EVERYTHING);
    fc.assert(
      fc.property(fc.nat(), fc.nat(255), fc.nat(), fc.boolean(), (at, byte, cut, isJson) => {
        const whole = isJson ? text : body;
        const changed = whole.slice(0, cut % 3 === 0 ? cut % whole.length : whole.length);
        if (changed.length > 0) changed[at % changed.length] = byte;
        expectOnlyWireErrors(() => (isJson ? decodeOtlpJson(changed) : decodeOtlpProtobuf(changed)));
      }),
      { numRuns: 8 * PROPERTY_RUNS },
    );
  });
});

function expectOnlyWireErrors(decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    if (!(error instanceof WireError || error instanceof WireTooLargeError)) throw error;
  }
}

/** `depth` lists in each other. */
function nestedValue(depth: number): object {
  return depth === 0 ? { intValue: '1' } : { arrayValue: { values: [nestedValue(depth - 1)] } };
}

describe('decodeOtlpProtobuf()', () => {
  test('skips what it does not know, and takes packed numbers unpacked', () => {
    // HistogramDataPoint: field 99 of each wire type; bucket_counts (6) and explicit_bounds (7) one by one.
    const fixed = (tag: number, bytes: readonly number[]) => [tag, ...bytes];
    const one = [1, 0, 0, 0, 0, 0, 0, 0];
    const point = [
      ...[0x98, 0x06, 5],
      ...[0x99, 0x06, ...one],
      ...[0x9a, 0x06, 1, 7],
      ...[0x9d, 0x06, 1, 2, 3, 4],
      ...fixed(0x31, one),
      ...fixed(0x31, [2, 0, 0, 0, 0, 0, 0, 0]),
      ...fixed(0x39, [0, 0, 0, 0, 0, 0, 0xf0, 0x3f]),
    ];
    const nested = (tag: number, body: readonly number[]) => [tag, body.length, ...body];
    const request = nested(0x0a, nested(0x12, nested(0x12, nested(0x4a, nested(0x0a, point)))));
    expect(metricOf(decodeOtlpProtobuf(Uint8Array.from(request))).data?.points).toMatchObject([
      { bucketCounts: [1, 2], bounds: [1] },
    ]);
  });

  test('marks the point whose texts are not UTF-8, and reads the others', () => {
    const bytes = encodeOtlp(gauge(attribute({ stringValue: 'XY' }), attribute({ stringValue: 'ok' })));
    const at = bytes.findIndex((byte, i) => byte === 0x58 && bytes[i + 1] === 0x59);
    bytes[at] = 0xff;
    const points = metricOf(decodeOtlpProtobuf(bytes)).data?.points;
    expect(points?.map(({ invalidText }) => invalidText)).toEqual([true, false]);
  });

  test.each([
    { name: 'every length of a body cut short', bytes: [...encodeOtlp(EVERYTHING)] },
  ])('refuses $name or reads what is whole', ({ bytes }) => {
    for (let end = 1; end < bytes.length; end++) {
      expectOnlyWireErrors(() => decodeOtlpProtobuf(Uint8Array.from(bytes.slice(0, end))));
    }
  });

  test.each([
    { name: 'a length past the end', bytes: [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], want: /reaches past the end/ },
    { name: 'a group', bytes: [0x0b], want: /wire type 3/ },
    { name: 'field 0', bytes: [0x00], want: /field number 0/ },
    {
      name: 'values nested deep',
      bytes: [...encodeOtlp(gauge(attribute(nestedValue(40))))],
      want: /nested more than 16/,
    },
  ])('refuses $name', ({ bytes, want }) => {
    expect(() => decodeOtlpProtobuf(Uint8Array.from(bytes))).toThrow(want);
  });

  test('bounds what empty messages make of a small body', () => {
    const bytes = new Uint8Array(2_000_002);
    for (let at = 0; at < bytes.length; at += 2) bytes[at] = 0x0a;
    expect(() => decodeOtlpProtobuf(bytes)).toThrow(WireTooLargeError);
  });
});

describe('decodeOtlpJson()', () => {
  test.each([
    {
      name: 'numbers as numbers',
      point: { timeUnixNano: 1_785_751_200_123_000_000, asInt: 3 },
      want: { time: MS, value: 3 },
    },
    { name: 'doubles as words', point: { asDouble: '-Infinity' }, want: { value: -Infinity } },
    {
      name: 'null as nothing',
      point: { asDouble: null, attributes: null },
      want: { value: undefined, attributes: [] },
    },
    { name: 'unknown fields', point: { asDouble: 1, new_field: [{}], __proto__: 1 }, want: { value: 1 } },
  ])('reads $name', ({ point, want }) => {
    expect(metricOf(decodeOtlpJson(json(gauge(point)))).data?.points[0]).toMatchObject(want);
  });

  test('reads enums by name, and ids in any case', () => {
    const sum = {
      aggregationTemporality: 'AGGREGATION_TEMPORALITY_DELTA',
      dataPoints: [{ exemplars: [{ traceId: 'ABCD' }] }],
    };
    expect(metricOf(decodeOtlpJson(json(of({ sum })))).data).toMatchObject({
      temporality: 'delta',
      points: [{ exemplars: [{ traceId: 'abcd' }] }],
    });
  });

  test('marks half a character', () => {
    const points = metricOf(decodeOtlpJson(json(gauge(attribute({ stringValue: '\ud800' }))))).data?.points;
    expect(points?.[0]?.invalidText).toBe(true);
  });

  test.each([
    { name: 'no JSON', body: '{', want: /cannot decode OTLP request: / },
    { name: 'a list', body: '[]', want: /it is not an object/ },
    {
      name: 'a wrong kind, by its path',
      body: '{"resourceMetrics":[{"scopeMetrics":[7]}]}',
      want: /resourceMetrics\[0\]\.scopeMetrics\[0\] is not an object/,
    },
    {
      name: 'a wrong number',
      body: JSON.stringify(gauge({ asInt: 'x' })),
      want: /dataPoints\[0\]\.asInt is not a number/,
    },
    { name: 'brackets without end', body: '['.repeat(1_000_000), want: /nested more than 64 deep at byte 64/ },
    {
      name: 'brackets in a text only',
      body: `{"resourceMetrics":"${'[\\"'.repeat(100)}"}`,
      want: /resourceMetrics is not a list/,
    },
  ])('refuses $name', ({ body, want }) => {
    expect(() => decodeOtlpJson(new TextEncoder().encode(body))).toThrow(want);
  });

  test('refuses what is not UTF-8', () => {
    expect(() => decodeOtlpJson(Uint8Array.from([0x22, 0xff, 0x22]))).toThrow(/it is not UTF-8/);
  });

  test('bounds what a list of nothing makes of a body', () => {
    const bytes = new TextEncoder().encode(`{"resourceMetrics":[${'{},'.repeat(600_000)}{}]}`);
    expect(() => decodeOtlpJson(bytes)).toThrow(WireTooLargeError);
  });
});

test('millisOf() cuts nanoseconds off exactly', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 64n - 1n), (nanos) => {
      expect(millisOf(Number(nanos & 0xffff_ffffn), Number(nanos >> 32n))).toBe(Number(nanos / 1_000_000n));
    }),
  );
});

/** Without the bytes by which parts are found again, which JSON has not. */
function said<T>(value: T): T {
  if (Array.isArray(value)) return value.map(said) as T;
  if (typeof value !== 'object' || value === null) return value;
  const { wire: _, at: __, end: ___, ...rest } = value as Record<string, unknown>;
  return Object.fromEntries(Object.entries(rest).map(([key, each]) => [key, said(each)])) as T;
}
