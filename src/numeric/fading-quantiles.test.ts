import fc from 'fast-check';
import { expect, test } from 'vitest';
import { appendFading, effectiveCount, fadingQuantile, fadingQuantiles } from './fading-quantiles.ts';
import { quantile } from './quantile.ts';

function distributionOf(values: ArrayLike<number>, memory = 1e9) {
  const distribution = fadingQuantiles(memory);
  for (let i = 0; i < values.length; i++) appendFading(distribution, values[i]!);
  return distribution;
}

/** Values of a known distribution in a scattered order: the golden ratio's multiples are spread evenly. */
function scattered(length: number, inverse: (p: number) => number): Float64Array {
  return Float64Array.from({ length }, (_, i) => inverse(((i + 1) * 0.6180339887498949) % 1));
}

test.each([
  { name: 'uniform', inverse: (p: number) => 20 * p - 10 },
  { name: 'logistic', inverse: (p: number) => 3 * Math.log(p / (1 - p)) },
  { name: 'Cauchy', inverse: (p: number) => 1e-6 * Math.tan(Math.PI * (p - 0.5)) },
  { name: 'exponential and tiny', inverse: (p: number) => -1e-300 * Math.log(1 - p) },
  { name: 'exponential and enormous', inverse: (p: number) => -1e300 * Math.log(1 - p) },
])('fadingQuantile() is within a few per cent of the exact quantiles of $name values', ({ inverse }) => {
  const values = scattered(4000, inverse);
  const distribution = distributionOf(values);
  const width = quantile(values, 0.95) - quantile(values, 0.05);
  for (const q of [0.01, 0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975, 0.99]) {
    const want = quantile(values, q);
    const got = fadingQuantile(distribution, q < 0.5 ? q : 1 - q, q >= 0.5);
    expect(Math.abs(got - want)).toBeLessThan(0.02 * width + 0.04 * Math.abs(want));
  }
});

test('old values fade: after some memories only the new ones count', () => {
  const distribution = distributionOf([...scattered(5000, (p) => 100 * p), ...scattered(1000, (p) => p)], 100);
  expect(fadingQuantile(distribution, 0.05, true)).toBeCloseTo(0.95, 1);
  expect(effectiveCount(distribution)).toBeCloseTo(200, 0);
});

test('a quantile is finite, ascends in q and lies about among the values, whatever they are', () => {
  const value = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 }),
    fc.double({ noNaN: true, min: -1, max: 1 }),
    fc.constant(0),
  );
  fc.assert(
    fc.property(
      fc.array(value, { minLength: 1, maxLength: 400 }),
      fc.integer({ min: 1, max: 500 }),
      (values, memory) => {
        const distribution = distributionOf(values, memory);
        const low = [0.01, 0.1, 0.3, 0.5].map((share) => fadingQuantile(distribution, share, false));
        const high = [0.49, 0.3, 0.1, 0.01].map((share) => fadingQuantile(distribution, share, true));
        const all = [...low, ...high];
        const extent = values.reduce((most, one) => Math.max(most, Math.abs(one)), 0);
        for (const one of all) expect(Math.abs(one)).toBeLessThanOrEqual(1.3 * extent);
        for (let i = 1; i < all.length; i++) expect(all[i]! - all[i - 1]!).toBeGreaterThanOrEqual(-1e-5 * extent);
        expect(effectiveCount(distribution)).toBeGreaterThan(0);
      },
    ),
  );
});

test('of zeros all quantiles are zero, of nothing there are none', () => {
  expect(fadingQuantile(distributionOf(new Float64Array(50)), 0.01, true)).toBe(0);
  expect(fadingQuantile(distributionOf([]), 0.5, true)).toBeNaN();
});
