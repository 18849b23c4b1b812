import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MINUTE } from '../../model/time.ts';
import { fitForecaster } from '../forecaster.ts';
import { demandQuantile, expectedDemand, SPARSE_RATES, sparseDemand, takeDemand } from './intermittent.ts';

// statsforecast 2.1.1: TSB(alpha_d=0.2, alpha_p=0.1).forecast(y, h=3) is 0.81318306 for all three.
test('expectedDemand() agrees with TSB of statsforecast to 1e-8', () => {
  const values = [0, 0, 3, 0, 0, 0, 5, 0, 1, 0, 0, 0, 0, 4, 0, 2, 0, 0, 0, 0, 6, 0, 0, 1, 0];
  const demand = sparseDemand(24);
  for (const [t, value] of values.entries()) takeDemand(demand, { size: 0.2, probability: 0.1 }, t, value);
  expect(expectedDemand(demand)).toBeCloseTo(0.81318306, 8);
});

test('demandQuantile() ascends with the quantile and with the window, and lies among the sizes', () => {
  const value = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 99 }));
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 80 }), fc.integer({ min: 2, max: 9 }), (values, window) => {
      const demand = sparseDemand(24);
      for (const [t, size] of values.entries()) takeDemand(demand, SPARSE_RATES, t, size);
      const at = values.length;
      let before = 0;
      for (const quantile of [0.01, 0.25, 0.5, 0.9, 0.99]) {
        const one = demandQuantile(demand, at - 1, at, quantile);
        expect(one).toBeGreaterThanOrEqual(before);
        expect(demandQuantile(demand, at - 1, at - 1 + window, quantile)).toBeGreaterThanOrEqual(one - 1e-3);
        expect(one).toBeLessThanOrEqual(Math.max(...values));
        before = one;
      }
    }),
  );
});

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (((state ^ (state >>> 15)) >>> 0) + 0.5) / 2 ** 32;
  };
}

test('sparse demand with a daily rhythm gets quantiles that hold, and a median that knows the hour', () => {
  const random = seeded(3);
  const step = 30 * MINUTE;
  const values = Float64Array.from({ length: 48 * 40 }, (_, t) =>
    random() < 0.35 * (1 + 0.9 * Math.sin((2 * Math.PI * t) / 48)) ? 1 + Math.floor(20 * random() * random()) : 0,
  );
  const cut = 48 * 30;
  const result = fitForecaster(
    { start: 0, stepMs: step, values: values.slice(0, cut) },
    { horizonSteps: 2, peakWindowMs: 4 * step },
  );
  if (result.kind !== 'fitted') throw new Error(result.kind);
  expect(result.forecaster.models).toContain('intermittent');
  let covered = 0;
  let peaksCovered = 0;
  let nightly = 0;
  let origins = 0;
  for (let origin = cut - 1; origin + 4 < values.length; origin++) {
    if (origin >= cut) result.forecaster.update(values.subarray(origin, origin + 1));
    const { quantiles, peak } = result.forecaster.predict();
    const upper = quantiles.find(({ quantile }) => quantile === 0.95)!.values[0]!;
    if (values[origin + 1]! <= upper) covered++;
    const most = Math.max(...values.subarray(origin + 1, origin + 5));
    if (most <= peak.quantiles.find(({ quantile }) => quantile === 0.95)!.value) peaksCovered++;
    // At the trough hardly anything comes: the quantile of the step is far below that of the crest.
    if (origin % 48 === 35) nightly += upper;
    if (origin % 48 === 11) nightly -= upper;
    origins++;
  }
  expect(covered / origins).toBeGreaterThan(0.92);
  expect(covered / origins).toBeLessThan(0.99);
  expect(peaksCovered / origins).toBeGreaterThan(0.92);
  expect(nightly / 10).toBeLessThan(-3);
});
