import fc from 'fast-check';
import { expect, test } from 'vitest';
import { setStaleMarker } from '../model/series.ts';
import { loadCore } from '../tsdb/core.ts';
import { MOST_WRITTEN, sampleWriter } from './sample-text.ts';

const write = sampleWriter(await loadCore());

function textOf(times: readonly number[], values: readonly number[]): string | undefined {
  const written = write({ times: Float64Array.from(times), values: Float64Array.from(values) }, 0, times.length);
  return written && new TextDecoder().decode(written);
}

const plain = (time: number, value: number) =>
  `,[${String(time / 1000)},"${Object.is(value, -0) ? '-0' : String(value)}"]`;

test.each([
  ...[0, -0, 1, -1, 0.1, 0.3, 2 / 3, 1e-6, 0.000001234, 123.456, 1e15, 2 ** 53, 2 ** 53 + 2, 2 ** 60, 2 ** 69],
  ...[9.5367431640625e-7 + 1e-7, 4.35, 1.7976931348623157, 299_792_458, 999_999_999_999_999_900_000, 0.1 + 0.2],
])('sampleWriter() writes %d as String() does', (value) => {
  expect(textOf([1_785_751_200_000], [value])).toBe(plain(1_785_751_200_000, value));
});

test.each([1e-7, 1e21, 5e-324, Number.NaN, Number.POSITIVE_INFINITY])('sampleWriter() leaves %d to others', (value) => {
  expect(textOf([0, 1000], [1, value])).toBeUndefined();
});

test.each([-1, 0.5, 1e15])('sampleWriter() leaves the time %d to others', (time) => {
  expect(textOf([time], [1])).toBeUndefined();
});

test('sampleWriter() leaves staleness markers out', () => {
  const values = Float64Array.of(1, 0, 3);
  setStaleMarker(values, 1);
  const written = write({ times: Float64Array.of(1000, 2010, 3500), values }, 0, 3);
  expect(new TextDecoder().decode(written)).toBe(',[1,"1"],[3.5,"3"]');
});

const sizes = fc.oneof(
  fc.double({ min: 1e-6, max: 1e21, maxExcluded: true, noNaN: true }),
  fc.double({ min: -1e6, max: 1e6, noNaN: true }).filter((value) => value === 0 || Math.abs(value) >= 1e-6),
  // Next to powers of two and of ten, where intervals are not even.
  fc.tuple(fc.integer({ min: -19, max: 69 }), fc.integer({ min: -2, max: 2 })).map(([e, n]) => stepped(2 ** e, n)),
  fc.tuple(fc.integer({ min: -5, max: 20 }), fc.integer({ min: -2, max: 2 })).map(([e, n]) => stepped(10 ** e, n)),
);

test('sampleWriter() writes what String() writes', () => {
  const times = fc.integer({ min: 0, max: 4e12 });
  fc.assert(
    fc.property(fc.array(fc.tuple(times, sizes), { minLength: 1, maxLength: 200 }), (samples) => {
      const want = samples.map(([time, value]) => plain(time, value)).join('');
      expect(textOf(...split(samples))).toBe(want);
    }),
  );
});

test('sampleWriter() has room for the longest texts', () => {
  const value = -1.2345678901234567e-6;
  const written = textOf(Array(MOST_WRITTEN).fill(999_999_999_999_999), Array(MOST_WRITTEN).fill(value));
  expect(written).toBe(plain(999_999_999_999_999, value).repeat(MOST_WRITTEN));
});

function split(samples: readonly (readonly [number, number])[]): [number[], number[]] {
  return [samples.map(([time]) => time), samples.map(([, value]) => value)];
}

/** So many representable numbers further. */
function stepped(value: number, by: number): number {
  const words = new BigInt64Array(Float64Array.of(value).buffer);
  words[0]! += BigInt(by);
  return new Float64Array(words.buffer)[0]!;
}
