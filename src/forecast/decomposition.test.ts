import { expect, test } from 'vitest';
import { mstl, stl } from './decomposition.ts';

/** The series of the reference values: a trend, a year of twelve, a pattern that looks like noise, one outlier. */
const SERIES = Float64Array.from(
  { length: 96 },
  (_, t) => 100 + 0.5 * t + 10 * Math.sin((2 * Math.PI * t) / 12) + (((t * 7919) % 13) - 6) * 0.5 + (t === 50 ? 40 : 0),
);

// statsmodels 0.15.0: STL(y, period=12, seasonal=7, robust=R).fit(inner_iter=I, outer_iter=O), R, I, O as named.
test.each([
  { name: 'robust=False, 2 and 0', robust: false, t: 0, seasonal: -0.094276, trend: 99.973594 },
  { name: 'robust=False, 2 and 0', robust: false, t: 13, seasonal: 4.012168, trend: 106.471194 },
  { name: 'robust=False, 2 and 0', robust: false, t: 50, seasonal: 20.047532, trend: 128.191096 },
  { name: 'robust=False, 2 and 0', robust: false, t: 95, seasonal: -1.950415, trend: 146.334798 },
  { name: 'robust=True, 1 and 5', robust: true, t: 0, seasonal: 3.134977, trend: 101.669651 },
  { name: 'robust=True, 1 and 5', robust: true, t: 13, seasonal: 2.185849, trend: 106.83264 },
  { name: 'robust=True, 1 and 5', robust: true, t: 50, seasonal: 7.547822, trend: 125.127557 },
  { name: 'robust=True, 1 and 5', robust: true, t: 95, seasonal: -1.540412, trend: 145.436519 },
])('stl() agrees with statsmodels: $name at $t', ({ robust, t, seasonal, trend }) => {
  const parts = stl(SERIES, 12, { seasonalSpan: 7, robust, jump: 1 });
  expect(parts.seasons[0]!.values[t]).toBeCloseTo(seasonal, 5);
  expect(parts.trend[t]).toBeCloseTo(trend, 5);
});

test('the parts add up to the series, an outlier stays in the remainder, gaps have no remainder', () => {
  const gappy = SERIES.map((value, t) => (t >= 20 && t < 24 ? Number.NaN : value));
  const { trend, seasons, remainder } = stl(gappy, 12);
  for (let t = 0; t < gappy.length; t++) {
    if (Number.isNaN(gappy[t]!)) expect(remainder[t]).toBeNaN();
    else expect(trend[t]! + seasons[0]!.values[t]! + remainder[t]!).toBeCloseTo(gappy[t]!, 9);
  }
  expect(remainder[50]).toBeGreaterThan(25);
});

test('mstl() tells a day from a week', () => {
  const day = (t: number) => 10 * Math.sin((2 * Math.PI * t) / 24);
  const week = (t: number) => (Math.floor(t / 24) % 7 >= 5 ? -12 : 4.8);
  const values = Float64Array.from({ length: 24 * 7 * 6 }, (_, t) => 100 + day(t) + week(t));
  const { trend, seasons, remainder } = mstl(values, [168, 24, 5000]);
  expect(seasons.map(({ length }) => length)).toEqual([24, 168]);
  const middle = values.length / 2;
  for (let t = middle; t < middle + 168; t += 5) {
    expect(Math.abs(remainder[t]!)).toBeLessThan(3);
    expect(Math.abs(trend[t]! - 100)).toBeLessThan(2);
  }
});

test('mstl() without a usable season is a trend and a remainder', () => {
  const { seasons, trend } = mstl(
    Float64Array.from({ length: 40 }, (_, t) => t),
    [],
  );
  expect(seasons).toEqual([]);
  expect(trend[20]).toBeCloseTo(20, 6);
});

test('stl() refuses a season that does not fit twice', () => {
  expect(() => stl(new Float64Array(20), 11)).toThrow('season must fit twice into 20 steps, got 11');
});
