import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Label } from '../model/labels.ts';
import { PROPERTY_RUNS } from '../testing/property-runs.ts';
import { ExpositionError } from './errors.ts';
import { SeenFamilies } from './exposition.ts';
import { readMetricFamilies } from './metric-families.ts';
import { decodeNativeHistogram } from './native-histogram.ts';

let nextSeries = 1;
const labelsBySeries = new Map<number, readonly Label[]>();

const UTF8 = new TextEncoder();

/** A field: text, bytes or messages are delimited, numbers are doubles, bigints are varints. */
type Field = readonly [number: number, value: string | number | bigint | Uint8Array];

function message(...fields: readonly Field[]): Uint8Array {
  return Uint8Array.from(
    fields.flatMap(([number, value]) => {
      if (typeof value === 'bigint') return [...varint(BigInt(number << 3)), ...varint(value)];
      if (typeof value === 'number') {
        return [...varint(BigInt((number << 3) | 1)), ...new Uint8Array(Float64Array.of(value).buffer)];
      }
      const bytes = typeof value === 'string' ? UTF8.encode(value) : value;
      return [...varint(BigInt((number << 3) | 2)), ...varint(BigInt(bytes.length)), ...bytes];
    }),
  );
}

function varint(value: bigint): readonly number[] {
  let rest = BigInt.asUintN(64, value);
  const bytes: number[] = [];
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  return [...bytes, Number(rest)];
}

function delimited(...families: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(families.flatMap((family) => [...varint(BigInt(family.length)), ...family]));
}

function read(bytes: Uint8Array, seen = new SeenFamilies()) {
  const lines: string[] = [];
  let unseen = 0;
  const show = (labels: readonly Label[]) => labels.map(([name, value]) => `${name}=${value}`).join(' ');
  readMetricFamilies(bytes, seen, {
    unseen(labels) {
      unseen++;
      labelsBySeries.set(nextSeries, labels);
      return nextSeries++;
    },
    sample: (series, value, time) =>
      lines.push(`${show(labelsBySeries.get(series)!)}: ${value}${Number.isNaN(time) ? '' : ` @${time}`}`),
    exemplar: (_series, { labels, value, time }) => lines.push(`  # ${show(labels)}: ${value} @${time}`),
    describe: ({ kind, metric, text }) => lines.push(`${kind} ${metric} ${text}`),
    histogram: (series, { bytes, start }) => {
      const { count, schema, positive } = decodeNativeHistogram(bytes)!;
      const told = `native ${show(labelsBySeries.get(series)!)}: ${count} in schema ${schema}`;
      lines.push(`${told} ${JSON.stringify([...positive])}${start === 0 ? '' : ` since ${start}`}`);
    },
    badHistogram: (series, why) => lines.push(`bad ${show(labelsBySeries.get(series)!)}: ${why}`),
  });
  return { lines, unseen };
}

const label = (name: string, value: string): Field => [1, message([1, name], [2, value])];
const exemplar = message(label('id', 'x'), [2, 0.5], [3, message([1, 1520879607n], [2, 789_000_000n])]);

const COUNTER = message(
  [1, 'hits_total'],
  [2, 'Hits.'],
  [3, 0n],
  [4, message(label('path', '/'), label('code', '200'), [3, message([1, 7], [2, exemplar])])],
  [4, message(label('path', '/pay'), [3, message([1, 8])], [6, 1520879607789n])],
);
const GAUGE = message([1, 'heat'], [3, 1n], [4, message([2, message([1, -3.5])])], [5, 'celsius']);
const UNTYPED = message([1, 'thing'], [3, 3n], [4, message([5, message()])]);
const SUMMARY = message(
  [1, 'wait'],
  [3, 2n],
  [4, message([4, message([1, 3n], [2, 4.5], [3, message([1, 0.5], [2, 1.25])], [3, message([1, 1], [2, 2])])])],
);
const HISTOGRAM = message(
  [1, 'size'],
  [3, 4n],
  [
    4,
    message(label('a', 'b'), [
      7,
      message([1, 5n], [2, 12], [3, message([1, 2n], [2, 1])], [3, message([1, 4n], [2, 1e6], [3, exemplar])]),
    ]),
  ],
);
const since = message([1, 1520879000n]);
const span = message([1, 0n], [2, 2n]);
/** Buckets of 2 and 3, their deltas one by one as proto2 writes them, and packed; then one whose count is wrong. */
const NATIVE = message(
  [1, 'span'],
  [3, 4n],
  [4, message([7, message([1, 5n], [2, 12], [5, 6n], [12, span], [13, 4n], [13, 2n], [15, since])])],
  [4, message(label('a', 'b'), [7, message([1, 5n], [2, 12], [5, 6n], [12, span], [13, Uint8Array.of(4, 2)])])],
  [4, message(label('a', 'c'), [7, message([1, 9n], [2, 12], [5, 6n], [12, span], [13, Uint8Array.of(4, 2)])])],
);

test('reads every type', () => {
  expect(read(delimited(COUNTER, GAUGE, UNTYPED, SUMMARY, HISTOGRAM, NATIVE)).lines).toEqual([
    'type hits_total counter',
    'help hits_total Hits.',
    '__name__=hits_total path=/ code=200: 7',
    '  # id=x: 0.5 @1520879607789',
    '__name__=hits_total path=/pay: 8 @1520879607789',
    'type heat gauge',
    'unit heat celsius',
    '__name__=heat: -3.5',
    'type thing unknown',
    '__name__=thing: 0',
    'type wait summary',
    '__name__=wait_count: 3',
    '__name__=wait_sum: 4.5',
    '__name__=wait quantile=0.5: 1.25',
    '__name__=wait quantile=1.0: 2',
    'type size histogram',
    '__name__=size_count a=b: 5',
    '__name__=size_sum a=b: 12',
    '__name__=size_bucket a=b le=1.0: 2',
    '__name__=size_bucket a=b le=1e+06: 4',
    '  # id=x: 0.5 @1520879607789',
    '__name__=size_bucket a=b le=+Inf: 5',
    'type span histogram',
    'native __name__=span: 5 in schema 3 [[0,2],[1,3]] since 1520879000000',
    'native __name__=span a=b: 5 in schema 3 [[0,2],[1,3]]',
    expect.stringContaining('bad __name__=span a=c: '),
  ]);
});

test('finds the series that it has seen', () => {
  const seen = new SeenFamilies();
  expect(read(delimited(COUNTER, HISTOGRAM), seen).unseen).toBe(7);
  const again = read(delimited(HISTOGRAM, COUNTER), seen);
  expect(again.unseen).toBe(0);
  expect(again.lines.filter((line) => line.startsWith('__name__'))).toEqual(
    read(delimited(HISTOGRAM, COUNTER)).lines.filter((line) => line.startsWith('__name__')),
  );
});

test.each([
  { name: 'a family without a name', bytes: delimited(message([3, 1n])) },
  { name: 'an unknown type', bytes: delimited(message([1, 'a'], [3, 9n])) },
  {
    name: 'a metric without a value of its type',
    bytes: delimited(message([1, 'a'], [3, 0n], [4, message([2, message([1, 1])])])),
  },
  {
    name: 'a name that is not UTF-8',
    bytes: delimited(message([1, Uint8Array.of(0xff)], [4, message([3, message()])])),
  },
  { name: 'a length past the end', bytes: Uint8Array.of(20, 10, 1) },
])('refuses $name', ({ bytes }) => {
  expect(() => read(bytes)).toThrow(ExpositionError);
});

test('any bytes are read or refused with an ExpositionError', () => {
  const whole = delimited(COUNTER, GAUGE, SUMMARY, HISTOGRAM, NATIVE);
  const changed = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 4 }).map((changes) => {
    const bytes = whole.slice();
    for (const [at, byte] of changes) bytes[at] = byte;
    return bytes;
  });
  fc.assert(
    fc.property(
      fc.oneof(
        changed,
        fc.uint8Array({ maxLength: 60 }),
        fc.nat(whole.length).map((end) => whole.subarray(0, end)),
      ),
      (bytes) => {
        try {
          read(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(ExpositionError);
        }
      },
    ),
    { numRuns: 5 * PROPERTY_RUNS },
  );
});
