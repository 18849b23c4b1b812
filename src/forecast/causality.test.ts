import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Forecast } from '../model/forecast.ts';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import { loadRegressorFrom, SHIPPED_MODEL } from '../workers/load-regressor.ts';
import { type RollingOptions, rollingForecasts } from './backtest.ts';
import type { SeriesCalendar, SpecialTime } from './calendar.ts';
import { mstl, stl } from './decomposition.ts';
import { createDrift, watchResidual, watchShape } from './drift.ts';
import { fitForecaster } from './forecaster.ts';
import type { ForecasterOptions } from './forecaster-options.ts';
import { doRolling, type RollingJob, type RollingJobResult } from './jobs/rolling-job.ts';
import { defaultModels } from './models/default-models.ts';
import { peakModels } from './peak.ts';
import type { Regressor } from './regressor/regressor.ts';
import { explainSeasons } from './seasonality.ts';
import { appendValue, createTrack, type Track } from './track.ts';
import { fitTransform } from './transform.ts';

/** A Monday. */
const START = 20_003 * DAY;
const HALF_HOURS = 48;

let regressor: Regressor;
beforeAll(async () => {
  const loaded = await loadRegressorFrom(SHIPPED_MODEL);
  if (loaded.kind !== 'loaded') throw new Error(loaded.message);
  regressor = loaded.regressor;
});

/** A daily rhythm of positive values with noise that a linear congruence makes, and now and then a gap. */
function rhythm(length: number, day: number, seed = 1): Float64Array {
  let state = seed;
  return Float64Array.from({ length }, (_, t) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    if (state % 83 === 0) return Number.NaN;
    return 100 + 50 * Math.sin((2 * Math.PI * t) / day) + (20 * state) / 2 ** 31;
  });
}

/** Demand that is zero on most steps. */
function rare(length: number): Float64Array {
  return rhythm(length, 24).map((value, t) => (Math.floor(value * 7) % 5 === 0 || t % 9 === 0 ? value : 0));
}

/** Any future: none, a short or a long one, rises, falls, gaps, infinities and the largest numbers. */
const VALUE = fc.oneof(
  fc.double(),
  fc.double({ min: 0, max: 1e4 }),
  fc.constantFrom(Number.NaN, Infinity, -Infinity, 0, -1e300, 1.7e308),
);
const FUTURE = fc.array(VALUE, { maxLength: 60 });

function joined(past: Float64Array, future: readonly number[]): Float64Array {
  return Float64Array.from([...past, ...future]);
}

/** In the transform that belongs to the past, as a forecaster keeps the one of its fit. */
function trackOf(values: Float64Array, past: number): Track {
  const track = createTrack(fitTransform(values.subarray(0, past)), HALF_HOURS);
  for (const value of values) appendValue(track, value);
  return track;
}

test('no model reads what comes after the origin, on a track that goes on', () => {
  const past = rhythm(500, HALF_HOURS);
  past[499] = 130;
  const horizons = Int32Array.from({ length: 12 }, (_, i) => i + 1);
  const context = {
    stepMs: 30 * MINUTE,
    knots: Int32Array.of(1, 2, 3, 6, 12),
    maxGap: 3,
    cycles: [48, 336],
    historyLength: 900,
    regressor,
  };
  const sparse = { ...context, cycles: [48], historyLength: 500, sparse: true };
  const window = { ...sparse, knots: Int32Array.of(4) };
  const cases = [
    ...defaultModels(context).map((model) => ({ model, horizons })),
    ...defaultModels(sparse).map((model) => ({ model, horizons })),
    ...peakModels(window).map((model) => ({ model, horizons: window.knots })),
  ];
  const track = trackOf(past, 500);
  for (const { model } of cases) model.refit(track);
  const wanted = cases.map(({ model, horizons }) => {
    const want = new Float64Array(horizons.length);
    model.predict(track, 499, horizons, want);
    return want;
  });
  fc.assert(
    fc.property(FUTURE, (future) => {
      const longer = trackOf(joined(past, future), 500);
      for (const [i, { model, horizons }] of cases.entries()) {
        const got = new Float64Array(horizons.length);
        model.predict(longer, 499, horizons, got);
        expect([model.name, ...got]).toEqual([model.name, ...wanted[i]!]);
      }
    }),
    { numRuns: 15 },
  );
});

interface Moving {
  readonly name: string;
  readonly past: Float64Array;
  readonly stepMs: number;
  readonly options?: Partial<ForecasterOptions>;
  /** With the shipped network. */
  readonly network?: boolean;
  readonly runs?: number;
}

/** The cold forecast after all but two days of the past, then one a day: taken in as a batch, and refitted. */
function moved(values: Float64Array, { past, stepMs, options, network }: Moving): readonly Forecast[] {
  const day = DAY / stepMs;
  const rolling: RollingOptions = {
    ...{ horizonSteps: 12, peakWindowMs: 4 * stepMs, ...options },
    ...(network === true && { regressor }),
    ...{ firstLength: past.length - 2 * day, everySteps: day, mostSteps: 10_000 },
  };
  const forecasts: Forecast[] = [];
  for (const forecast of rollingForecasts({ start: START, stepMs, values }, rolling)) {
    forecasts.push(forecast);
    if (forecasts.length === 3) break;
  }
  return forecasts;
}

function expectUnmoved(moving: Moving): void {
  const want = moved(moving.past, moving);
  expect(want).toHaveLength(3);
  fc.assert(
    fc.property(FUTURE, (future) => {
      expect(moved(joined(moving.past, future), moving)).toEqual(want);
    }),
    { numRuns: moving.runs ?? 2 },
  );
}

const HOURLY = rhythm(450 + 48, 24);
/** The network is asked while there are less than two weeks. */
const SHORT = HOURLY.slice(0, 280 + 48);
const MODELS = [
  ...['last-value', 'smoothed', 'ridge', 'yesterday', 'yesterday-and-level', 'profile', 'shape', 'last-week'],
  ...['window-ridge', 'window-ridge-stiff', 'holt-winters', 'theta', 'network'],
];

describe('a forecaster that moves along a series forecasts the same whatever comes after the origin', () => {
  test('each model by its name is one of the deployed ones, and all of those are here', () => {
    const context = { stepMs: HOUR, knots: Int32Array.of(1), maxGap: 1, cycles: [24, 168], historyLength: 450 };
    const short = { ...context, cycles: [24], historyLength: 280, regressor };
    const names = [...defaultModels(context), ...defaultModels(short)].map(({ name }) => name);
    expect([...new Set(names)].sort()).toEqual([...MODELS].sort());
  });

  test.each(MODELS)('%s alone, with its weights, intervals, peak and accuracy', (name) => {
    const network = name === 'network';
    expectUnmoved({ name, past: network ? SHORT : HOURLY, stepMs: HOUR, options: { models: [name] }, network });
  });

  test.each<Moving>([
    { name: 'intermittent alone', past: rare(300), stepMs: HOUR, options: { models: ['intermittent'] } },
    { name: 'ridge-recent alone', past: rhythm(480, 96), stepMs: 15 * MINUTE, options: { models: ['ridge-recent'] } },
    { name: 'the mix', past: HOURLY, stepMs: HOUR },
    { name: 'the mix with the network', past: SHORT, stepMs: HOUR, network: true },
    { name: 'the mix of sparse demand', past: rare(300), stepMs: HOUR },
    { name: 'the mix with a recent ridge', past: rhythm(480, 96), stepMs: 15 * MINUTE, runs: 1 },
    { name: 'the mix with given seasons', past: HOURLY, stepMs: HOUR, options: { seasons: [12] } },
    {
      name: 'the mix with special days',
      past: SHORT,
      stepMs: HOUR,
      options: { calendar: calendar(-7) },
      network: true,
    },
  ])('$name', expectUnmoved);
});

/** Days off, hours, events and windows to learn nothing from, before the origins, across them, and after the last. */
function calendar(shift: number): SeriesCalendar {
  const special = (kind: SpecialTime['kind'], day: number, hours: number): SpecialTime => ({
    ...{ kind, source: kind, name: `${kind} ${day % 3}` },
    start: START + (day + shift) * DAY,
    end: START + (day + shift) * DAY + hours * HOUR,
    ...(kind === 'event' && { factor: 1.5 }),
  });
  const specials = [
    ...[9, 13, 19, 20.75, 21, 30].map((day) => special('day', day, 24)),
    ...[8.25, 12.25, 20.25, 20.5, 22].map((day) => special('time', day, 3)),
    ...[10, 19.5, 20.625, 21].map((day) => special('event', day, 5)),
    ...[11, 20.125, 20.8125].map((day) => special('excluded', day, 6)),
  ];
  const offsets = [
    { from: START, offsetMs: HOUR },
    { from: START + (19 + shift) * DAY, offsetMs: 2 * HOUR },
    { from: START + (21 + shift) * DAY, offsetMs: HOUR },
  ];
  return { offsets, specials };
}

test.each([
  { name: 'seasons, and why the others are none', of: (values: Float64Array) => explain(values) },
  { name: 'the scaling', of: fitTransform },
  { name: 'STL', of: (values: Float64Array) => stl(values, 24) },
  { name: 'MSTL', of: (values: Float64Array) => mstl(values, [24, 168], { robust: true }) },
])('$name of a past are the same in a longer series', ({ of }) => {
  const past = HOURLY.slice(0, 400);
  const want = of(past);
  fc.assert(
    fc.property(FUTURE, (future) => {
      expect(of(joined(past, future).subarray(0, 400))).toEqual(want);
    }),
    { numRuns: 3 },
  );
});

function explain(values: Float64Array) {
  return explainSeasons({ start: 0, stepMs: HOUR, values });
}

test('drift that was found stays found, and nothing that comes later adds to it', () => {
  const HALF_HOUR = HOUR / 2;
  const watched = (values: readonly number[], until: number) => {
    const state = createDrift();
    const found: unknown[] = [];
    let then = '';
    for (const [i, value] of values.entries()) {
      const at = START + i * HALF_HOUR;
      const kinds = [
        watchResidual(state, value / 100, { issuedAt: at - 10 * MINUTE, at }),
        watchShape(state, value, at, at),
      ];
      if (i < until) found.push(kinds);
      if (i === until - 1) then = JSON.stringify(state);
    }
    return { found, then };
  };
  const quicker = rhythm(4 * 48, HALF_HOURS / 4);
  const past = [...rhythm(14 * 48, HALF_HOURS), ...quicker, ...quicker.map((value) => 3 * value)];
  const want = watched(past, past.length);
  expect(want.found.flat()).toContain('residuals');
  expect(want.found.flat()).toContain('seasonality');
  fc.assert(
    fc.property(FUTURE, (future) => {
      expect(watched([...past, ...future], past.length)).toEqual(want);
    }),
    { numRuns: 10 },
  );
});

describe('values taken in one by one or as a batch', () => {
  const fitted = (options: Partial<ForecasterOptions>) => {
    const history = { start: START, stepMs: HOUR, values: SHORT.subarray(0, 280) };
    const fit = fitForecaster(history, { horizonSteps: 12, peakWindowMs: 4 * HOUR, ...options });
    if (fit.kind !== 'fitted') throw new Error(fit.kind);
    return fit.forecaster;
  };
  /** What came, by one batch and by as many as there are values. */
  const both = (options: Partial<ForecasterOptions>) => {
    const came = SHORT.subarray(280);
    const batch = fitted(options);
    batch.update(came);
    const single = fitted(options);
    for (const value of came) single.update([value]);
    return [batch.predict(), single.predict()] as const;
  };

  test.each([
    { name: 'make the same forecast', options: {} },
    { name: 'make the same forecast across special days', options: { calendar: calendar(-7) } },
  ])('$name', ({ options }) => {
    const [batch, single] = both(options);
    expect(batch).toEqual(single);
  });

  // The network's arithmetic is that of 32 bits, and its sums are ordered by the size of the batch.
  test.each([
    { name: 'make the same forecast with the network', options: {} },
    { name: 'make the same forecast with the network across special days', options: { calendar: calendar(-7) } },
  ])('$name, to a hundred-thousandth', ({ options }) => {
    const [batch, single] = both({ ...options, models: ['network'], regressor });
    const numbers = ({ point, quantiles }: Forecast) => [...point, ...quantiles.flatMap(({ values }) => [...values])];
    const want = numbers(single);
    for (const [i, value] of numbers(batch).entries()) expect(value / want[i]!).toBeCloseTo(1, 5);
    expect(batch.accuracy.maeVsLast).toBeCloseTo(single.accuracy.maeVsLast!, 5);
  });
});

describe('rows of rolling forecasts', () => {
  const STEP = HOUR;
  const KNOWN = 330;
  const EVERY = 8 * HOUR;
  const job: Omit<RollingJob, 'times' | 'values'> = {
    kind: 'rolling',
    ...{ horizonSteps: 6, seasons: 'auto', quantiles: [0.5, 0.95] },
    ...{ from: START + 300 * STEP + 17 * MINUTE, everyMs: EVERY },
  };
  const end = START + KNOWN * STEP;
  const pastTimes = Float64Array.from({ length: KNOWN }, (_, i) => START + (i + 1) * STEP);
  const pastValues = HOURLY.slice(0, KNOWN);

  function rows(times: Iterable<number>, values: Iterable<number>) {
    const result = doRolling({ ...job, times: Float64Array.from(times), values: Float64Array.from(values) }, {});
    if (result.kind !== 'rolling') throw new Error(result.kind);
    return rowsUntil(result, end);
  }

  test('are the same up to an instant, whatever samples come after it, and wherever in the file they are', () => {
    const want = rows(pastTimes, pastValues);
    expect(want).toHaveLength(4);
    const late = fc.record({
      after: fc.oneof(
        fc.integer({ min: 1, max: 10 * HOUR }),
        fc.constantFrom(STEP, STEP, 3 * STEP),
        fc.constantFrom(Number.NaN, Infinity),
      ),
      value: VALUE,
      isFirst: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(late, { maxLength: 30 }), (tail) => {
        const before = tail.filter(({ isFirst }) => isFirst);
        const after = tail.filter(({ isFirst }) => !isFirst);
        const times = [before, after].map((some) => some.map((one) => end + one.after));
        const values = [before, after].map((some) => some.map(({ value }) => value));
        expect(rows([...times[0]!, ...pastTimes, ...times[1]!], [...values[0]!, ...pastValues, ...values[1]!])).toEqual(
          want,
        );
      }),
      { numRuns: 4 },
    );
  });

  test('do not depend on how long the file goes on', () => {
    // At most a million steps are put on a grid: the end of a longer file must not push its beginning out.
    const minutes = { ...job, horizonSteps: 2, from: START + 40 * MINUTE, everyMs: 400 * DAY };
    const times = Float64Array.from({ length: 40 }, (_, i) => START + (i + 1) * MINUTE);
    const values = HOURLY.slice(0, 40);
    const [short, long] = [[], [START + 1000 * DAY]].map((later) => {
      const all = { times: Float64Array.from([...times, ...later]), values: Float64Array.from([...values, ...later]) };
      const result = doRolling({ ...minutes, ...all }, {});
      return result.kind === 'rolling' ? rowsUntil(result, START + HOUR) : result.kind;
    });
    expect(short).toHaveLength(1);
    expect(long).toEqual(short);
  });
});

function rowsUntil(
  { origins, issuedAt, cells }: Extract<RollingJobResult, { kind: 'rolling' }>,
  end: number,
): readonly (readonly number[])[] {
  const width = cells.length / origins.length;
  return [...origins.keys()]
    .filter((i) => issuedAt[i]! <= end)
    .map((i) => [origins[i]!, issuedAt[i]!, ...cells.subarray(i * width, (i + 1) * width)]);
}
