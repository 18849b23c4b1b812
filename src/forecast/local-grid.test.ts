import { expect, test } from 'vitest';
import { DAY, HOUR, MINUTE, parseInstant } from '../model/time.ts';
import { zoneOffsets } from './calendar.ts';
import { mstl } from './decomposition.ts';
import { localClock } from './local-clock.ts';
import { localGrid } from './local-grid.ts';
import { explainSeasons } from './seasonality.ts';

/** Six weeks around both changes of Berlin's clock: a peak at nine each morning, and a job every 90 minutes of any day. */
const STEP = 30 * MINUTE;
const LENGTH = 42 * 48;
const CHANGES = [
  { name: 'forward', start: parseInstant('2026-03-08T00:00:00Z') },
  { name: 'back', start: parseInstant('2026-10-04T00:00:00Z') },
] as const;

function seriesOf(start: number, jobs: number) {
  const offsets = zoneOffsets('Europe/Berlin', start, start + LENGTH * STEP);
  const values = Float64Array.from({ length: LENGTH }, (_, t) => {
    const time = start + t * STEP;
    const local = time + offsets.findLast(({ from }) => from <= time)!.offsetMs;
    const fromNine = ((local % DAY) - 9 * HOUR) / HOUR;
    return 100 + 80 * Math.exp(-2 * fromNine ** 2) + (t % 3 === 0 ? jobs : 0) + 0.5 * Math.sin(t * 1.7 + (t % 11));
  });
  return { series: { start, stepMs: STEP, values }, clock: localClock({ offsets }, start, STEP)! };
}

test.each(CHANGES)('localGrid() and back: the clock goes $name', ({ start }) => {
  const { series, clock } = seriesOf(start, 0);
  const grid = localGrid(clock, LENGTH)!;
  const local = grid.toLocal(series.values);
  expect(local.length - LENGTH).toBe(clock.shifts[0]);
  const again = grid.fromLocal(local);
  const isTwice = (t: number) => Math.abs(t - clock.from[0]!) <= 2;
  for (const [t, value] of series.values.entries()) if (!isTwice(t)) expect(again[t]).toBe(value);
  expect(local.filter(Number.isNaN).length).toBe(Math.max(0, clock.shifts[0]!));
});

test('localGrid() is none where the clock changes outside of the series', () => {
  const { clock } = seriesOf(CHANGES[0].start, 0);
  expect(localGrid(clock, 48)).toBeUndefined();
  expect(localGrid(undefined, LENGTH)).toBeUndefined();
});

test.each(CHANGES)('explainSeasons() is surer of a local day: the clock goes $name', ({ start }) => {
  const { series, clock } = seriesOf(start, 0);
  const dayOf = (candidates: ReturnType<typeof explainSeasons>) => candidates.find(({ lengthMs }) => lengthMs === DAY)!;
  const [utc, local] = [dayOf(explainSeasons(series)), dayOf(explainSeasons(series, clock))];
  expect(local.verdict).toBe('found');
  expect(local.strength).toBeGreaterThan(0.95);
  expect(utc.strength).toBeLessThan(0.9);
});

test.each(CHANGES)('a rhythm that knows no clock is found beside a local day: the clock goes $name', ({ start }) => {
  const { series, clock } = seriesOf(start, 40);
  const found = explainSeasons(series, clock).filter(({ verdict }) => verdict === 'found');
  expect(found.map(({ length }) => length)).toEqual(expect.arrayContaining([48]));
});

test.each(CHANGES)('mstl() keeps local days and other rhythms apart: the clock goes $name', ({ start }) => {
  const { series, clock } = seriesOf(start, 40);
  const parts = (local?: { clock: typeof clock; day: number }) => mstl(series.values, [3, 48], {}, local);
  const near = (remainder: Float64Array) =>
    remainder.subarray(clock.from[0]! - 4 * 48, clock.from[0]! + 4 * 48).reduce((sum, x) => sum + Math.abs(x), 0) / 384;
  const [utc, local] = [parts(), parts({ clock, day: 48 })];
  expect(near(local.remainder)).toBeLessThan(0.5 * near(utc.remainder));
  for (const t of [0, 700, clock.from[0]!, LENGTH - 1]) {
    const sum = local.seasons.reduce((all, { values }) => all + values[t]!, local.trend[t]! + local.remainder[t]!);
    expect(sum).toBeCloseTo(series.values[t]!, 9);
  }
});
