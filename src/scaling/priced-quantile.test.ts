import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { pricedQuantile } from './priced-quantile.ts';

const POLICY = { quantile: 0.95, shortageCost: 5 };
const fan = (...values: number[]) =>
  [0.5, 0.8, 0.9, 0.95, 0.99].slice(0, values.length).map((quantile, i) => ({ quantile, value: values[i]! }));

describe('pricedQuantile()', () => {
  const mean = { dayMean: 100 };

  test.each([
    { name: 'a sure forecast goes as far as the policy lets it', values: [100, 102, 103, 104, 105], want: 0.95 },
    { name: 'a tail that costs more than its risk is left out', values: [100, 102, 103, 400, 900], want: 0.9 },
    { name: 'where all is tail, the median stands', values: [100, 400, 800, 1600, 3200], want: 0.5 },
    { name: 'a flat part is worth its last step', values: [100, 100, 100, 100, 100], want: 0.95 },
  ])('$name', ({ values, want }) => {
    const quantiles = fan(...values);
    expect(pricedQuantile({ ...mean, quantiles }, POLICY, 1)?.quantile).toBe(want);
  });

  test('the costs are those that it says: replicas over the mean, and the risk at its price', () => {
    // From 0.9 to 0.95 spares 0.05 of the time, worth 5 x 0.05 x 100 x 0.8 = 20 of the demand that is filled to 0.8.
    const at = (last: number) =>
      pricedQuantile({ ...mean, quantiles: fan(100, 101, 102, last) }, POLICY, 0.8)?.quantile;
    expect([at(121.9), at(122.1)]).toEqual([0.95, 0.9]);
  });

  test('what is forecast for pictures is not chosen, but the own quantile of the policy is', () => {
    const quantiles = [...fan(100, 101, 102, 103), { quantile: 0.975, value: 104 }];
    expect(pricedQuantile({ ...mean, quantiles }, { ...POLICY, quantile: 0.98 }, 1)?.quantile).toBe(0.95);
    expect(pricedQuantile({ ...mean, quantiles }, { ...POLICY, quantile: 0.975 }, 1)?.quantile).toBe(0.975);
    expect(pricedQuantile({ ...mean, quantiles }, { ...POLICY, quantile: 0.85 }, 1)?.quantile).toBe(0.8);
  });

  test('a declared event makes nothing dearer', () => {
    const quantiles = fan(300, 312, 324, 336);
    expect(pricedQuantile({ dayMean: 20, quantiles, eventFactor: 3 }, POLICY, 1)?.quantile).toBe(0.95);
    expect(pricedQuantile({ dayMean: 20, quantiles }, POLICY, 1)?.quantile).toBe(0.8);
  });

  test.each([
    { name: 'no price', policy: { quantile: 0.95 }, peak: { ...mean, quantiles: fan(1, 2) } },
    {
      name: 'an objective in its place',
      policy: { ...POLICY, objective: { overCapacityMs: 1, periodMs: 2 } },
      peak: { ...mean, quantiles: fan(1, 2) },
    },
    { name: 'no mean', policy: POLICY, peak: { quantiles: fan(1, 2) } },
    { name: 'no quantile', policy: POLICY, peak: { ...mean, quantiles: [] } },
    { name: 'nothing finite', policy: POLICY, peak: { ...mean, quantiles: fan(Number.NaN) } },
  ])('$name: nothing is chosen', ({ policy, peak }) => {
    expect(pricedQuantile(peak, policy, 1)).toBeUndefined();
  });

  test('a higher price never takes a lower quantile, and the unit of the demand does not matter', () => {
    const input = fc.record({
      steps: fc.array(fc.double({ min: 0, max: 1000, noNaN: true }), { minLength: 4, maxLength: 4 }),
      price: fc.double({ min: 0.1, max: 100, noNaN: true }),
      more: fc.double({ min: 1, max: 10, noNaN: true }),
    });
    fc.assert(
      fc.property(input, ({ steps, price, more }) => {
        let sum = 0;
        const quantiles = fan(...steps.map((step) => (sum += step)));
        const chosen = (shortageCost: number, unit = 1) =>
          pricedQuantile(
            { dayMean: 100 * unit, quantiles: quantiles.map((q) => ({ ...q, value: q.value * unit })) },
            { quantile: 0.95, shortageCost },
            0.9,
          )!.quantile;
        expect(chosen(price * more)).toBeGreaterThanOrEqual(chosen(price));
        expect(chosen(price, 1024)).toBe(chosen(price));
      }),
    );
  });
});
