import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DAY, HOUR, parseInstant } from '../model/time.ts';
import type { SeriesCalendar, SpecialTime } from './calendar.ts';
import { fitForecaster } from './forecaster.ts';
import { closeSpecials, effectAt, takeValue } from './special-effects.ts';
import { isSpecial, type LearnedSpecial, specialsOf } from './special-times.ts';
import { blockMean, createTrack, isOrdinary, type Track } from './track.ts';
import { fromModel, type Transform } from './transform.ts';

/** A Monday. */
const START = parseInstant('2026-03-02T00:00:00Z');
const UTC = [{ from: 0, offsetMs: 0 }];
const PLAIN: Transform = { kind: 'linear', shift: 0, scale: 100 };
const daysAfter = (days: number) => START + days * DAY;

function dayOff(day: number, name = `holiday ${day}`): SpecialTime {
  return { kind: 'day', source: 'holidays', name, start: daysAfter(day), end: daysAfter(day + 1) };
}

/** 100 on a weekday, 40 on a Sunday; on days off what `off` says. */
function demand(days: number, off: Readonly<Record<number, number>> = {}): Float64Array {
  return Float64Array.from({ length: days * 24 }, (_, i) => {
    const day = Math.floor(i / 24);
    return off[day] ?? (day % 7 === 6 ? 40 : 100);
  });
}

function trackOf(
  values: Float64Array,
  specials: readonly SpecialTime[],
  learned: readonly LearnedSpecial[] = [],
): Track {
  const calendar: SeriesCalendar = { offsets: UTC, specials };
  const made = specialsOf(calendar, { start: START, stepMs: HOUR }, learned);
  const track = createTrack(PLAIN, 24, 64, { specials: made });
  for (const value of values) {
    closeSpecials(track);
    takeValue(track, value);
  }
  closeSpecials(track);
  return track;
}

/** The value that a weekday's 100 becomes at noon of a day off. */
function expectedOn(track: Track, day: number): number {
  return fromModel(PLAIN, 1 + effectAt(track, day * 24 + 12, track.length - 1).add);
}

describe('the effect of a day off', () => {
  test.each([
    { name: 'before any was seen: half of the way to Sunday', off: {}, seen: [], want: 70 },
    { name: 'one says nothing yet, like Sunday or not', off: { 16: 40 }, seen: [16], want: 70 },
    { name: 'two like Sundays: half of what they say', off: { 16: 40, 22: 40 }, seen: [16, 22], want: 55 },
    { name: 'two like any other day', off: { 16: 100, 22: 100 }, seen: [16, 22], want: 85 },
    { name: 'three: two thirds of what they say', off: { 16: 40, 22: 40, 30: 40 }, seen: [16, 22, 30], want: 50 },
  ])('$name', ({ off, seen, want }) => {
    const next = 37;
    const track = trackOf(
      demand(next - 1, off),
      [...seen, next].map((day) => dayOff(day)),
    );
    expect(expectedOn(track, next)).toBeCloseTo(want, 4);
  });

  test('is none on a Sunday, and none while no week was seen', () => {
    const sunday = trackOf(demand(33), [dayOff(34)]);
    expect(effectAt(sunday, 34 * 24 + 12, sunday.length - 1)).toMatchObject({ add: 0, spread: 0 });
    const young = trackOf(demand(4), [dayOff(4)]);
    expect(effectAt(young, 4 * 24 + 12, young.length - 1).add).toBe(0);
  });

  test('is less sure before it was seen than after, and never said to be sure where rest days differ', () => {
    const seen = [9, 16, 22, 30];
    const calendar = [...seen, 37].map((day) => dayOff(day));
    const unseen = trackOf(demand(36), [dayOff(37)]);
    const known = trackOf(demand(36, { 9: 40, 16: 40, 22: 40, 30: 40 }), calendar);
    const spread = (track: Track) => effectAt(track, 37 * 24 + 12, track.length - 1).spread;
    expect(spread(unseen)).toBeCloseTo(0.35 * 0.6, 6);
    expect(spread(known)).toBeLessThan(spread(unseen));
    expect(spread(known)).toBeGreaterThan(0);
  });
});

test('a name that is seen twice has an effect of its own', () => {
  const calendar = [
    dayOff(8, 'sale'),
    dayOff(15, 'holiday'),
    dayOff(22, 'sale'),
    dayOff(29, 'holiday'),
    dayOff(37, 'sale'),
  ];
  const track = trackOf(demand(36, { 8: 300, 22: 300, 15: 40, 29: 40 }), calendar);
  expect(expectedOn(track, 37)).toBeGreaterThan(150);
});

test('what an earlier run learnt counts, unless this history has it as well', () => {
  const learned = [9, 16].map((day) => ({
    ...{ kind: 'day' as const, source: 'holidays', name: 'holiday', start: daysAfter(day) - 100 * DAY },
    ...{ off: -0.6, rest: -0.6, restSquare: 0.36, product: 0.36, ratio: 0.4 },
  }));
  expect(expectedOn(trackOf(demand(36), [dayOff(37)], learned), 37)).toBeCloseTo(55, 6);
  const within = learned.map((one) => ({ ...one, start: one.start + 100 * DAY }));
  expect(expectedOn(trackOf(demand(36), [dayOff(37)], within), 37)).toBeCloseTo(70, 6);
});

test('a special time that is over leaves an ordinary one behind, at the level of the day before', () => {
  const values = demand(30, { 22: 3 }).map((value, i) => (i >= 14 * 24 ? 2 * value : value));
  const track = trackOf(values, [dayOff(22)]);
  for (let t = 22 * 24; t < 23 * 24; t++) {
    expect(isSpecial(track, t) && !isOrdinary(track, t)).toBe(true);
    expect(track.z[t]).toBeGreaterThan(1.5);
  }
  const mean = track.z.subarray(20 * 24, 30 * 24).reduce((sum, z) => sum + z, 0) / 240;
  expect(blockMean(track, 20 * 24, 30 * 24)).toBeCloseTo(mean, 9);
});

test('a declared event is taken at its word, teaches nothing about ordinary days, and its truth is kept', () => {
  const sale: SpecialTime = {
    kind: 'event',
    source: 'events',
    name: 'sale',
    start: daysAfter(22),
    end: daysAfter(23),
    factor: 3,
  };
  const track = trackOf(demand(30, { 22: 250 }), [sale, { ...sale, start: daysAfter(31), end: daysAfter(32) }]);
  expect(effectAt(track, 31 * 24 + 5, track.length - 1)).toEqual({ add: 0, factor: 3, spread: 0, hidden: false });
  expect(track.z[22 * 24 + 12]).toBeCloseTo(1, 9);
  expect(track.specials!.learned).toMatchObject([{ name: 'sale', ratio: expect.closeTo(2.5, 6) }]);
});

test('what is excluded is not looked at: the same time of the week stands for it', () => {
  const excluded: SpecialTime = {
    kind: 'excluded',
    source: 'exclude',
    name: '',
    start: daysAfter(22),
    end: daysAfter(23),
  };
  const track = trackOf(demand(23, { 22: 9999 }), [excluded]);
  for (let t = 22 * 24; t < 23 * 24; t++) expect(track.z[t]).toBeCloseTo(1, 9);
});

test('isSpecial() agrees with the windows, however they overlap', () => {
  const window = fc.record({ from: fc.nat(200), length: fc.integer({ min: 1, max: 40 }) });
  fc.assert(
    fc.property(fc.array(window, { minLength: 1, maxLength: 12 }), (windows) => {
      const specials = windows.map(({ from, length }) => ({
        ...{ kind: 'time' as const, source: 'a', name: 'b' },
        start: START + from * HOUR,
        end: START + (from + length) * HOUR,
      }));
      const made = { specials: specialsOf({ offsets: UTC, specials }, { start: START, stepMs: HOUR }) };
      for (let t = 0; t < 250; t++) {
        expect(isSpecial(made, t)).toBe(windows.some(({ from, length }) => t >= from && t < from + length));
      }
    }),
  );
});

function forecastOf(values: Float64Array, specials: readonly SpecialTime[] | undefined, horizonSteps = 48) {
  const fit = fitForecaster(
    { start: START, stepMs: HOUR, values },
    { horizonSteps, peakWindowMs: 3 * HOUR, ...(specials && { calendar: { offsets: UTC, specials } }) },
  );
  if (fit.kind !== 'fitted') throw new Error(fit.kind);
  return fit.forecaster;
}

/** The week of `demand` with a shape of the day, noise, and days off like Sundays. */
function busy(days: number, off: readonly number[]): Float64Array {
  let seed = 11;
  return Float64Array.from({ length: days * 24 }, (_, i) => {
    const day = Math.floor(i / 24);
    seed = (seed * 16807) % 2147483647;
    const level = day % 7 === 6 || off.includes(day) ? 40 : 100;
    return level * (1.2 - Math.cos((2 * Math.PI * (i % 24)) / 24)) * (0.95 + seed / 2147483647 / 10);
  });
}

describe('a forecast', () => {
  const OFF = [10, 17, 25, 30];
  const truth = busy(44, [...OFF, 38]);
  const calendar = [...OFF, 38].map((day) => dayOff(day));
  const errorOn = (day: number, point: Float64Array, origin: number) => {
    const from = day * 24 - origin;
    return truth.subarray(day * 24, day * 24 + 24).reduce((sum, y, i) => sum + Math.abs(y - point[from + i]!), 0) / 24;
  };

  test('of a day off is far better with the calendar, and the day after does not look back on it', () => {
    const eve = 37 * 24;
    const after = 39 * 24;
    const blind = forecastOf(truth.subarray(0, eve), undefined);
    const aware = forecastOf(truth.subarray(0, eve), calendar);
    expect(errorOn(38, aware.predict().point, eve)).toBeLessThan(0.6 * errorOn(38, blind.predict().point, eve));
    for (const forecaster of [blind, aware]) forecaster.update(truth.subarray(eve, after));
    expect(errorOn(39, aware.predict().point, after)).toBeLessThan(0.8 * errorOn(39, blind.predict().point, after));
  });

  test('with a calendar depends on nothing after the origin', () => {
    const forecaster = forecastOf(truth.subarray(0, 38 * 24 + 7), calendar);
    const changed = truth.map((value, i) => (i >= 38 * 24 + 7 ? 1e6 : value));
    expect(forecastOf(changed.subarray(0, 38 * 24 + 7), calendar).predict()).toEqual(forecaster.predict());
    const far = forecastOf(truth.subarray(0, 38 * 24 + 7), [...calendar, dayOff(100)]);
    expect(far.predict().point).toEqual(forecaster.predict().point);
  });

  test('with special times outside of it and of its history is the same as without', () => {
    const values = truth.subarray(0, 9 * 24);
    expect(forecastOf(values, [dayOff(60), dayOff(-9)], 24).predict()).toEqual(
      forecastOf(values, undefined, 24).predict(),
    );
  });

  test('of a declared event is multiplied once: before it, across its edges and inside it', () => {
    const event: SpecialTime = {
      kind: 'event',
      source: 'events',
      name: 'sale',
      start: daysAfter(9),
      end: daysAfter(9) + 12 * HOUR,
      factor: 3,
    };
    const values = truth.subarray(0, 9 * 24 - 6);
    const plain = forecastOf(values, undefined, 24).predict();
    const declared = forecastOf(values, [event], 24).predict();
    declared.point.forEach((value, i) => {
      expect(value / plain.point[i]!).toBeCloseTo(i >= 6 && i < 18 ? 3 : 1, 6);
    });
    for (const [j, { values: path }] of declared.quantiles.entries()) {
      expect(path[8]!).toBeCloseTo(3 * plain.quantiles[j]!.values[8]!, 6);
    }
    expect(declared.peak).toEqual(plain.peak);
    const inside = forecastOf(values, [event], 6);
    inside.update(truth.subarray(9 * 24 - 6, 9 * 24 + 2).map((value, i) => (i >= 6 ? 3 * value : value)));
    const ordinary = forecastOf(values, undefined, 6);
    ordinary.update(truth.subarray(9 * 24 - 6, 9 * 24 + 2));
    expect(inside.predict().point[3]! / ordinary.predict().point[3]!).toBeCloseTo(3, 1);
  });

  test('has quantiles that ascend, on special days too', () => {
    const { quantiles } = forecastOf(truth.subarray(0, 37 * 24), calendar).predict();
    for (let i = 0; i < 48; i++) {
      for (let j = 1; j < quantiles.length; j++) {
        expect(quantiles[j]!.values[i]!).toBeGreaterThanOrEqual(quantiles[j - 1]!.values[i]!);
      }
    }
  });
});
