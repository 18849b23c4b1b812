import { expect, test } from 'vitest';
import { MINUTE } from '../model/time.ts';
import { forecastOf, openScaleWorld, worldPolicy } from '../testing/scale-world.ts';

/** Passes with a forecast whose error is each of these in turn; what was announced of its trust. */
async function announced(mode: 'observe' | 'enforce', errors: readonly number[]): Promise<readonly string[]> {
  const world = openScaleWorld([worldPolicy('web', { mode })]);
  for (const error of errors) {
    world.forecast = (now) => {
      const forecast = forecastOf(900, now);
      return { ...forecast, accuracy: { ...forecast.accuracy, peakVsNaive: error } };
    };
    await world.run(MINUTE);
  }
  return world.cluster.announcements.map(({ reason }) => reason).filter((reason) => reason.startsWith('Forecast'));
}

test.each([
  {
    name: 'a demotion and its return',
    errors: [0.5, 1.2, 1.2, 0.97, 0.9, 0.9],
    want: ['ForecastDemoted', 'ForecastTrusted'],
  },
  {
    name: 'a forecast that was never trusted is no news, its first trust is',
    errors: [1.2, 0.5],
    want: ['ForecastTrusted'],
  },
  { name: 'one that is trusted from the first', errors: [0.5, 0.5], want: [] },
])('$name', async ({ errors, want }) => {
  expect(await announced('enforce', errors)).toEqual(want);
});

test('a policy that observes writes no events', async () => {
  expect(await announced('observe', [0.5, 1.2, 0.5])).toEqual([]);
});
