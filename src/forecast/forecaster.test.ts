import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Forecast } from '../model/forecast.ts';
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

test('the peak of a rhythm is forecast far better than naive, that of a random walk is not', () => {
  let level = 0;
  const walk = rhythm(2000).map((value, t) => {
    level += (value - 110 - 50 * Math.sin((2 * Math.PI * t) / 48)) / 100;
    return 100 * Math.exp(level);
  });
  expect(fitted(rhythm(2000)).predict().accuracy.peakVsNaive).toBeLessThan(0.7);
  expect(fitted(walk).predict().accuracy.peakVsNaive).toBeGreaterThan(0.97);
});

test('update() and a cold fit on the same values agree on the data, and update() alone never refits', () => {
  const values = rhythm(600);
  const forecaster = fitted(values.slice(0, 500));
  forecaster.update(values.subarray(500));
  const forecast = forecaster.predict();
  expect(forecast.issuedAt).toBe(599 * STEP);
  expect(forecast.historyMs).toBe(600 * STEP);
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
  {
    name: 'values of all sizes',
    values: Array.from({ length: 200 }, (_, t) => 10 ** ((t * 37) % 600) / 1e300),
    kind: 'fitted',
  },
  {
    name: 'the largest numbers',
    values: Array.from({ length: 200 }, (_, t) => ((t % 3) - 1) * 1.7e308),
    kind: 'fitted',
  },
  {
    name: 'infinities among values',
    values: Array.from({ length: 200 }, (_, t) => (t % 9 === 0 ? 1 / 0 : t)),
    kind: 'fitted',
  },
  { name: 'one value among zeros', values: Array.from({ length: 200 }, (_, t) => (t === 150 ? 5 : 0)), kind: 'fitted' },
  {
    name: 'a gap of days',
    values: Array.from({ length: 400 }, (_, t) => (t > 150 && t < 390 ? Number.NaN : t % 48)),
    kind: 'fitted',
  },
  {
    name: 'a gap at the end',
    values: Array.from({ length: 300 }, (_, t) => (t > 100 ? Number.NaN : t % 48)),
    kind: 'fitted',
  },
  { name: 'a dozen values', values: Array.from({ length: 12 }, (_, t) => t), kind: 'fitted' },
])('fitForecaster() has a defined answer for $name', ({ values, kind }) => {
  const result = fitForecaster({ start: 0, stepMs: STEP, values: Float64Array.from(values) }, OPTIONS);
  expect(result.kind).toBe(kind);
  if (result.kind !== 'fitted') return;
  const { forecaster } = result;
  expectSound(forecaster.predict());
  forecaster.update([...values.slice(0, 50), Number.NaN, 0, 1e300, -1]);
  forecaster.refit();
  expectSound(forecaster.predict());
});

/** Finite, quantiles in order at every step, the point between the outermost. */
function expectSound({ point, quantiles, peak }: Forecast): void {
  const inOrder = (values: readonly number[]) => {
    expect(values.every(Number.isFinite)).toBe(true);
    expect(values).toEqual([...values].sort((a, b) => a - b));
  };
  point.forEach((value, i) => {
    const values = quantiles.map((path) => path.values[i]!);
    inOrder(values);
    inOrder([values[0]!, value, values.at(-1)!]);
  });
  inOrder(peak.quantiles.map(({ value }) => value));
}

test('any series whatever has a sound forecast or a reason for none', () => {
  const value = fc.oneof(fc.double(), fc.double({ min: 0, max: 1e3 }), fc.constantFrom(0, Number.NaN, 7));
  fc.assert(
    fc.property(fc.array(value, { maxLength: 300 }), fc.integer({ min: 0, max: 400 }), (values, repeats) => {
      const series = [...values, ...Array.from({ length: repeats }, (_, t) => values[t % 50] ?? 1)];
      const result = fitForecaster({ start: 0, stepMs: STEP, values: Float64Array.from(series) }, OPTIONS);
      if (result.kind !== 'fitted') return;
      expectSound(result.forecaster.predict());
    }),
    { numRuns: 40 },
  );
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

test('on noise of known spread the 0.95 quantile covers about 0.95, and the peak has its own', () => {
  const values = rhythm(2600, 7);
  const forecaster = fitted(values.slice(0, 1200));
  let covered = 0;
  let peakCovered = 0;
  const origins = 1300;
  for (let t = 1200; t < 1200 + origins; t++) {
    const { quantiles, peak } = forecaster.predict();
    if (values[t]! <= quantiles.find(({ quantile }) => quantile === 0.95)!.values[0]!) covered++;
    const largest = Math.max(...values.subarray(t, t + 4));
    if (largest <= peak.quantiles.find(({ quantile }) => quantile === 0.95)!.value) peakCovered++;
    forecaster.update(values.subarray(t, t + 1));
  }
  expect(covered / origins).toBeGreaterThan(0.92);
  expect(covered / origins).toBeLessThan(0.98);
  expect(peakCovered / origins).toBeGreaterThan(0.92);
  expect(peakCovered / origins).toBeLessThan(0.98);
});

test('forecasts from before anything was learnt do not widen the intervals', () => {
  const fit = fitForecaster({ start: 0, stepMs: STEP, values: rhythm(700) }, { ...OPTIONS, horizonSteps: 48 });
  if (fit.kind !== 'fitted') throw new Error(fit.kind);
  const { quantiles } = fit.forecaster.predict();
  const width = (step: number) => quantiles.at(-2)!.values[step]! - quantiles[1]!.values[step]!;
  // Uniform noise of 20, give or take what a model adds; repeating the last value is wrong by up to 100.
  for (const step of [11, 23, 47]) expect(width(step)).toBeLessThan(45);
});

test('a series with gaps is forecast, and its gaps are not zeros', () => {
  const values = rhythm(672).map((value, t) => (t % 97 < 10 || (t > 400 && t < 470) ? Number.NaN : value));
  const { point } = fitted(values).predict();
  for (const value of point) expect(value).toBeGreaterThan(40);
});

test('a model that takes part by name only is not among the defaults', () => {
  const history = { start: 0, stepMs: STEP, values: rhythm(500) };
  const modelsOf = (models?: readonly string[]) => {
    const result = fitForecaster(history, { ...OPTIONS, ...(models && { models }) });
    return result.kind === 'fitted' ? result.forecaster.models : [];
  };
  expect(modelsOf(['mstl', 'theta'])).toEqual(['theta', 'mstl']);
  expect(() => modelsOf(['mstl', 'thetta'])).toThrow(/"theta"/);
  expect(modelsOf()).not.toContain('mstl');
});
