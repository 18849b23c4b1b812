import { expect, test } from 'vitest';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import { inferGrid, toRegular } from './prepare.ts';

const NAN = Number.NaN;

test.each([
  {
    name: 'a value at t covers (t - step, t]',
    times: [1, 60, 61, 120],
    values: [1, 3, 10, 20],
    start: 60,
    want: [2, 15],
  },
  { name: 'a gap is NaN, never zero', times: [60, 240], values: [1, 4], start: 60, want: [1, NAN, NAN, 4] },
  { name: 'duplicates are averaged', times: [60, 60, 120], values: [1, 3, 5], start: 60, want: [2, 5] },
  { name: 'backward stamps find their place', times: [180, 60, 120], values: [3, 1, 2], start: 60, want: [1, 2, 3] },
  {
    name: 'values that are not finite are left out',
    times: [60, 120, 180],
    values: [1, Infinity, 3],
    start: 60,
    want: [1, NAN, 3],
  },
  { name: 'enormous values do not overflow', times: [50, 60], values: [1.5e308, 1.5e308], start: 60, want: [1.5e308] },
])('toRegular(): $name', ({ times, values, start, want }) => {
  const { series } = toRegular({ times: times.map((t) => t * 1000), values }, { stepMs: MINUTE, phaseMs: 0 });
  expect(series.start).toBe(start * 1000);
  expect([...series.values]).toEqual(want);
});

test('toRegular() counts what it leaves out', () => {
  const loose = { times: [0, 60_000, 60_000, 120_000, 600_000], values: [1, 2, 3, NAN, 5] };
  const prepared = toRegular(loose, { stepMs: MINUTE, phaseMs: 0, end: 120_000, mostSteps: 2 });
  expect(prepared.dropped).toEqual({ notFinite: 1, outside: 2 });
  expect(prepared.merged).toBe(1);
  expect([...prepared.series.values]).toEqual([2.5, NAN]);
});

test('toRegular() of nothing is empty', () => {
  expect(toRegular({ times: [], values: [] }, { stepMs: MINUTE, phaseMs: 0 }).series.values).toHaveLength(0);
});

test.each([
  { name: 'regular', times: [0, HOUR, 2 * HOUR], want: { stepMs: HOUR, phaseMs: 0 } },
  {
    name: 'daily at six',
    times: [6 * HOUR, DAY + 6 * HOUR, 3 * DAY + 6 * HOUR, 4 * DAY + 6 * HOUR],
    want: { stepMs: DAY, phaseMs: 6 * HOUR },
  },
  { name: 'jitter', times: [0, 60_010, 119_990, 180_020], want: { stepMs: MINUTE, phaseMs: 0 } },
  { name: 'one time only', times: [5, 5], want: undefined },
])('inferGrid(): $name', ({ times, want }) => {
  expect(inferGrid(times)).toEqual(want);
});
