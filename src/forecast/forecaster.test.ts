import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MINUTE } from '../model/time.ts';
import { type Forecaster, fitForecaster } from './forecaster.ts';

const STEP = 30 * MINUTE;
const OPTIONS = { horizonSteps: 12, peakWindowMs: 4 * STEP } as const;

function fitted(values: Float64Array): Forecaster {
  const result = fitForecaster({ start: 0, stepMs: STEP, values }, OPTIONS);
  if (result.kind !== 'fitted') throw new Error(result.kind);
  return result.forecaster;
}

/** Two weeks of a daily rhythm with noise that a linear congruence makes. */
function rhythm(length: number, seed = 1): Float64Array {
  let state = seed;
  return Float64Array.from({ length }, (_, t) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return 100 + 50 * Math.sin((2 * Math.PI * t) / 48) + (20 * state) / 2 ** 31;
  });
}

test('fitForecaster() forecasts a daily rhythm far better than the last value, and says so', () => {
  const values = rhythm(672);
  const forecast = fitted(values.slice(0, 660)).predict();
  expect(forecast.issuedAt).toBe(659 * STEP);
  expect(forecast.accuracy.maeVsLast).toBeLessThan(0.6);
  const error = forecast.point.reduce((sum, value, i) => sum + Math.abs(value - values[660 + i]!), 0) / 12;
  expect(error).toBeLessThan(10);
});

test('a forecast does not depend on what comes after its origin', () => {
  fc.assert(
    fc.property(fc.integer({ min: 400, max: 640 }), fc.array(fc.double(), { maxLength: 60 }), (origin, future) => {
      const values = rhythm(672);
      const alone = fitted(values.slice(0, 350));
      alone.update(values.subarray(350, origin));
      const forecast = alone.predict();
      const again = fitted(values.slice(0, 350));
      again.update(values.subarray(350, origin));
      const before = again.predict();
      again.update(future);
      expect(before).toEqual(forecast);
    }),
    { numRuns: 5 },
  );
});

test.each([
  { name: 'nothing', values: [], kind: 'no-data' },
  { name: 'only gaps', values: new Array(100).fill(Number.NaN), kind: 'no-data' },
  { name: 'two points', values: [1, 2], kind: 'insufficient-history' },
  { name: 'a constant', values: new Array(200).fill(7), kind: 'fitted' },
  { name: 'all zero', values: new Array(200).fill(0), kind: 'fitted' },
  { name: 'negative values', values: Array.from({ length: 200 }, (_, t) => -5 + (t % 7)), kind: 'fitted' },
  { name: 'enormous values', values: Array.from({ length: 200 }, (_, t) => 1e300 * (1 + (t % 7))), kind: 'fitted' },
  { name: 'tiny values', values: Array.from({ length: 200 }, (_, t) => 1e-300 * (1 + (t % 7))), kind: 'fitted' },
])('fitForecaster() has a defined answer for $name', ({ values, kind }) => {
  const result = fitForecaster({ start: 0, stepMs: STEP, values: Float64Array.from(values) }, OPTIONS);
  expect(result.kind).toBe(kind);
  if (result.kind !== 'fitted') return;
  const forecast = result.forecaster.predict();
  expect([...forecast.point].every(Number.isFinite)).toBe(true);
  expect(forecast.quantiles.every((path) => path.values.every(Number.isFinite))).toBe(true);
  expect(forecast.peak.quantiles.every(({ value }) => Number.isFinite(value))).toBe(true);
});

test('quantiles ascend in q at each step and for the peak', () => {
  const forecast = fitted(rhythm(500)).predict();
  for (let i = 0; i < 12; i++) {
    const values = forecast.quantiles.map((path) => path.values[i]!);
    expect(values).toEqual([...values].sort((a, b) => a - b));
  }
  const peaks = forecast.peak.quantiles.map(({ value }) => value);
  expect(peaks).toEqual([...peaks].sort((a, b) => a - b));
});
