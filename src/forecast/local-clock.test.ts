import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE, parseInstant, WEEK } from '../model/time.ts';
import { zoneOffsets } from './calendar.ts';
import { type Forecaster, fitForecaster } from './forecaster.ts';
import { localClock, localSteps, movedBy, phaseOf, seasonBefore, seasonEarlier } from './local-clock.ts';

const hours = (offset: number) => offset * HOUR;

test.each([
  { name: 'UTC', zone: 'UTC', from: '2026-01-01', want: [[undefined, 0]] },
  { name: 'no transition', zone: 'Asia/Kolkata', from: '2026-01-01', want: [[undefined, 5.5]] },
  {
    name: 'both of a year',
    zone: 'Europe/Berlin',
    from: '2026-01-01',
    want: [
      [undefined, 1],
      ['2026-03-29T01:00:00Z', 2],
      ['2026-10-25T01:00:00Z', 1],
    ],
  },
  {
    name: 'west',
    zone: 'America/New_York',
    from: '2018-01-01',
    want: [
      [undefined, -5],
      ['2018-03-11T07:00:00Z', -4],
      ['2018-11-04T06:00:00Z', -5],
    ],
  },
  {
    name: 'half an hour of summer',
    zone: 'Australia/Lord_Howe',
    from: '2026-01-01',
    want: [
      [undefined, 11],
      ['2026-04-04T15:00:00Z', 10.5],
      ['2026-10-03T15:30:00Z', 11],
    ],
  },
  {
    name: 'summer time suspended for a month',
    zone: 'Africa/Casablanca',
    from: '2026-01-01',
    want: [
      [undefined, 1],
      ['2026-02-15T02:00:00Z', 0],
      ['2026-03-22T02:00:00Z', 1],
    ],
  },
] as const)('zoneOffsets() $name', ({ zone, from, want }) => {
  const start = parseInstant(from);
  const wanted = want.map(([time, offset]) => ({
    from: time === undefined ? start : parseInstant(time),
    offsetMs: hours(offset),
  }));
  expect(zoneOffsets(zone, start, start + 360 * DAY)).toEqual(wanted);
});

const start = parseInstant('2026-03-20T00:00:00Z');
const BERLIN = zoneOffsets('Europe/Berlin', start, start + 400 * DAY);
/** 2026-03-29T01:00:00Z is the 217th hour: from then on the wall clock is an hour ahead. */
const spring = { clock: localClock({ offsets: BERLIN }, start, HOUR) };
const autumnStart = parseInstant('2026-10-20T00:00:00Z');
/** 2026-10-25T01:00:00Z is the 121st hour. */
const autumn = { clock: localClock({ offsets: BERLIN }, autumnStart, HOUR) };

describe('in spring', () => {
  test.each([
    { name: 'before the change', origin: 200, horizon: 3, want: 179 },
    { name: 'the day after, the same time on the clock is 23 hours ago', origin: 230, horizon: 3, want: 210 },
    { name: 'an origin before, a step after the change', origin: 215, horizon: 3, want: 195 },
    { name: 'a whole day ahead would be an hour after the origin: a day more', origin: 210, horizon: 24, want: 187 },
    { name: 'two days after', origin: 260, horizon: 1, want: 237 },
  ])('seasonBefore() $name', ({ origin, horizon, want }) => {
    expect(seasonBefore(spring, origin, horizon, 24)).toBe(want);
  });
});

describe('in autumn', () => {
  test.each([
    { name: 'before the change', origin: 100, horizon: 3, want: 79 },
    { name: 'the day after, the same time on the clock is 25 hours ago', origin: 130, horizon: 3, want: 108 },
    { name: 'more than a day ahead, one day back is enough', origin: 115, horizon: 25, want: 115 },
  ])('seasonBefore() $name', ({ origin, horizon, want }) => {
    expect(seasonBefore(autumn, origin, horizon, 24)).toBe(want);
  });
});

test('localClock() undefined where the zone has no transition, where it lies before, and where it is below half a step', () => {
  expect(localClock({ offsets: zoneOffsets('Asia/Tokyo', start, start + 400 * DAY) }, start, HOUR)).toBeUndefined();
  expect(localClock({ offsets: BERLIN.slice(0, 2) }, BERLIN[1]!.from + DAY, HOUR)).toBeUndefined();
  const lordHowe = zoneOffsets('Australia/Lord_Howe', start, start + 400 * DAY);
  expect(localClock({ offsets: lordHowe }, start, HOUR)).toBeUndefined();
  expect(localClock({ offsets: lordHowe }, start, 5 * MINUTE)).toMatchObject({ shifts: [-6, 0, -6], unit: 6 });
});

test('without a clock, and where a season divides the change, seasons are plain steps', () => {
  fc.assert(
    fc.property(
      fc.nat(10_000),
      fc.integer({ min: 1, max: 3000 }),
      fc.integer({ min: 2, max: 700 }),
      (origin, horizon, season) => {
        const plain = origin + horizon - Math.ceil(horizon / season) * season;
        expect(seasonBefore({ clock: undefined }, origin, horizon, season)).toBe(plain);
        expect(seasonEarlier({ clock: undefined }, origin, season)).toBe(origin - season);
        const fine = { clock: localClock({ offsets: BERLIN }, start, MINUTE) };
        expect(seasonBefore(fine, origin, horizon, 60)).toBe(origin + horizon - Math.ceil(horizon / 60) * 60);
        expect(phaseOf(fine, origin, 60)).toBe(origin % 60);
      },
    ),
  );
});

test('with a clock, a season before has the same phase, is not after the origin and is never far', () => {
  const clocks = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe'].map((zone) => ({
    clock: localClock({ offsets: zoneOffsets(zone, start, start + 400 * DAY) }, start, 10 * MINUTE)!,
  }));
  fc.assert(
    fc.property(
      fc.constantFrom(...clocks),
      fc.nat(50_000),
      fc.integer({ min: 1, max: 2000 }),
      fc.constantFrom(144, 1008),
      (clocked, origin, horizon, season) => {
        const at = seasonBefore(clocked, origin, horizon, season);
        expect(at).toBeLessThanOrEqual(origin);
        expect(origin - at).toBeLessThan(season + 13);
        const phases = [phaseOf(clocked, at, season), phaseOf(clocked, origin + horizon, season)];
        // The hour that is left out in spring has no equal: it is taken an hour later.
        const isLeftOut = clocked.clock.from.some((from) => at >= from && at < from + 6);
        if (!isLeftOut) expect(phases[0]).toBe(phases[1]);
        expect(seasonEarlier(clocked, origin, season)).toBeLessThan(origin);
        expect(localSteps(clocked, origin, 1)).toBeGreaterThan(-6);
        expect(movedBy(clocked, origin, 0)).toBeGreaterThanOrEqual(origin - 6);
      },
    ),
    { numRuns: 500 },
  );
});

/** Demand that follows the clock on the wall: mornings and evenings, quiet weekends, a tenth of noise. */
function byTheWallClock(zone: string, start: number, end: number, stepMs: number): Float64Array {
  const offsets = zoneOffsets(zone, start, end);
  let seed = 7;
  return Float64Array.from({ length: Math.round((end - start) / stepMs) }, (_, i) => {
    const t = start + i * stepMs;
    const local = t + offsets.findLast(({ from }) => from <= t)!.offsetMs;
    const hour = (local % DAY) / HOUR;
    const weekday = Math.floor(local / DAY + 4) % 7;
    const shape = 20 + 80 * Math.exp(-((hour - 8) ** 2) / 3) + 120 * Math.exp(-((hour - 18) ** 2) / 4);
    seed = (seed * 16807) % 2147483647;
    return shape * (weekday === 0 || weekday === 6 ? 0.6 : 1) * (0.95 + seed / 2147483647 / 10);
  });
}

/** Mean absolute error, six hours ahead, over the days that follow. */
function errorOver(forecaster: Forecaster, values: Float64Array, days: number, stepMs: number): number {
  const perDay = DAY / stepMs;
  const every = HOUR / stepMs;
  let sum = 0;
  let count = 0;
  for (let at = 0; at < days * perDay; at += every) {
    const { point } = forecaster.predict();
    point.forEach((value, h) => {
      sum += Math.abs(value - values[at + h]!);
      count++;
    });
    forecaster.update(values.subarray(at, at + every));
  }
  return sum / count;
}

test.each([
  { zone: 'Europe/Berlin', change: '2026-03-29T01:00:00Z', stepMs: 30 * MINUTE },
  { zone: 'America/New_York', change: '2026-11-01T06:00:00Z', stepMs: HOUR },
  { zone: 'America/St_Johns', change: '2026-03-08T05:30:00Z', stepMs: 30 * MINUTE },
  { zone: 'Australia/Lord_Howe', change: '2026-10-03T15:30:00Z', stepMs: 15 * MINUTE },
])('after a change of the clock ($zone, $change) the shape of the day moves with it', ({ zone, change, stepMs }) => {
  const at = Math.floor(parseInstant(change) / DAY) * DAY + DAY;
  const start = at - 3 * WEEK;
  const values = byTheWallClock(zone, start, at + 3 * DAY, stepMs);
  const known = (at - start) / stepMs;
  const error = (calendarZone: string, from: number, to: number) => {
    const calendar = { offsets: zoneOffsets(calendarZone, start + from * stepMs, at + 30 * DAY) };
    const history = { start: start + from * stepMs, stepMs, values: values.subarray(from, to) };
    const fit = fitForecaster(history, { horizonSteps: (6 * HOUR) / stepMs, peakWindowMs: HOUR, calendar });
    if (fit.kind !== 'fitted') throw new Error(fit.kind);
    return errorOver(fit.forecaster, values.subarray(to), 1, stepMs);
  };
  const weekBefore = WEEK / stepMs;
  const ordinary = error(zone, 0, known - weekBefore);
  const inZone = error(zone, weekBefore, known);
  const inUtc = error('UTC', weekBefore, known);
  expect(
    { closeToOrdinary: inZone < 1.5 * ordinary, farBelowUtc: inZone < 0.3 * inUtc },
    `${inZone} ordinary ${ordinary} UTC ${inUtc}`,
  ).toEqual({
    closeToOrdinary: true,
    farBelowUtc: true,
  });
});
