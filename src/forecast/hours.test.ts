import { expect, test } from 'vitest';
import { HOUR } from '../model/time.ts';
import { seededRandom } from '../numeric/seeded-random.ts';
import { fitForecaster } from './forecaster.ts';
import { createHours, hourFactor, takeError } from './hours.ts';

const UTC = { clock: undefined };

function factorsAfter(days: number, errorAt: (hour: number, t: number) => number): number[] {
  const hours = createHours(24, 1);
  for (let t = 0; t < 24 * days; t++) takeError(hours, UTC, t, errorAt(t % 24, t) / hourFactor(hours, UTC, t));
  return Array.from({ length: 24 }, (_, hour) => hourFactor(hours, UTC, hour));
}

test.each([
  { name: 'nothing yet', days: 0, errorAt: () => 1, usual: [1, 1], late: [1, 1] },
  { name: 'alike at all hours', days: 20, errorAt: () => 1, usual: [0.99, 1.01], late: [0.99, 1.01] },
  {
    name: 'ten times as large in one hour',
    days: 20,
    errorAt: (hour: number) => (hour === 12 ? -10 : 1),
    usual: [0.8, 1],
    late: [4, 10],
  },
  {
    name: 'one outlier a hundred times as large',
    days: 20,
    errorAt: (_: number, t: number) => (t === 24 * 10 + 12 ? 100 : 1),
    usual: [0.8, 1.1],
    late: [1, 2.5],
  },
  { name: 'gaps', days: 20, errorAt: () => Number.NaN, usual: [1, 1], late: [1, 1] },
  { name: 'no errors at all', days: 20, errorAt: () => 0, usual: [1, 1], late: [1, 1] },
])('hourFactor() after errors: $name', ({ days, errorAt, usual, late }) => {
  const factors = factorsAfter(days, errorAt);
  for (const [hour, factor] of factors.entries()) {
    const [low, high] = hour === 12 ? late : usual;
    expect(factor).toBeGreaterThanOrEqual(low!);
    expect(factor).toBeLessThanOrEqual(high!);
  }
});

test('the 0.95 quantile holds at hours that are far less certain than the others', () => {
  const random = seededRandom(23);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const isRestless = (t: number) => t % 24 >= 10 && t % 24 < 14;
  const values = Float64Array.from({ length: 24 * 70 }, (_, t) => 500 + (isRestless(t) ? 80 : 5) * normal());
  const known = 24 * 28;
  const fitted = fitForecaster(
    { start: 0, stepMs: HOUR, values: values.subarray(0, known) },
    { horizonSteps: 6, peakWindowMs: HOUR, quantiles: [0.95] },
  );
  if (fitted.kind !== 'fitted') throw new Error(fitted.kind);
  const { forecaster } = fitted;
  const missed = { near: 0, far: 0, peak: 0 };
  let count = 0;
  for (let t = known; t < values.length; t++) {
    const { quantiles, peak } = forecaster.predict();
    if (isRestless(t) && t + 6 < values.length) {
      count++;
      if (values[t]! > quantiles[0]!.values[0]!) missed.near++;
      if (values[t]! > peak.quantiles[0]!.value) missed.peak++;
    }
    if (isRestless(t + 5) && values[t + 5]! > quantiles[0]!.values[5]!) missed.far++;
    forecaster.update([values[t]!]);
    if ((t + 1) % 24 === 0) forecaster.refit();
  }
  for (const misses of Object.values(missed)) expect(misses / count).toBeLessThan(0.2);
});
