import { expect, test } from 'vitest';
import { HOUR, MINUTE } from '../model/time.ts';
import { fitForecaster } from './forecaster.ts';

const STEP = 15 * MINUTE;
const DAY_STEPS = 96;

/** A daily rhythm around 200 with a few per cent of noise that a linear congruence makes. */
function rhythm(days: number): Float64Array {
  let state = 7;
  return Float64Array.from({ length: days * DAY_STEPS }, (_, t) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return 100 * (2 + Math.sin((2 * Math.PI * t) / DAY_STEPS)) * (0.97 + (0.06 * state) / 2 ** 31);
  });
}

function pointAfter(values: Float64Array): Float64Array {
  const result = fitForecaster({ start: 0, stepMs: STEP, values }, { horizonSteps: 8, peakWindowMs: HOUR / 2 });
  if (result.kind !== 'fitted') throw new Error(result.kind);
  return result.forecaster.predict().point;
}

/** The mean share by which a forecast of the two hours after the rhythm's end is off what is to come. */
function errorOf(point: Float64Array, scale = 1): number {
  const off = point.map((value, i) => Math.abs(value / (scale * 100 * (2 + Math.sin((2 * Math.PI * i) / 96))) - 1));
  return off.reduce((a, b) => a + b) / point.length;
}

test.each([
  { name: 'no break', broken: (value: number) => value, scale: 1, most: 0.05 },
  {
    name: 'outliers',
    broken: (value: number, t: number) => (t % 250 === 50 ? 50 * value : value),
    scale: 1,
    most: 0.08,
  },
  {
    name: 'a level six hours old',
    broken: (value: number, t: number) => (t >= 1320 ? 3 * value : value),
    scale: 3,
    most: 0.12,
  },
  {
    name: 'a level a day old',
    broken: (value: number, t: number) => (t >= 1248 ? 3 * value : value),
    scale: 3,
    most: 0.12,
  },
  {
    name: 'a gap of a day',
    broken: (value: number, t: number) => (t >= 1000 && t < 1096 ? Number.NaN : value),
    scale: 1,
    most: 0.06,
  },
  {
    name: 'a few negative values',
    broken: (value: number, t: number) => (t % 400 === 30 ? -value : value),
    scale: 1,
    most: 0.08,
  },
])('fitForecaster() keeps the shape after $name', ({ broken, scale, most }) => {
  expect(errorOf(pointAfter(rhythm(14).map(broken)), scale)).toBeLessThan(most);
});

test('a counter that resets is forecast as what it is, without values that are not finite', () => {
  const point = pointAfter(Float64Array.from({ length: 14 * DAY_STEPS }, (_, t) => 1000 * (t % 500)));
  for (const value of point) expect(value).toBeGreaterThanOrEqual(0);
});

test.each([1, 3, 42, 0.1, 1e-9, 536_870_912, 12_345.6742, 1e12])('a constant %d is forecast as it is', (level) => {
  const values = new Float64Array(4 * DAY_STEPS).fill(level);
  for (const value of pointAfter(values)) expect(Math.abs(value / level - 1)).toBeLessThan(1e-12);
});
