import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DAY, MINUTE } from '../model/time.ts';
import { allowedShare, chooseQuantile } from './objective.ts';

const NOW = 20_000 * DAY;
const perMonth = (minutes: number) => ({ overCapacityMs: minutes * MINUTE, periodMs: (365.25 / 12) * DAY });
/** An exponential tail: each factor e of rareness is `scale` more, so the true quantiles are known. */
const tailOf = (median: number, scale: number) =>
  [0.5, 0.9, 0.95, 0.975, 0.99].map((quantile) => ({
    quantile,
    value: median + scale * (Math.log(0.5) - Math.log(1 - quantile)),
  }));

describe('chooseQuantile()', () => {
  const fill = 0.9;
  const input = (minutes: number) => ({ objective: perMonth(minutes), fill, soFar: undefined, now: NOW });

  test('plans for fill times the demand that is exceeded as seldom as allowed', () => {
    // 438.3 minutes a month are one in a hundred: ln 100 - ln 2 = 3.912 scales above the median, times 0.9.
    const chosen = chooseQuantile(tailOf(100, 10), input(438.3))!;
    expect(chosen.share).toBeCloseTo(0.01, 6);
    expect(chosen.peak).toBeCloseTo(0.9 * (100 + 10 * 3.912), 2);
    expect(chosen.quantile).toBeCloseTo(1 - 0.5 * Math.exp(-(0.9 * 139.12 - 100) / 10), 4);
  });

  test.each([
    { name: 'a demand that hardly varies needs no margin', tail: tailOf(100, 0.5), minutes: 5, want: 0.5 },
    { name: 'one that bursts needs all there is', tail: tailOf(100, 40), minutes: 5, want: 0.99 },
    { name: 'one that is always the same', tail: tailOf(100, 0), minutes: 5, want: 0.5 },
  ])('$name', ({ tail, minutes, want }) => {
    expect(chooseQuantile(tail, input(minutes))?.quantile).toBeCloseTo(want, 6);
  });

  test('chooses nothing without a tail', () => {
    expect(chooseQuantile([{ quantile: 0.95, value: 9 }], input(5))).toBeUndefined();
    expect(
      chooseQuantile(
        [
          { quantile: 0.9, value: null },
          { quantile: 0.95, value: 9 },
        ],
        input(5),
      ),
    ).toBeUndefined();
  });

  test('more minutes never mean a higher quantile, more demand never a lower peak, and both are numbers', () => {
    const tail = fc
      .array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 5, maxLength: 5 })
      .map((values) => values.sort((a, b) => a - b))
      .map((values) => [0.5, 0.9, 0.95, 0.975, 0.99].map((quantile, i) => ({ quantile, value: values[i]! })));
    const minutes = fc.double({ min: 0, max: 20_000, noNaN: true });
    fc.assert(
      fc.property(tail, minutes, minutes, (quantiles, some, more) => {
        const less = chooseQuantile(quantiles, input(some))!;
        expect(less.quantile).toBeGreaterThanOrEqual(0.5 - 1e-12);
        expect(less.quantile).toBeLessThanOrEqual(0.99 + 1e-12);
        const relaxed = chooseQuantile(quantiles, input(some + more))!;
        expect(relaxed.peak).toBeLessThanOrEqual(less.peak * (1 + 1e-9) + 1e-9);
        const raised = quantiles.map(({ quantile, value }) => ({ quantile, value: 1.5 * value + 1 }));
        expect(chooseQuantile(raised, input(some))!.peak).toBeGreaterThanOrEqual(less.peak * (1 - 1e-9) - 1e-9);
      }),
    );
  });
});

describe('allowedShare() spreads what is left over what is left', () => {
  const soFar = (overMinutes: number) => ({
    ...{ monthStart: NOW - 15 * DAY, monthEnd: NOW + 15 * DAY, overMs: overMinutes * MINUTE },
  });
  const share = 432 / (30 * 1440);
  test.each([
    { name: 'as it is while nothing is known', of: undefined, want: 1 },
    { name: 'as it is on the way', of: soFar(216), want: 1 },
    { name: 'twice where nothing was used', of: soFar(0), want: 2 },
    { name: 'little where all is used', of: soFar(432), want: 1 / 8 },
    { name: 'no less where more was used', of: soFar(9999), want: 1 / 8 },
  ])('$name', ({ of, want }) => {
    const objective = { overCapacityMs: 432 * MINUTE, periodMs: 30 * DAY };
    expect(allowedShare(objective, of, NOW)).toBeCloseTo(share * want, 9);
  });
});
