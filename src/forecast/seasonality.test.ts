import { expect, test } from 'vitest';
import { HOUR } from '../model/time.ts';
import { findSeasons } from './seasonality.ts';

function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31 - 0.5;
  };
}

const LENGTH = 840;

function seriesOf(make: (t: number, random: () => number) => number): Float64Array {
  const random = noise(42);
  return Float64Array.from({ length: LENGTH }, (_, t) => make(t, random));
}

const daily = (t: number) => 50 * Math.sin((2 * Math.PI * t) / 24);
const weekend = (t: number) => (Math.floor(t / 24) % 7 >= 5 ? -80 : 0);

function walk(): Float64Array {
  let at = 500;
  return seriesOf((_, random) => {
    at += random();
    return at;
  });
}

test.each([
  { name: 'a day', values: seriesOf((t, random) => 200 + daily(t) + 40 * random()), day: true },
  {
    name: 'a day and a week',
    values: seriesOf((t, random) => 200 + daily(t) + weekend(t) + 40 * random()),
    day: true,
    week: true,
  },
  {
    name: 'a day on a trend, with gaps of half a day',
    values: seriesOf((t) => (t % 100 < 12 ? Number.NaN : 200 + t + daily(t))),
    day: true,
  },
  { name: 'white noise', values: seriesOf((_, random) => 200 + 40 * random()), day: false },
  { name: 'a random walk', values: walk(), day: false },
  { name: 'a constant', values: seriesOf(() => 7), day: false },
  { name: 'all zero', values: seriesOf(() => 0), day: false },
  { name: 'only gaps', values: seriesOf(() => Number.NaN), day: false },
])('findSeasons(): $name', ({ values, day, week = false }) => {
  const found = findSeasons({ start: 0, stepMs: HOUR, values }).map(({ length }) => length);
  expect(found.includes(24)).toBe(day);
  if (week || !day) expect(found.includes(168)).toBe(week);
});
