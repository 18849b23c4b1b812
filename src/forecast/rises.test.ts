import { expect, test } from 'vitest';
import { DAY, MINUTE } from '../model/time.ts';
import { rushes } from '../testing/rushes.ts';
import { fitForecaster } from './forecaster.ts';
import { restoreForecaster } from './restore-forecaster.ts';

const START = 20_000 * DAY;
const OPTIONS = { horizonSteps: 10, peakWindowMs: 5 * MINUTE, quantiles: [0.5, 0.95] };
const DAYS = 29;

/** The 0.95 quantile of the peak over the largest demand that came, at origins from five to two minutes before a rush. */
function foreseen(values: Float64Array, rushAt: number): number[] {
  const from = rushAt - 5;
  const fit = fitForecaster({ start: START, stepMs: MINUTE, values: values.slice(0, from) }, OPTIONS);
  if (fit.kind !== 'fitted') throw new Error(fit.kind);
  const ratios: number[] = [];
  for (let origin = from; origin < rushAt - 1; origin++) {
    fit.forecaster.update(values.subarray(origin, origin + 1));
    const peak = Math.max(...values.subarray(origin + 1, origin + 6));
    ratios.push(fit.forecaster.predict().peak.quantiles[1]!.value / peak);
  }
  return ratios;
}

const at = (day: number, hour: number) => (day * 24 + hour) * 60;

test.each([
  { name: 'every day at six, the demand doubles', on: () => true, hour: 18, day: DAYS - 1 },
  { name: 'on five days a week, after a night without one', on: (day: number) => day % 7 < 5, hour: 9, day: DAYS - 2 },
  { name: 'once a week', on: (day: number) => day % 7 === 0, hour: 9, day: DAYS - 1 },
])('a rush by the clock is foreseen: $name', ({ on, hour, day }) => {
  const values = rushes(DAYS, { hour, on });
  const ratios = foreseen(values, at(day, hour) + 1);
  expect(Math.min(...ratios)).toBeGreaterThan(0.93);
  // It is foreseen, not feared: not far above what comes either.
  expect(Math.max(...ratios)).toBeLessThan(1.3);
});

test('a rush that came once is not expected again', () => {
  const values = rushes(DAYS, { hour: 18, on: (day) => day === DAYS - 3 });
  const origin = at(DAYS - 1, 18);
  const fit = fitForecaster({ start: START, stepMs: MINUTE, values: values.slice(0, origin) }, OPTIONS);
  if (fit.kind !== 'fitted') throw new Error(fit.kind);
  const ordinary = Math.max(...values.subarray(origin, origin + 5));
  expect(fit.forecaster.predict().peak.quantiles[1]!.value / ordinary).toBeLessThan(1.35);
});

test('what was learnt before rushes survives a restart', () => {
  const values = rushes(DAYS, { hour: 18, on: () => true });
  const history = { start: START, stepMs: MINUTE, values: values.slice(0, at(DAYS - 1, 18) - 2) };
  const fit = fitForecaster(history, OPTIONS);
  if (fit.kind !== 'fitted') throw new Error(fit.kind);
  const restored = restoreForecaster(fit.forecaster.save(), history, OPTIONS);
  if (restored.kind !== 'fitted') throw new Error(restored.kind);
  const before = fit.forecaster.predict().peak.quantiles.map(({ value }) => value);
  const after = restored.forecaster.predict().peak.quantiles.map(({ value }) => value);
  for (const [i, value] of before.entries()) expect(after[i]! / value).toBeCloseTo(1, 4);
});
