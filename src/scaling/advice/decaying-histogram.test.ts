import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DAY, HOUR } from '../../model/time.ts';
import { decayingHistogram } from './decaying-histogram.ts';

const OPTIONS = { largest: 1000, firstWidth: 0.01, growth: 0.05, halfLifeMs: DAY, leastWeight: 1e-4 };
const T = 20_000 * DAY;

describe('decayingHistogram()', () => {
  test.each([
    { name: 'nothing', added: [], quantile: 0.9, want: 0 },
    { name: 'less than the first bucket', added: [[0.001, 1, T]], quantile: 0.9, want: 0.01 },
    { name: 'on a bucket begins the next', added: [[0.01, 1, T]], quantile: 0.9, want: 0.0205 },
    {
      name: 'what is new weighs more',
      added: [
        [0.001, 1, T],
        [0.015, 1, T + DAY],
      ],
      quantile: 0.34,
      want: 0.0205,
    },
    {
      name: 'what is old weighs less',
      added: [
        [0.001, 1, T],
        [0.015, 1, T + DAY],
      ],
      quantile: 0.33,
      want: 0.01,
    },
    {
      name: 'what weighs nothing is not there',
      added: [
        [500, 1e-5, T],
        [0.001, 1, T],
      ],
      quantile: 1,
      want: 0.01,
    },
    {
      name: 'after 101 half-lives the old is gone',
      added: [
        [2, 1, T],
        [0.001, 1, T + 101 * DAY],
      ],
      quantile: 1,
      want: 0.01,
    },
  ] as const)('$name', ({ added, quantile, want }) => {
    const histogram = decayingHistogram(OPTIONS);
    for (const [value, weight, t] of added) histogram.add(value, weight, t);
    expect(histogram.quantile(quantile)).toBeCloseTo(want, 12);
  });

  test('the last bucket has no end', () => {
    const histogram = decayingHistogram(OPTIONS);
    histogram.add(1e9, 1, T);
    const last = histogram.quantile(0.5);
    expect(last).toBeGreaterThanOrEqual(1000);
    histogram.add(1e12, 5, T);
    expect(histogram.quantile(1)).toBe(last);
  });

  const samples = fc.array(
    fc.tuple(fc.double({ min: 0, max: 900, noNaN: true }), fc.integer({ min: 0, max: 24 * 8 })),
    {
      minLength: 1,
      maxLength: 40,
    },
  );

  test('a quantile is monotone, at most 5 % and a first bucket above the true one, and never below it', () => {
    fc.assert(
      fc.property(samples, fc.double({ min: 0.01, max: 1, noNaN: true }), (added, quantile) => {
        const histogram = decayingHistogram(OPTIONS);
        for (const [value] of added) histogram.add(value, 1, T);
        const sorted = added.map(([value]) => value).sort((a, b) => a - b);
        const exact = sorted[Math.max(0, Math.ceil(quantile * sorted.length - 1e-9) - 1)]!;
        const found = histogram.quantile(quantile);
        expect(found).toBeGreaterThanOrEqual(exact);
        expect(found).toBeLessThanOrEqual(exact * 1.05 + 0.01 + 1e-9);
        expect(histogram.quantile(1)).toBeGreaterThanOrEqual(found);
      }),
    );
  });

  test('what is taken back was never there', () => {
    fc.assert(
      fc.property(samples, samples, (kept, taken) => {
        const [one, other] = [decayingHistogram(OPTIONS), decayingHistogram(OPTIONS)];
        for (const [value, hours] of kept) for (const each of [one, other]) each.add(value, 1, T + hours * HOUR);
        for (const [value, hours] of taken) other.add(value, 1, T + hours * HOUR);
        for (const [value, hours] of taken) other.subtract(value, 1, T + hours * HOUR);
        for (const quantile of [0.25, 0.5, 0.75]) {
          const near = [quantile - 1e-6, quantile + 1e-6].map((q) => one.quantile(q));
          expect(other.quantile(quantile)).toBeGreaterThanOrEqual(near[0]!);
          expect(other.quantile(quantile)).toBeLessThanOrEqual(near[1]!);
        }
      }),
    );
  });
});
