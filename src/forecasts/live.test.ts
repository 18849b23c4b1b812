import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Forecast } from '../model/forecast.ts';
import type { Truth } from '../model/issued-forecast.ts';
import { DAY, HOUR, MINUTE, parseInstant } from '../model/time.ts';
import { awaitTruths, createLive, type LiveState, liveAccuracy, setBack, takeTruths } from './live.ts';
import { decodeLive, encodeLive } from './live-codec.ts';
import { largestAfter, largestSeen, rewind, see, seenAt, seenDay } from './seen-day.ts';
import { offsetsOf, yesterdayAt } from './yesterday.ts';

const T0 = 20_000 * DAY;
const STEP = 5 * MINUTE;
const UTC = offsetsOf('UTC');

/** Forecasts 10 at each step, within 8 and 12, and a peak of 11 within two steps; the horizon has four. */
function forecastAt(issuedAt: number, point = 10): Forecast {
  const path = (quantile: number, value: number) => ({ quantile, values: new Float64Array(4).fill(value) });
  return {
    issuedAt,
    stepMs: STEP,
    point: new Float64Array(4).fill(point),
    quantiles: [path(0.025, point - 2), path(0.95, point + 2), path(0.975, point + 2)],
    peak: {
      windowMs: 2 * STEP,
      quantiles: [0.025, 0.5, 0.95, 0.975].map((quantile, i) => ({ quantile, value: point - 1 + [0, 2, 3, 3][i]! })),
    },
    model: 'last',
    seasons: [],
    accuracy: { mae: 1, maeVsLast: 0.5, coverage: 1, origins: 10, peakVsNaive: 0.5, peakCoverage: 0.95 },
    historyMs: DAY,
  };
}

/** Issues at `T0`, then hands the truths in, batch by batch. Steps are counted from the issue. */
function judged(batches: readonly (readonly (readonly [step: number, value: number])[])[]) {
  const state = createLive(STEP);
  takeTruths(state, [{ time: T0, value: 10 }], UTC);
  awaitTruths(state, forecastAt(T0), UTC);
  const scored = batches.flatMap((batch) => {
    const truths = batch.map(([step, value]): Truth => ({ time: T0 + step * STEP, value }));
    return takeTruths(state, truths, UTC).scored;
  });
  return { state, found: scored.map(({ pending, truth }) => [pending.horizon, truth]) };
}

describe('takeTruths() decides what waits', () => {
  test.each([
    {
      name: 'in their time',
      batches: [[[1, 7]], [[2, 9]], [[3, 8]], [[4, 6]]],
      want: [
        ['first', 7],
        ['window', 9],
        ['peak', 9],
        ['whole', 6],
      ],
    },
    {
      name: 'all at once, in another order, and some twice: the first counts',
      batches: [
        [
          [4, 6],
          [2, 9],
          [1, 7],
          [2, 50],
          [3, 8],
        ],
        [
          [1, 70],
          [4, 60],
        ],
      ],
      want: [
        ['window', 9],
        ['first', 7],
        ['whole', 6],
        ['peak', 9],
      ],
    },
    {
      name: 'late by less than an hour: a step is decided, a peak was decided without it',
      batches: [[[2, 9]], [[4, 6]], [[1, 70]]],
      want: [
        ['window', 9],
        ['peak', 9],
        ['whole', 6],
        ['first', 70],
      ],
    },
    {
      name: 'late by more than an hour: taken for one that never comes',
      batches: [
        [[20, 6]],
        [
          [1, 7],
          [2, 9],
        ],
      ],
      want: [],
    },
    { name: 'never', batches: [[]], want: [] },
    {
      name: 'a peak of a window that was half seen',
      batches: [[[1, 7]], [[3, 8]]],
      want: [
        ['first', 7],
        ['peak', 7],
      ],
    },
  ] as const)('$name', ({ batches, want }) => {
    expect(judged(batches).found).toEqual(want);
  });

  test('nothing waits for ever', () => {
    expect(judged([[[30, 1]]]).state.waiting).toEqual([]);
  });

  test('of a long horizon a bounded number waits, however long no truth comes', () => {
    const state = createLive(MINUTE);
    takeTruths(state, [{ time: T0, value: 10 }], UTC);
    const long = { stepMs: MINUTE, point: new Float64Array(1440), quantiles: [] };
    for (let i = 0; i < 1440; i++) {
      const forecast = { ...forecastAt(T0 + i * MINUTE), ...long };
      awaitTruths(state, forecast, UTC);
      takeTruths(state, [{ time: T0 + i * MINUTE, value: 10 }], UTC);
    }
    expect(state.waiting.length).toBeLessThan(10);
  });
});

describe('a clock that is set back', () => {
  test('forecasts from later than now do not wait, and a later truth of that time is taken', () => {
    const { state } = judged([[[1, 7]]]);
    setBack(state, T0 - HOUR);
    expect(state.waiting).toEqual([]);
    takeTruths(state, [{ time: T0 - 30 * MINUTE, value: 3 }], UTC);
    expect(state.seen.newest).toBe(T0 - 30 * MINUTE);
    awaitTruths(state, forecastAt(T0 - 30 * MINUTE), UTC);
    expect(state.waiting.map(({ last }) => last)).toEqual([3, 3, 3, 3]);
  });
});

describe('liveAccuracy()', () => {
  /** A day of issues, the truth as given; before it a day that was like `before`. */
  function dayOf(truthAt: (t: number) => number, point: (t: number) => number, days = 2): LiveState {
    const state = createLive(STEP);
    for (let t = T0; t < T0 + days * DAY; t += STEP) {
      takeTruths(state, [{ time: t, value: truthAt(t) }], UTC);
      awaitTruths(state, forecastAt(t, point(t)), UTC);
    }
    return state;
  }
  const season = (t: number) => 100 + 50 * Math.sin((2 * Math.PI * t) / DAY);
  const horizonOf = (state: LiveState, name: string) =>
    liveAccuracy(state).horizons.find(({ horizon }) => horizon === name)!;

  test('against the last value, against yesterday, bias and coverage, of each horizon', () => {
    // Always 1 too high, and each day 2 higher than the day before.
    const growing = (t: number) => season(t) + 2 * Math.floor((t - T0) / DAY);
    const state = dayOf(growing, (t) => growing(t + 2 * STEP) + 1);
    const window = horizonOf(state, 'window');
    expect(window.aheadMs).toBe(2 * STEP);
    expect(window.errorVsLast).toBeLessThan(0.8);
    expect(window).toMatchObject({ coverage: 1, central: 1 });
    expect(window.errorVsSeason).toBeCloseTo(0.5, 3);
    expect(window.bias).toBeCloseTo(0.01, 3);
    expect(horizonOf(state, 'whole').errorVsLast).toBeLessThan(1);
  });

  test('the error that the gate judges is not known before half a day, and then against the better naive peak', () => {
    const bad = (t: number) => season(t) + 30;
    expect(liveAccuracy(dayOf(season, bad, 0.4)).errorVsNaive).toBeNaN();
    expect(liveAccuracy(dayOf(season, bad, 1)).errorVsNaive).toBeGreaterThan(5);
    expect(liveAccuracy(dayOf(season, (t) => season(t + 2 * STEP) - 1, 1)).errorVsNaive).toBeLessThan(0.9);
  });

  test.each([536_870_912, 12_345.6742, 0, -1e-9])('what holds still at %d lies within bounds that are it', (level) => {
    const state = createLive(STEP);
    for (let t = T0; t < T0 + DAY / 4; t += STEP) {
      takeTruths(state, [{ time: t, value: level }], UTC);
      const { peak, quantiles, ...rest } = forecastAt(t, level);
      const still = quantiles.map(({ quantile }) => ({ quantile, values: new Float64Array(4).fill(level) }));
      const peaks = peak.quantiles.map(({ quantile }) => ({ quantile, value: level }));
      awaitTruths(state, { ...rest, quantiles: still, peak: { ...peak, quantiles: peaks } }, UTC);
    }
    expect(liveAccuracy(state).coverageBroken).toBe(false);
    expect(horizonOf(state, 'first')).toMatchObject({ coverage: 1, central: 1 });
  });

  test('coverage breaks when peaks are above their bound time and again, and is mended by as many that are not', () => {
    const state = dayOf(season, (t) => season(t) - 40, 0.2);
    expect(liveAccuracy(state).coverageBroken).toBe(true);
    let windows = 0;
    for (let t = T0 + DAY; liveAccuracy(state).coverageBroken; t += 2 * STEP, windows++) {
      takeTruths(state, [{ time: t, value: 5 }], UTC);
      awaitTruths(state, forecastAt(t), UTC);
    }
    expect(windows).toBeGreaterThan(45);
    expect(windows).toBeLessThan(55);
  });
});

test('coverage does not flap: 45 hits lie between a break and the return, eight misses between a return and a break', () => {
  const burst = fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 60 }));
  fc.assert(
    fc.property(fc.array(burst, { minLength: 1, maxLength: 12 }), (bursts) => {
      const state = createLive(STEP);
      let [t, hits, misses] = [T0, 0, 0];
      let broken = false;
      for (const missed of bursts.flatMap(([isMiss, count]) => Array<boolean>(count).fill(isMiss))) {
        takeTruths(state, [{ time: t, value: missed ? 99 : 5 }], UTC);
        awaitTruths(state, forecastAt(t), UTC);
        t += 2 * STEP;
        // The first has no forecast to be judged by.
        if (t > T0 + 2 * STEP && missed) misses++;
        else hits++;
        const now = liveAccuracy(state).coverageBroken;
        if (now === broken) continue;
        if (broken) expect(hits).toBeGreaterThanOrEqual(45);
        else expect(misses).toBeGreaterThanOrEqual(8);
        [broken, hits, misses] = [now, 0, 0];
      }
    }),
    { numRuns: 60 },
  );
});

test.each([
  { name: 'two within an hour whose sum overflows', values: [1.797e308, 9.98e291] },
  { name: 'negative ones', values: [-1.7976931348623157e308, -2.1e293] },
  { name: 'both signs', values: [1.797e308, -1.797e308] },
  { name: 'infinite ones, which decide nothing', values: [Number.POSITIVE_INFINITY, 5, Number.NEGATIVE_INFINITY] },
])('enormous values are kept: $name', ({ values }) => {
  const { state, found } = judged(values.map((value, i) => [[i + 1, value]]));
  expect(decodeLive(encodeLive(state), STEP)).toEqual(state);
  expect(found.every(([, truth]) => Number.isFinite(truth))).toBe(true);
});

test('encodeLive() and decodeLive() keep the state, within 16 kB', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.nat(400),
          fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
        ),
        { maxLength: 80 },
      ),
      (truths) => {
        const { state } = judged([truths]);
        const bytes = encodeLive(state);
        expect(decodeLive(bytes, STEP)).toEqual(state);
        expect(bytes.length).toBeLessThan(16_384);
      },
    ),
    { numRuns: 50 },
  );
});

describe('seen-day', () => {
  const dayWith = (values: readonly (readonly [minutes: number, value: number])[]) => {
    const day = seenDay(MINUTE);
    for (const [minutes, value] of values) see(day, { time: T0 + minutes * MINUTE, value });
    return day;
  };

  test.each([
    {
      name: 'the last value of the cell',
      values: [
        [0, 1],
        [3, 2],
      ],
      at: 1,
      want: 2,
    },
    {
      name: 'an older one that came late is passed over',
      values: [
        [3, 2],
        [1, 9],
      ],
      at: 1,
      want: 2,
    },
    {
      name: 'a gap',
      values: [
        [0, 1],
        [15, 2],
      ],
      at: 7,
      want: Number.NaN,
    },
    {
      name: 'more than a day and two hours ago',
      values: [
        [0, 1],
        [27 * 60, 2],
      ],
      at: 0,
      want: Number.NaN,
    },
    { name: 'the future', values: [[0, 1]], at: 10, want: Number.NaN },
  ] as const)('seenAt() $name', ({ values, at, want }) => {
    expect(seenAt(dayWith(values), T0 + at * MINUTE)).toBe(want);
  });

  test('the largest of yesterday, and of the last minutes', () => {
    const day = dayWith([
      [1, 5],
      [2, 9],
      [3, 4],
      [7, 3],
      [8, 2],
    ]);
    expect(largestSeen(day, T0, T0 + 9 * MINUTE)).toBe(9);
    expect(largestSeen(day, T0 + HOUR, T0 + 2 * HOUR)).toBeNaN();
    expect(largestAfter(day, T0 + 2 * MINUTE)).toBe(4);
    expect(largestAfter(day, T0 + 8 * MINUTE)).toBeNaN();
    rewind(day, T0 + 4 * MINUTE);
    expect(seenAt(day, T0 + 8 * MINUTE)).toBeNaN();
  });
});

test.each([
  { name: 'an ordinary day', at: '2026-07-10T12:00:00Z', want: '2026-07-09T12:00:00Z' },
  { name: 'the day of 23 hours', at: '2026-03-29T12:00:00Z', want: '2026-03-28T13:00:00Z' },
  { name: 'the day of 25 hours', at: '2026-10-25T12:00:00Z', want: '2026-10-24T11:00:00Z' },
])('yesterdayAt() in Berlin, $name', ({ at, want }) => {
  expect(yesterdayAt(parseInstant(at), offsetsOf('Europe/Berlin'))).toBe(parseInstant(want));
});
