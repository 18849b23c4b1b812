import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Forecast } from '../model/forecast.ts';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import { type Forecaster, fitForecaster } from './forecaster.ts';
import type { ForecasterOptions } from './forecaster-options.ts';
import { restoreForecaster } from './restore-forecaster.ts';

const STEP = 30 * MINUTE;
const PER_DAY = DAY / STEP;
const OPTIONS = { horizonSteps: 12, peakWindowMs: 4 * STEP } as const;

function fitted(values: Float64Array, stepMs = STEP, options: ForecasterOptions = OPTIONS): Forecaster {
  const result = fitForecaster({ start: 0, stepMs, values }, options);
  if (result.kind !== 'fitted') throw new Error(result.kind);
  return result.forecaster;
}

function restored(saved: Uint8Array, values: Float64Array, start = 0, stepMs = STEP, options = OPTIONS): Forecaster {
  const result = restoreForecaster(saved, { start, stepMs, values }, options);
  if (result.kind !== 'fitted') throw new Error(result.kind === 'unusable' ? result.reason : result.kind);
  return result.forecaster;
}

/** A daily rhythm with noise that a linear congruence makes, and a gap at every so many values. */
function rhythm(length: number, perDay = PER_DAY, seed = 1, gapEvery = 97): Float64Array {
  let state = seed;
  return Float64Array.from({ length }, (_, t) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    const value = 100 + 50 * Math.sin((2 * Math.PI * t) / perDay) + (20 * state) / 2 ** 31;
    return state % gapEvery === 0 ? Number.NaN : value;
  });
}

function expectAlike(got: Forecast, want: Forecast, tolerance: number): void {
  const near = (a: number, b: number) => expect(Math.abs(a - b)).toBeLessThanOrEqual(tolerance * Math.abs(b));
  expect(got.issuedAt).toBe(want.issuedAt);
  expect(got.seasons).toEqual(want.seasons);
  expect(got.historyMs).toBe(want.historyMs);
  want.point.forEach((value, i) => {
    near(got.point[i]!, value);
    want.quantiles.forEach((path, j) => {
      near(got.quantiles[j]!.values[i]!, path.values[i]!);
    });
  });
  want.peak.quantiles.forEach(({ value }, i) => {
    near(got.peak.quantiles[i]!.value, value);
  });
  near(got.accuracy.mae, want.accuracy.mae);
  near(got.accuracy.coverage, want.accuracy.coverage);
}

test('a restored forecaster forecasts what the saved one does to a hundred-thousandth, and goes on learning', () => {
  // Models look back four weeks: what is dropped lies before that.
  const length = 30 * PER_DAY;
  fc.assert(
    fc.property(
      fc.record({
        seed: fc.integer({ min: 1, max: 1e6 }),
        before: fc.integer({ min: 0, max: 2 * PER_DAY }),
        since: fc.integer({ min: 0, max: 2 * PER_DAY }),
        dropped: fc.integer({ min: 0, max: 20 }),
      }),
      ({ seed, before, since, dropped }) => {
        const values = rhythm(length + before + since + PER_DAY, PER_DAY, seed);
        const first = fitted(values.subarray(0, length));
        first.update(values.subarray(length, length + before));
        const saved = first.save();
        first.update(values.subarray(length + before, length + before + since));
        const second = restored(saved, values.subarray(dropped, length + before + since), dropped * STEP);
        expectAlike(second.predict(), first.predict(), since === 0 ? 1e-5 : dropped === 0 ? 1e-3 : 0.05);
        for (const forecaster of [first, second]) {
          forecaster.refit();
          forecaster.update(values.subarray(length + before + since));
          forecaster.refit();
        }
        // The ridge that lives in the present starts from a stand-in: days go by until the two are one again.
        expectAlike(second.predict(), first.predict(), dropped === 0 ? 0.02 : 0.05);
      },
    ),
    { numRuns: 3 },
  );
});

test.each([
  { name: 'four weeks at 5 minutes', stepMs: 5 * MINUTE, days: 28, horizonSteps: 24, gaps: true, tolerance: 1e-5 },
  { name: 'ten days at a minute', stepMs: MINUTE, days: 10, horizonSteps: 120, gaps: false, tolerance: 1e-5 },
  // What does not fit is learnt again: regressions whose every horizon lacks other rows, and weeks of lags.
  { name: 'ten days at a minute, gaps', stepMs: MINUTE, days: 10, horizonSteps: 120, gaps: true, tolerance: 0.02 },
  { name: 'four weeks at an hour', stepMs: HOUR, days: 28, horizonSteps: 48, gaps: true, tolerance: 0.02 },
])('the state of $name is small, and a restored forecaster agrees', ({
  stepMs,
  days,
  horizonSteps,
  gaps,
  tolerance,
}) => {
  const perDay = DAY / stepMs;
  const options = { horizonSteps, peakWindowMs: 8 * MINUTE } as const;
  const values = rhythm(days * perDay, perDay).map((value) => (gaps || !Number.isNaN(value) ? value : 100));
  const forecaster = fitted(values, stepMs, options);
  const saved = forecaster.save();
  expect(saved.length).toBeLessThanOrEqual(65_536);
  const result = restoreForecaster(saved, { start: 0, stepMs, values }, options);
  if (result.kind !== 'fitted') throw new Error(result.kind);
  expectAlike(result.forecaster.predict(), forecaster.predict(), tolerance);
});

const VALUES = rhythm(500);
const SAVED = fitted(VALUES).save();
const TIMES = { start: 0, stepMs: STEP };

test.each([
  { name: 'of another version', saved: SAVED.with(4, 99), reason: /version/ },
  { name: 'of something else', saved: SAVED.with(0, 0), reason: /not the state/ },
  { name: 'cut short', saved: SAVED.subarray(0, SAVED.length - 5), reason: /checksum/ },
  { name: 'empty', saved: new Uint8Array(0), reason: /too short/ },
  { name: 'for another horizon', options: { ...OPTIONS, horizonSteps: 13 }, reason: /other options/ },
  { name: 'for another window', options: { ...OPTIONS, peakWindowMs: STEP }, reason: /other options/ },
  { name: 'for other seasons', options: { ...OPTIONS, seasons: [24] }, reason: /other options/ },
  { name: 'for other models', options: { ...OPTIONS, models: ['ridge'] }, reason: /other options/ },
  { name: 'for another step', history: { start: 0, stepMs: HOUR, values: VALUES }, reason: /other options/ },
  { name: 'newer than the history', history: { ...TIMES, values: VALUES.subarray(0, 400) }, reason: /ends before/ },
  { name: 'far from the history', history: { ...TIMES, start: 1000 * DAY, values: VALUES }, reason: /ends before|far/ },
  { name: 'older than the history', history: { ...TIMES, start: 450 * STEP, values: VALUES }, reason: /far enough/ },
  { name: 'on another grid', history: { ...TIMES, start: MINUTE, values: VALUES }, reason: /grid/ },
  { name: 'without history', history: { ...TIMES, values: new Float64Array(0) }, reason: /ends before/ },
])('restoreForecaster() refuses a state $name', ({ saved = SAVED, history, options = OPTIONS, reason }) => {
  const result = restoreForecaster(saved, history ?? { ...TIMES, values: VALUES }, options);
  expect(result).toEqual({ kind: 'unusable', reason: expect.stringMatching(reason) });
});

test('restoreForecaster() refuses whatever is damaged, and never throws', () => {
  fc.assert(
    fc.property(fc.nat(SAVED.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const result = restoreForecaster(SAVED.with(at, SAVED[at]! ^ change), { ...TIMES, values: VALUES }, OPTIONS);
      expect(result.kind).toBe('unusable');
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(restoreForecaster(bytes, { ...TIMES, values: VALUES }, OPTIONS).kind).toBe('unusable');
    }),
  );
});
