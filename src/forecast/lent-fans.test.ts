import { expect, test } from 'vitest';
import { DAY, HOUR } from '../model/time.ts';
import { normal, seededRandom } from '../numeric/seeded-random.ts';
import { fitForecaster } from './forecaster.ts';

/** Steps of an hour: a rhythm that begins at any hour, with noise that lasts some. */
function demand(hours: number, seed: number): Float64Array {
  const random = seededRandom(seed);
  let noise = 0;
  return Float64Array.from({ length: hours }, (_, t) => {
    noise = 0.7 * noise + 5 * normal(random);
    return 100 + 30 * Math.sin((2 * Math.PI * (t + 7 * seed)) / 24) + noise;
  });
}

test.each([
  { hours: 30, least: 0.7 },
  { hours: 72, least: 0.85 },
])('after $hours values the central 95 % holds at all of twelve steps', ({ hours, least }) => {
  const inside = [0, 0, 0];
  const runs = 40;
  for (let seed = 1; seed <= runs; seed++) {
    const values = demand(hours + 12, seed);
    const series = { start: 20_000 * DAY, stepMs: HOUR, values: values.slice(0, hours) };
    const fit = fitForecaster(series, { horizonSteps: 12, peakWindowMs: HOUR, quantiles: [0.025, 0.9, 0.975] });
    if (fit.kind !== 'fitted') throw new Error(fit.kind);
    const [low, middle, high] = fit.forecaster.predict().quantiles.map((path) => path.values);
    for (const [i, step] of [0, 5, 11].entries()) {
      const truth = values[hours + step]!;
      if (truth >= low![step]! && truth <= high![step]!) inside[i]!++;
      // Few residuals do not make the far quantiles one.
      expect(high![step]!).toBeGreaterThan(middle![step]!);
    }
  }
  for (const count of inside) expect(count / runs).toBeGreaterThanOrEqual(least);
});
