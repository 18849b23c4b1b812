import { expect, test } from 'vitest';
import type { Samples } from '../model/series.ts';
import { DAY, MINUTE } from '../model/time.ts';
import { TAIL_QUANTILES } from '../scaling/objective.ts';
import { parsedPolicy } from '../testing/policy.ts';
import { openTraceForecaster } from './trace-forecaster.ts';

const STEP = 30 * MINUTE;
const HISTORY: Samples = {
  times: Float64Array.from({ length: (5 * DAY) / STEP }, (_, i) => i * STEP),
  values: Float64Array.from(
    { length: (5 * DAY) / STEP },
    (_, i) => 100 + 40 * Math.sin((i * STEP * 2 * Math.PI) / DAY) + (i % 7),
  ),
};

function read(forecast: object) {
  const policy = parsedPolicy('checkout', {
    target: { name: 'checkout' },
    demand: { query: 'x', step: '30m', capacity: { perReplica: 10 } },
    replicas: { min: 1, max: 60 },
    forecast,
  });
  const reading = openTraceForecaster(policy, HISTORY, STEP).read();
  if (reading.kind !== 'ready') throw new Error(`expected a forecast, got ${reading.kind}`);
  return reading;
}

test('a policy with an objective is read the tail that it chooses from, and one without is not', () => {
  const { quantiles, peak, quantile } = read({ objective: { overCapacityMinutes: '5/month' } });
  expect(quantiles!.map((entry) => entry.quantile)).toEqual(expect.arrayContaining([...TAIL_QUANTILES]));
  const values = quantiles!.map(({ value }) => value!);
  expect(values).toEqual(values.toSorted((a, b) => a - b));
  expect(quantiles!.find((entry) => entry.quantile === quantile)!.value).toBe(peak);
  expect(read({}).quantiles).toBeUndefined();
});
