import { expect, test } from 'vitest';
import { DAY, HOUR, MINUTE, WEEK } from '../../model/time.ts';
import { fitForecaster } from '../forecaster.ts';
import { rhythmsOf } from './rhythm.ts';

test.each([
  { name: 'a calendar has', seasonsMs: [HOUR, DAY / 2, DAY, WEEK], want: [] },
  { name: 'none', seasonsMs: [], want: [] },
  { name: 'a rhythm beside a day', seasonsMs: [100 * MINUTE, DAY], want: [20] },
  { name: 'more than two: the shortest', seasonsMs: [90 * MINUTE, 7 * HOUR, 25 * HOUR], want: [18, 84] },
])('rhythmsOf() $name', ({ seasonsMs, want }) => {
  const steps = seasonsMs.map((ms) => ms / (5 * MINUTE));
  expect(rhythmsOf(steps, 5 * MINUTE)).toEqual(want);
});

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (((state ^ (state >>> 15)) >>> 0) + 0.5) / 2 ** 32;
  };
}

const daily = (t: number, day: number) => 30 * Math.sin((2 * Math.PI * t) / day);
const SERIES = [
  {
    name: 'a batch every 100 minutes beside a day',
    ...{ stepMs: 5 * MINUTE, length: 288 * 10, horizon: 12, gain: 0.9 },
    valueAt: (t: number) => 100 + daily(t, 288) + (t % 20 < 6 ? 60 : 0),
  },
  {
    name: 'a sawtooth of 25 hours',
    ...{ stepMs: HOUR, length: 24 * 30, horizon: 8, gain: 0.97 },
    valueAt: (t: number) => 100 + 2 * (t % 25),
  },
  {
    name: 'a cycle of twelve days',
    ...{ stepMs: 2 * HOUR, length: 12 * 110, horizon: 12, gain: 0.7 },
    valueAt: (t: number) => 100 + (t % 144 < 36 ? 80 : 0),
  },
];

test.each(SERIES)('$name: the mix gains by the rhythm', ({ stepMs, length, horizon, gain, valueAt }) => {
  const random = seeded(7);
  const values = Float64Array.from({ length }, (_, t) => valueAt(t) + 8 * (random() + random() + random() - 1.5));
  const first = Math.floor(0.85 * length);
  const series = { start: 0, stepMs, values: values.subarray(0, first) };
  const options = { horizonSteps: horizon, peakWindowMs: horizon * stepMs };
  const rolled = (models?: readonly string[]) => {
    const fit = fitForecaster(series, { ...options, ...(models && { models }) });
    if (fit.kind !== 'fitted') throw new Error(fit.kind);
    const { forecaster } = fit;
    let error = 0;
    for (let origin = first; origin + horizon < length; origin += 6) {
      forecaster.predict().point.forEach((value, h) => {
        error += Math.abs(value - values[origin + h]!);
      });
      forecaster.update(values.subarray(origin, origin + 6));
    }
    return { error, models: forecaster.models };
  };
  const { error, models } = rolled();
  const others = models.filter((name) => !name.startsWith('rhythm'));
  expect(others.length).toBe(models.length - 1);
  expect(error).toBeLessThan(gain * rolled(others).error);
});

test('a series with a day and a week, or nothing, has no rhythm among its models', () => {
  const random = seeded(3);
  for (const amplitude of [0, 1]) {
    const values = Float64Array.from({ length: 24 * 28 }, (_, t) => 100 + amplitude * daily(t, 24) + 9 * random());
    const fit = fitForecaster({ start: 0, stepMs: HOUR, values }, { horizonSteps: 4, peakWindowMs: HOUR });
    if (fit.kind !== 'fitted') throw new Error(fit.kind);
    expect(fit.forecaster.models.filter((name) => name.startsWith('rhythm'))).toEqual([]);
  }
});
