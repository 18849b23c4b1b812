import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { PROPERTY_RUNS } from '../testing/property-runs.ts';
import {
  type CodecExports,
  countSamples,
  decodeSampleBytes,
  decodeSampleChunks,
  encodeSamples,
  MAX_CHUNK_SAMPLES,
  mayHaveSpecial,
  sampleCodecOf,
} from './codec.ts';
import { loadCore } from './core.ts';
import type { SampleCodec } from './partition-chunk.ts';

const START = Date.parse('2026-08-03T10:00:00Z');
let core: CodecExports;
let codec: SampleCodec;
beforeAll(async () => {
  core = await loadCore();
  codec = sampleCodecOf(core);
});

function bitsOf(column: Float64Array): string[] {
  return [...new BigUint64Array(column.buffer, column.byteOffset, column.length)].map((bits) => bits.toString(16));
}

function expectSame(times: Float64Array, values: Float64Array): Uint8Array {
  const bytes = encodeSamples(core, times, values);
  const decoded = decodeSampleBytes(core, bytes);
  expect(bitsOf(decoded.times)).toEqual(bitsOf(times));
  expect(bitsOf(decoded.values)).toEqual(bitsOf(values));
  expect(countSamples(bytes)).toBe(times.length);
  // The same one after the other, two chunks in one go.
  const apart = codec.decodeTimes(bytes);
  expect(bitsOf(apart.times)).toEqual(bitsOf(times));
  const [rest, count] = [bytes.subarray(apart.length), times.length];
  const ends = Uint32Array.of(rest.length, 2 * rest.length);
  const chunks = { bytes: Uint8Array.of(...rest, ...rest), ends, counts: Uint32Array.of(count, count), from: 0, to: 2 };
  const both = new Float64Array(2 * count + 1);
  codec.decodeValues(chunks, both, 1);
  expect(bitsOf(both.subarray(1))).toEqual([...bitsOf(values), ...bitsOf(values)]);
  if (!mayHaveSpecial(rest)) expect(values.every(Number.isFinite)).toBe(true);
  return bytes;
}

function regular(count: number, step = 15_000): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => START + i * step);
}

function fromBits(...bits: readonly bigint[]): Float64Array {
  return new Float64Array(BigUint64Array.from(bits).buffer);
}

const STALE = 0x7ff0000000000002n;
const COUNTS = Array.from({ length: 120 }, (_, i) => i);

describe('encodeSamples()', () => {
  test.each([
    { name: 'a constant', values: COUNTS.map(() => 1), most: 15 },
    { name: 'a counter of steady rate', values: COUNTS.map((i) => 1e9 + i * 250), most: 21 },
    { name: 'a counter that is seldom counted up', values: COUNTS.map((i) => (i < 70 ? 3 : 4)), most: 20 },
    { name: 'a counter that is reset', values: COUNTS.map((i) => (i < 70 ? 1e6 + 3 * i : i - 70)), most: 50 },
    { name: 'pages of memory', values: COUNTS.map((i) => 4_096 * (50_000 + ((i * 7) % 13))), most: 90 },
    { name: 'hundredths of a second', values: COUNTS.map((i) => (1_000 + i * 3 + ((i * i) % 4)) / 100), most: 70 },
    { name: 'numbers of single precision', values: COUNTS.map((i) => Math.fround(Math.sin(i))), most: 560 },
    { name: 'thirds', values: COUNTS.map((i) => ((i * 7919) % 101) / 3), most: 900 },
  ])('of $name takes at most $most bytes for 120 samples', ({ values, most }) => {
    expect(expectSame(regular(120), Float64Array.from(values)).length).toBeLessThanOrEqual(most);
  });

  test.each([
    { name: 'staleness markers', values: fromBits(STALE, 0x3ff0000000000000n, STALE, STALE, 0x4000000000000000n) },
    { name: 'nothing but staleness markers', values: fromBits(STALE, STALE, STALE) },
    { name: 'payloads of NaN', values: fromBits(0x7ff8000000000000n, 0xfff8000000000001n, 0x7fffffffffffffffn) },
    { name: 'infinities', values: Float64Array.of(Infinity, 1, -Infinity, 0.5) },
    { name: 'minus zero', values: Float64Array.of(-0, 0, -0, 1) },
    { name: 'the largest and the smallest', values: Float64Array.of(Number.MAX_VALUE, Number.MIN_VALUE, -5e-324, 0) },
    { name: 'the extremes of both signs', values: Float64Array.of(-Number.MAX_VALUE, Number.MAX_VALUE, 1, -1.5e300) },
    { name: 'large whole numbers', values: Float64Array.of(2 ** 53, 2 ** 53 - 1, -(2 ** 53), 2 ** 53 + 2) },
    { name: 'one sample', values: Float64Array.of(0.1) },
    { name: 'two samples', values: Float64Array.of(0.1, 1 / 3) },
    {
      name: 'one value among many that is no decimal',
      values: Float64Array.from(COUNTS, (i) => (i === 5 ? 1 / 3 : i)),
    },
  ])('keeps the bits of $name', ({ values }) => {
    expectSame(regular(values.length), values);
  });

  test.each([
    { name: 'before 1970', times: [-2e12, -5, 0, 7] },
    { name: 'with gaps', times: [0, 1_000, 2_000, 9e9, 9e9 + 1_000] },
    { name: 'with fractions', times: [-0.5, 0.25, 1 / 3] },
    { name: 'from minus zero', times: [-0, 1] },
    { name: 'as large as numbers get', times: [-1e308, 0, 2 ** 53, 2 ** 60, 1e308] },
    { name: 'with jitter', times: COUNTS.map((i) => START + i * 15_000 + ((i * 31) % 9)) },
  ])('keeps times $name', ({ times }) => {
    expectSame(
      Float64Array.from(times),
      Float64Array.from(times, (_, i) => i),
    );
  });

  const value = fc.oneof(
    fc.integer({ min: -1_000, max: 1_000 }),
    fc.integer({ min: -100_000, max: 100_000 }).map((whole) => whole / 1_000),
    fc.constantFrom(Number.NaN, Infinity, -0, 0, 1e15, 2 ** 40),
    fc.double(),
    fc.float(),
  );
  const steps = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 1e9 }), fc.constant(15_000));

  test('comes back, whatever the samples are', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1e12, max: 2e12 }),
        fc.oneof(
          fc.array(fc.tuple(steps, value), { minLength: 1, maxLength: 300 }),
          fc.array(fc.tuple(fc.constant(1_000), fc.integer({ min: 0, max: 9 })), { minLength: 1, maxLength: 300 }),
          fc.array(fc.tuple(steps, fc.double()), { minLength: 1, maxLength: 40 }),
        ),
        (start, samples) => {
          let time = start;
          const times = Float64Array.from(samples, ([step]) => {
            time += step;
            return time;
          });
          expectSame(
            times,
            Float64Array.from(samples, ([, each]) => each),
          );
        },
      ),
      { numRuns: 500 },
    );
  });

  test('comes back, whatever bits the values have', () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { minLength: 1, maxLength: 200 }), (bits) => {
        expectSame(regular(bits.length), fromBits(...bits));
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    { name: 'no samples', times: [] },
    { name: 'too many', times: Array.from({ length: MAX_CHUNK_SAMPLES + 1 }, (_, i) => i) },
    { name: 'times that do not ascend', times: [1, 2, 2] },
    { name: 'a time that is no number', times: [1, Number.NaN] },
  ])('refuses $name', ({ times }) => {
    expect(() => encodeSamples(core, Float64Array.from(times), new Float64Array(times.length))).toThrow(RangeError);
  });
});

describe('damaged bytes', () => {
  const sets = [
    COUNTS.map((i) => i * 3),
    COUNTS.map((i) => (i * 7_919) % 101),
    COUNTS.map((i) => ((i * 7_919) % 101) / 3),
    COUNTS.map((i) => (i === 60 ? Number.NaN : i / 10)),
  ].map((values) => Float64Array.from(values));

  test('are refused where they are cut anywhere, or longer', () => {
    for (const values of sets) {
      const bytes = encodeSamples(core, regular(120), values);
      for (let length = 0; length < bytes.length; length++) {
        expect(() => decodeSampleBytes(core, bytes.subarray(0, length))).toThrow(RangeError);
      }
      expect(() => decodeSampleBytes(core, Uint8Array.of(...bytes, 0))).toThrow(RangeError);
    }
  });

  test('are refused or are samples in order, whatever is changed, and leave the codec as it was', () => {
    const good = encodeSamples(core, regular(120), sets[2]!);
    const mutated = fc
      .tuple(fc.constantFrom(...sets), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 5 }))
      .map(([values, changes]) => {
        const bytes = encodeSamples(core, regular(120), values);
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        return bytes;
      });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 300 })), (bytes) => {
        try {
          const { times, values } = decodeSampleBytes(core, bytes);
          expect(times.length).toBe(values.length);
          for (let i = 1; i < times.length; i++) expect(times[i]!).toBeGreaterThan(times[i - 1]!);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
          expect(error).not.toBeInstanceOf(WebAssembly.RuntimeError);
        }
        expect(bitsOf(decodeSampleBytes(core, good).values)).toEqual(bitsOf(sets[2]!));
      }),
      { numRuns: 3 * PROPERTY_RUNS },
    );
  });
});

test('decodeValues() refuses bytes that are not exactly the values, and chunks that are too long', () => {
  const bytes = encodeSamples(
    core,
    regular(120),
    Float64Array.from(COUNTS, (i) => i * i),
  );
  const rest = bytes.subarray(codec.decodeTimes(bytes).length);
  const into = new Float64Array(120);
  const decode = (values: Uint8Array, count = 120) => {
    const [ends, counts] = [Uint32Array.of(values.length), Uint32Array.of(count)];
    codec.decodeValues({ bytes: values, ends, counts, from: 0, to: 1 }, into, 0);
  };
  for (let length = 0; length < rest.length; length++) {
    expect(() => decode(rest.subarray(0, length))).toThrow(RangeError);
  }
  expect(() => decode(Uint8Array.of(...rest, 0))).toThrow(RangeError);
  expect(() => decode(new Uint8Array(1 << 20))).toThrow(RangeError);
  expect(() => decode(rest, 1 << 20)).toThrow(RangeError);
  expect(() => codec.decodeTimes(new Uint8Array(1 << 20))).toThrow(RangeError);
  decode(rest);
  expect([...into]).toEqual(COUNTS.map((i) => i * i));
});

test('decodeSampleChunks() joins what follows one another', () => {
  const times = regular(300);
  const values = Float64Array.from(times, (_, i) => i * 0.1);
  const chunks = [0, 100, 200].map((at) =>
    encodeSamples(core, times.subarray(at, at + 100), values.subarray(at, at + 100)),
  );
  expect(decodeSampleChunks(core, chunks)).toEqual({ times, values });
  expect(decodeSampleChunks(core, [])).toEqual({ times: new Float64Array(), values: new Float64Array() });
});
