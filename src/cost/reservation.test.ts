import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { adviseDeferral, flattenedPeak, runWithin } from './deferral.ts';
import { adviseReservation, durationCurve, quantileWeights, type UseScenario } from './reservation.ts';

const one = (...used: readonly number[]): readonly UseScenario[] => [
  { quantile: 0.5, weight: 1, used: Float64Array.from(used) },
];
const PRICES = { onDemand: 1, reserved: 0.6 };

test('durationCurve() says how much each unit is in use', () => {
  expect([...durationCurve(Float64Array.of(3, 1, 0, 2.5))]).toEqual([0.75, 0.5, 0.375]);
  expect(durationCurve(Float64Array.of(0, 0))).toHaveLength(0);
  expect(() => durationCurve(Float64Array.of(-1))).toThrow(RangeError);
});

test('quantileWeights() add up to one', () => {
  expect(quantileWeights([0.5])).toEqual([1]);
  expect(quantileWeights([0.1, 0.5, 0.9]).map((weight) => Number(weight.toFixed(9)))).toEqual([0.3, 0.4, 0.3]);
});

describe('adviseReservation()', () => {
  test.each([
    { name: 'steady use', used: [4, 4, 4, 4], reserved: 0.6, level: 4 },
    { name: 'a night without use', used: [4, 4, 0, 0], reserved: 0.6, level: 0 },
    { name: 'a low floor under a peak', used: [2, 2, 2, 10], reserved: 0.6, level: 2 },
    { name: 'a reservation that is free', used: [2, 2, 2, 10], reserved: 0, level: 10 },
    { name: 'a reservation as dear as the rest', used: [4, 4], reserved: 1, level: 0 },
    { name: 'nothing in use', used: [0, 0], reserved: 0.1, level: 0 },
  ])('$name', ({ used, reserved, level }) => {
    const advice = adviseReservation({ scenarios: one(...used), prices: { onDemand: 1, reserved }, stepHours: 1 });
    expect(advice).toMatchObject({ level, breakEven: reserved });
  });

  test('says what it costs, what it saves and how much is in use', () => {
    const advice = adviseReservation({ scenarios: one(2, 2, 2, 10), prices: PRICES, stepHours: 2, held: 5 });
    expect(advice).toMatchObject({ hours: 8, utilization: 1, lastUnit: 1, nextUnit: 0.25 });
    expect(advice.withoutReservation.expected).toBeCloseTo(32, 9);
    expect(advice.cost.expected).toBeCloseTo(8 * 1.2 + 16, 9);
    expect(advice.asHeld?.expected).toBeCloseTo(8 * 3 + 10, 9);
    expect(advice.curve.map(({ level }) => level)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  test('reserves no more than the likely part of an uncertain future', () => {
    const scenarios = [
      { quantile: 0.1, weight: 0.3, used: Float64Array.of(2, 2) },
      { quantile: 0.5, weight: 0.4, used: Float64Array.of(6, 6) },
      { quantile: 0.9, weight: 0.3, used: Float64Array.of(20, 20) },
    ];
    const advice = adviseReservation({ scenarios, prices: PRICES, stepHours: 1 });
    expect(advice.level).toBe(6);
    expect(advice.levels.map(({ level }) => level)).toEqual([2, 6, 20]);
    expect(advice.cost.low).toBeLessThan(advice.cost.expected);
    expect(advice.cost.high).toBeGreaterThan(advice.cost.expected);
  });

  test('refuses what cannot be', () => {
    expect(() => adviseReservation({ scenarios: [], prices: PRICES, stepHours: 1 })).toThrow(RangeError);
    expect(() => adviseReservation({ scenarios: one(1), prices: { onDemand: 0, reserved: 0 }, stepHours: 1 })).toThrow(
      RangeError,
    );
  });
});

const use = fc.float({ min: 0, max: 12, noNaN: true });
const paths = fc
  .integer({ min: 1, max: 12 })
  .chain((steps) => fc.array(fc.array(use, { minLength: steps, maxLength: steps }), { minLength: 1, maxLength: 4 }));
const scenariosOf = (all: readonly (readonly number[])[]): readonly UseScenario[] => {
  const quantiles = all.map((_, i) => (i + 0.5) / all.length);
  const weights = quantileWeights(quantiles);
  return all.map((used, i) => ({ quantile: quantiles[i]!, weight: weights[i]!, used: Float64Array.from(used) }));
};
const prices = fc.record({
  onDemand: fc.float({ min: Math.fround(0.01), max: 2, noNaN: true }),
  reserved: fc.float({ min: 0, max: 2, noNaN: true }),
});

/** The cost as anybody would add it up. */
function costByHand(all: readonly UseScenario[], level: number, { onDemand, reserved }: typeof PRICES): number {
  return all.reduce(
    (total, { used, weight }) =>
      total + weight * used.reduce((sum, at) => sum + reserved * level + onDemand * Math.max(0, at - level), 0),
    0,
  );
}

test('adviseReservation(): no other level costs less', () => {
  fc.assert(
    fc.property(paths, prices, (all, price) => {
      const scenarios = scenariosOf(all);
      const advice = adviseReservation({ scenarios, prices: price, stepHours: 1 });
      const best = costByHand(scenarios, advice.level, price);
      expect(advice.cost.expected).toBeCloseTo(best, 6);
      for (let level = 0; level <= 14; level++) {
        expect(best).toBeLessThanOrEqual(costByHand(scenarios, level, price) + 1e-9);
      }
      for (const { level, expected } of advice.curve) {
        expect(expected).toBeCloseTo(costByHand(scenarios, level, price), 6);
      }
    }),
    { numRuns: 300 },
  );
});

const waiting = fc.record({ share: fc.float({ min: 0, max: 1, noNaN: true }), delaySteps: fc.nat({ max: 6 }) });

test('runWithin(): all work is done, none too early or too late', () => {
  fc.assert(
    fc.property(fc.array(use, { minLength: 1, maxLength: 20 }), waiting, fc.nat({ max: 14 }), (values, how, level) => {
      const used = Float64Array.from(values);
      const { used: after, beyond } = runWithin(used, level, how);
      const [before, now] = [running(used), running(after)];
      for (let t = 0; t < used.length; t++) {
        // What has run by now: no more than what has come, and all that may wait no longer.
        expect(now[t]!).toBeLessThanOrEqual(before[t]! + 1e-6);
        const due = before[t - how.delaySteps] ?? 0;
        const fixed = before[t]! * (1 - how.share);
        expect(now[t]!).toBeGreaterThanOrEqual(fixed + due * how.share - 1e-6);
        expect(after[t]! - beyond[t]!).toBeLessThanOrEqual(level + 1e-6);
      }
      expect(now.at(-1)).toBeCloseTo(before.at(-1)!, 5);
    }),
    { numRuns: 300 },
  );
});

function running(values: Float64Array): number[] {
  let sum = 0;
  return Array.from(values, (value) => {
    sum += value;
    return sum;
  });
}

describe('work that waits', () => {
  test.each([
    { name: 'nothing can wait', share: 0, delaySteps: 4, peak: 10 },
    // 5 at once and half a unit more, 4.5 a step later beside the 1 that cannot wait there.
    { name: 'half can wait for one step', share: 0.5, delaySteps: 1, peak: 5.5 },
    // Nothing runs before it comes: 14 in the last three steps.
    { name: 'all can wait for long', share: 1, delaySteps: 8, peak: 14 / 3 },
  ])('flattens the peak: $name', ({ share, delaySteps, peak }) => {
    expect(flattenedPeak(Float64Array.of(2, 10, 2, 2), { share, delaySteps })).toBeCloseTo(peak, 4);
  });

  test('adviseDeferral() finds the cheapest level, by trying all', () => {
    fc.assert(
      fc.property(paths, waiting, (all, deferrable) => {
        const scenarios = scenariosOf(all);
        const { reserved } = adviseDeferral({ scenarios, prices: PRICES, stepHours: 1, deferrable });
        const costOf = (level: number) =>
          scenarios.reduce((total, { used, weight }) => {
            const { beyond } = runWithin(used, level, deferrable);
            return total + weight * (0.6 * level * used.length + beyond.reduce((sum, at) => sum + at, 0));
          }, 0);
        const costs = Array.from({ length: 15 }, (_, level) => costOf(level));
        expect(reserved.cost.expected).toBeCloseTo(Math.min(...costs), 5);
        const now = adviseReservation({ scenarios, prices: PRICES, stepHours: 1 });
        expect(reserved.cost.expected).toBeLessThanOrEqual(now.cost.expected + 1e-6);
      }),
      { numRuns: 200 },
    );
  });
});
