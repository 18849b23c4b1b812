import { expect, test } from 'vitest';
import { mstl, stl } from './decomposition.ts';

/** The series of the reference values: a trend, a year of twelve, a pattern that looks like noise, one outlier. */
const SERIES = Float64Array.from(
  { length: 96 },
  (_, t) => 100 + 0.5 * t + 10 * Math.sin((2 * Math.PI * t) / 12) + (((t * 7919) % 13) - 6) * 0.5 + (t === 50 ? 40 : 0),
);

/** Passes as statsmodels' `fit()` has them, and R's `stl()`. */
const STATSMODELS = {
  plain: { robust: false, innerPasses: 5, jump: 1 },
  robust: { robust: true, innerPasses: 2, outerPasses: 15, jump: 1, screen: false },
};

// statsmodels 0.15.0: STL(y, period=P, seasonal=S, robust=R).fit(inner_iter=I, outer_iter=O); I and O as named, else default.
const YEAR = { season: 12, seasonalSpan: 7, screen: false };
const WEEK = { season: 7, seasonalSpan: 9, lowPassSpan: 9, screen: false };
test.each([
  { name: '2 and 0', ...YEAR, robust: false, t: 0, seasonal: -0.094276, trend: 99.973594 },
  { name: '2 and 0', ...YEAR, robust: false, t: 50, seasonal: 20.047532, trend: 128.191096 },
  { name: '1 and 5', ...YEAR, robust: true, outerPasses: 5, t: 0, seasonal: 3.134977, trend: 101.669651 },
  { name: '1 and 5', ...YEAR, robust: true, outerPasses: 5, t: 95, seasonal: -1.540412, trend: 145.436519 },
  { name: 'plain', ...YEAR, ...STATSMODELS.plain, t: 0, seasonal: -0.12168523673782941, trend: 99.98721278361167 },
  { name: 'plain', ...YEAR, ...STATSMODELS.plain, t: 13, seasonal: 4.000596343686007, trend: 106.47066500394534 },
  { name: 'plain', ...YEAR, ...STATSMODELS.plain, t: 50, seasonal: 20.04756471727917, trend: 128.19237867917806 },
  { name: 'plain', ...YEAR, ...STATSMODELS.plain, t: 95, seasonal: -1.9058152111875375, trend: 146.30893822132705 },
  { name: 'robust', ...YEAR, ...STATSMODELS.robust, t: 0, seasonal: 3.1331955631300925, trend: 101.68009064240019 },
  { name: 'robust', ...YEAR, ...STATSMODELS.robust, t: 13, seasonal: 2.108582509265774, trend: 106.83072961758909 },
  { name: 'robust', ...YEAR, ...STATSMODELS.robust, t: 50, seasonal: 7.517440441235664, trend: 125.00612903231878 },
  { name: 'robust', ...YEAR, ...STATSMODELS.robust, t: 95, seasonal: -1.5388102452000554, trend: 145.429075185469 },
  { name: 'plain, 7', ...WEEK, ...STATSMODELS.plain, t: 0, seasonal: -8.057555400354236, trend: 109.66460072059061 },
  { name: 'plain, 7', ...WEEK, ...STATSMODELS.plain, t: 95, seasonal: 5.2694604703969565, trend: 135.79709976680047 },
  { name: 'robust, 7', ...WEEK, ...STATSMODELS.robust, t: 0, seasonal: -8.452795068653424, trend: 109.64519519465489 },
  {
    name: 'robust, 7',
    ...WEEK,
    ...STATSMODELS.robust,
    t: 50,
    seasonal: -0.10766607103813348,
    trend: 127.10883065937976,
  },
])('stl() agrees with statsmodels to 1e-6: $name at $t', ({ season, t, seasonal, trend, ...options }) => {
  const parts = stl(SERIES, season, { jump: 1, ...options });
  expect(parts.seasons[0]!.values[t]).toBeCloseTo(seasonal, 6);
  expect(parts.trend[t]).toBeCloseTo(trend, 6);
});

/** Five weeks of hours: a trend, a day with two humps, weekends, a pattern that looks like noise, one outlier. */
const HOURS = Float64Array.from({ length: 24 * 7 * 5 }, (_, t) => {
  const day = 20 * Math.sin((2 * Math.PI * t) / 24) + 8 * Math.cos((4 * Math.PI * t) / 24);
  const week = Math.floor(t / 24) % 7 >= 5 ? -30 : 6;
  return 200 + 0.05 * t + day + week + (((t * 7919) % 31) - 15) * 0.4 + (t === 300 ? 150 : 0);
});

// statsmodels 0.15.0: MSTL(z, periods=(24, 168), stl_kwargs={'robust': R}).fit()
test.each([
  { name: 'plain', t: 0, day: 4.460135206476255, week: 10.67857545688994, trend: 196.32648209028116 },
  { name: 'plain', t: 300, day: 30.955943027557417, week: 13.595592411025223, trend: 211.63519086158558 },
  { name: 'plain', t: 839, day: 6.892298101499228, week: -28.25035147419367, trend: 237.60494561526073 },
  { name: 'robust', t: 0, day: 8.039280262581798, week: 15.645451616285694, trend: 197.30586266461367 },
  { name: 'robust', t: 100, day: 13.95415893788159, week: 4.4571732665580495, trend: 201.98250288768273 },
  { name: 'robust', t: 300, day: 8.376366494459178, week: -26.36317625228332, trend: 211.13155073627667 },
  { name: 'robust', t: 839, day: 4.505855240763317, week: -34.414286825662806, trend: 236.24672497938388 },
] as const)('mstl() agrees with statsmodels to 1e-6: $name at $t', ({ name, t, day, week, trend }) => {
  const parts = mstl(HOURS, [24, 168], STATSMODELS[name]);
  expect(parts.seasons[0]!.values[t]).toBeCloseTo(day, 6);
  expect(parts.seasons[1]!.values[t]).toBeCloseTo(week, 6);
  expect(parts.trend[t]).toBeCloseTo(trend, 6);
});

test('mstl() with its defaults, which skip points and stop early, stays near the exact answer', () => {
  const exact = mstl(HOURS, [24, 168], STATSMODELS.robust);
  const quick = mstl(HOURS, [24, 168]);
  let far = 0;
  for (let t = 0; t < HOURS.length; t++) far = Math.max(far, Math.abs(quick.trend[t]! - exact.trend[t]!));
  expect(far).toBeLessThan(1);
  expect(quick.remainder[300]).toBeGreaterThan(100);
});

test('mstl() does not let a gap of three days or broken samples bend the seasons', () => {
  const clean = mstl(HOURS, [24, 168]);
  const broken = HOURS.map((value, t) => (t >= 400 && t < 472 ? Number.NaN : t % 97 === 5 ? value * 10 : value));
  const parts = mstl(broken, [24, 168]);
  const middle = 500;
  for (let t = middle; t < middle + 168; t += 3) {
    const fitted = (of: typeof parts) => of.trend[t]! + of.seasons[0]!.values[t]! + of.seasons[1]!.values[t]!;
    expect(Math.abs(fitted(parts) - fitted(clean))).toBeLessThan(15);
  }
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
