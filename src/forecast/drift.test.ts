import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import { gathered } from '../numeric/evidence.ts';
import { createDrift, shapeCorrelation, watchResidual, watchShape } from './drift.ts';

const T0 = 20_000 * DAY;
const HALF_HOUR = HOUR / 2;

/** Alarms of one series whose residuals come every half hour, as the number of the residual. */
function residualAlarms(residualAt: (i: number) => number, count: number): readonly number[] {
  const state = createDrift();
  return [...Array(count).keys()].filter((i) => {
    const at = T0 + i * HALF_HOUR;
    return watchResidual(state, residualAt(i), { issuedAt: at - 10 * MINUTE, at }) !== undefined;
  });
}

/** Alarms of one series with a value every half hour, in days from its beginning. */
function shapeAlarms(valueAt: (t: number) => number, days: number): readonly number[] {
  const state = createDrift();
  const alarms: number[] = [];
  for (let t = T0; t < T0 + days * DAY; t += HALF_HOUR) {
    if (watchShape(state, valueAt(t), t, t) !== undefined) alarms.push((t - T0) / DAY);
  }
  return alarms;
}

const season = (t: number) => 100 + 50 * Math.sin((2 * Math.PI * t) / DAY);

describe('false alarms, with a seeded generator', () => {
  const SERIES = 20;
  const WEEKS = 4;
  const perWeek = (alarmsOf: (seed: number) => readonly number[]) =>
    [...Array(SERIES).keys()].reduce((sum, seed) => sum + alarmsOf(seed + 1).length, 0) / (SERIES * WEEKS);

  test.each([
    { name: 'normal residuals', make: (normal: () => number) => normal, atMost: 0.05 },
    { name: "Student's t of 3 degrees", make: heavy, atMost: 0.05 },
    { name: 'AR(1) of 0.3', make: (normal: () => number) => autoregressive(normal, 0.3), atMost: 0.2 },
    {
      name: 'AR(1) of 0.6, which no good forecast leaves',
      make: (n: () => number) => autoregressive(n, 0.6),
      atMost: 1,
    },
  ])('$name: at most $atMost a week', ({ make, atMost }) => {
    const rate = perWeek((seed) => residualAlarms(make(normalOf(seed)), WEEKS * 7 * 48));
    expect(rate).toBeLessThanOrEqual(atMost);
  });

  test.each([
    { name: 'a season in white noise', noise: 25, rho: 0, weekend: 1, atMost: 0.05 },
    { name: 'a season in slow noise', noise: 25, rho: 0.95, weekend: 1, atMost: 0.2 },
    { name: 'weekends of another shape', noise: 10, rho: 0, weekend: 0.3, atMost: 0.05 },
    { name: 'no season at all', noise: 50, rho: 0.95, weekend: 0, atMost: 0.05 },
  ])('$name: at most $atMost a week', ({ noise, rho, weekend, atMost }) => {
    const rate = perWeek((seed) => {
      const next = autoregressive(normalOf(seed), rho);
      const scale = noise * Math.sqrt(1 - rho * rho);
      const strength = (t: number) => (weekend === 0 ? 0 : Math.floor(t / DAY) % 7 < 2 ? weekend : 1);
      return shapeAlarms((t) => 100 + strength(t) * (season(t) - 100) + scale * next(), WEEKS * 7);
    });
    expect(rate).toBeLessThanOrEqual(atMost);
  });
});

describe('drift is found', () => {
  const WEEK_OF = 7 * 48;

  test.each([
    { name: 'residuals twice their deviation higher', change: (x: number) => x + 2, withinHours: 14 },
    { name: 'one deviation lower', change: (x: number) => x - 1, withinHours: 36 },
    { name: 'three times as far apart', change: (x: number) => 3 * x, withinHours: 28 },
    { name: 'a third as far apart', change: (x: number) => x / 3, withinHours: 44 },
  ])('$name: within $withinHours h, and not reported again at once', ({ change, withinHours }) => {
    for (let seed = 1; seed <= 10; seed++) {
      const next = normalOf(seed);
      const alarms = residualAlarms((i) => (i < WEEK_OF ? next() : change(next())), 2 * WEEK_OF);
      expect(alarms.length).toBe(1);
      expect((alarms[0]! - WEEK_OF) / 2).toBeGreaterThan(0);
      expect((alarms[0]! - WEEK_OF) / 2).toBeLessThanOrEqual(withinHours);
    }
  });

  test.each([
    { name: 'the day begins six hours later', after: (t: number) => season(t - 6 * HOUR), withinDays: 1 },
    { name: 'the season is gone', after: () => 100, withinDays: 1.25 },
  ])('$name: within $withinDays days', ({ after, withinDays }) => {
    for (let seed = 1; seed <= 5; seed++) {
      const next = normalOf(seed);
      const [first] = shapeAlarms((t) => (t < T0 + 14 * DAY ? season(t) : after(t)) + 10 * next(), 17);
      expect(first).toBeGreaterThan(14);
      expect(first).toBeLessThanOrEqual(14 + withinDays);
    }
  });
});

test('drift is reported at most once in twelve hours, whatever comes', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 100, maxLength: 300 }),
      (xs) => {
        const alarms = residualAlarms((i) => (xs[i % xs.length]! + i) * (i % 97), 1_000);
        for (let i = 1; i < alarms.length; i++) expect(alarms[i]! - alarms[i - 1]!).toBeGreaterThanOrEqual(24);
      },
    ),
    { numRuns: 20 },
  );
});

test('the state is plain JSON of at most 6 kB, and goes on where it was', () => {
  const next = normalOf(1);
  const state = createDrift();
  const copy = () => JSON.parse(JSON.stringify(state)) as typeof state;
  for (let t = T0; t < T0 + 14 * DAY; t += HALF_HOUR) {
    watchResidual(state, next(), { issuedAt: t - 10 * MINUTE, at: t });
    watchShape(state, season(t) * (1 + next() / 10), t, t);
  }
  expect(copy()).toEqual(state);
  expect(JSON.stringify(state).length).toBeLessThan(6_000);
});

test('what shares truths with the residual before, or is not a number, is passed over', () => {
  const state = createDrift();
  watchResidual(state, 1, { issuedAt: T0, at: T0 + HOUR });
  watchResidual(state, 2, { issuedAt: T0 + HALF_HOUR, at: T0 + 2 * HOUR });
  watchResidual(state, Number.NaN, { issuedAt: T0 + HOUR, at: T0 + 2 * HOUR });
  watchResidual(state, 3, { issuedAt: T0 + HOUR, at: T0 + 2 * HOUR });
  expect(state.residuals).toEqual([1, 3]);
});

test.each([
  { name: 'the same day again', hours: [...Array(48).keys()].map((h) => h % 24), want: 1 },
  { name: 'the opposite', hours: [...Array(48).keys()].map((h) => (h < 24 ? h : 24 - h)), want: -1 },
  { name: 'a flat day', hours: [...Array(48).keys()].map((h) => (h < 24 ? h : 5)), want: 0 },
  { name: 'one day alone', hours: [...Array(24).keys()], want: Number.NaN },
  { name: 'most of it missing', hours: Array(48).fill(null), want: Number.NaN },
])('shapeCorrelation() of $name', ({ hours, want }) => {
  expect(Math.round(1e9 * shapeCorrelation(hours)) / 1e9).toEqual(want);
});

test.each([
  { name: 'grows', evidence: 4, factor: 2, want: 8 },
  { name: 'what speaks against it counts once', evidence: 0.5, factor: 2, want: 2 },
  { name: 'stops at the limit', evidence: 60, factor: 2, want: 100 },
])('gathered() $name', ({ evidence, factor, want }) => {
  expect(gathered(evidence, factor, 100)).toBe(want);
});

/** Normal deviates, seeded: mulberry32 and the polar formula of Box and Muller. */
function normalOf(seed: number): () => number {
  let state = seed;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform() + 1e-12)) * Math.cos(2 * Math.PI * uniform());
}

function autoregressive(normal: () => number, rho: number): () => number {
  let x = 0;
  return () => {
    x = rho * x + normal();
    return x;
  };
}

function heavy(normal: () => number): () => number {
  return () => {
    const square = normal() ** 2 + normal() ** 2 + normal() ** 2;
    return normal() / Math.sqrt(Math.max(1e-3, square / 3));
  };
}
