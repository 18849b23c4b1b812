import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bandPath, linePath, stepPath } from './paths.ts';
import { linearScale, timeTicks, valueTicks } from './scale.ts';

const x = linearScale([0, 10], [0, 100]);
const y = linearScale([0, 1], [10, 0]);
const of = (times: number[], values: number[]) => ({
  times: Float64Array.from(times),
  values: Float64Array.from(values),
});

test.each([
  { name: 'joins', times: [0, 1, 2], values: [0, 0.5, 1], want: 'M0 10h0L10 5L20 0' },
  { name: 'lifts the pen at a hole', times: [0, 1, 5, 6], values: [0, 0, 1, 1], want: 'M0 10h0L10 10M50 0h0L60 0' },
  { name: 'lifts the pen at NaN', times: [0, 1, 2], values: [0, Number.NaN, 1], want: 'M0 10h0M20 0h0' },
  { name: 'has nothing to draw', times: [], values: [], want: '' },
])('linePath() $name', ({ times, values, want }) => {
  expect(linePath(of(times, values), x, y, 2)).toBe(want);
});

test.each([
  { name: 'holds a value until the next', times: [0, 1], values: [0, 1], want: 'M0 10h0H10V0' },
  { name: 'lifts the pen at a hole', times: [0, 5], values: [0, 1], want: 'M0 10h0M50 0h0' },
])('stepPath() $name', ({ times, values, want }) => {
  expect(stepPath(of(times, values), x, y, 2)).toBe(want);
});

test('bandPath() goes there above and back below, and leaves out what is no number', () => {
  expect(bandPath([0, 1, 2], [0, 0, Number.NaN], [1, 1, 1], x, y)).toBe('M0 0L10 0L10 10L0 10Z');
  expect(bandPath([], [], [], x, y)).toBe('');
});

test('paths never contain what SVG cannot read', () => {
  const value = fc.double();
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.double({ min: 0, max: 10, noNaN: true }), value)), (points) => {
      const drawn = of(
        points.map(([time]) => time).sort((a, b) => a - b),
        points.map(([, v]) => Math.max(-1e6, Math.min(1e6, v))),
      );
      expect(linePath(drawn, x, y, 1) + stepPath(drawn, x, y, 1)).not.toMatch(/NaN|Infinity|e[+-]/);
    }),
  );
});

test.each([
  { highest: 1480, count: 4, want: [0, 500, 1000, 1500] },
  { highest: 0, count: 4, want: [0, 0.25, 0.5, 0.75, 1] },
  { highest: Number.NaN, count: 2, want: [0, 0.5, 1] },
  { highest: 0.00042, count: 4, want: [0, 0.0002, 0.0004, 0.0006] },
])('valueTicks($highest)', ({ highest, count, want }) => {
  expect(valueTicks(highest, count)).toEqual(want);
});

test('valueTicks() for replicas are whole numbers', () => {
  expect(valueTicks(2, 3, true)).toEqual([0, 1, 2]);
  expect(valueTicks(7, 3, true)).toEqual([0, 3, 6, 9]);
});

test('valueTicks() reach the highest value with few steps', () => {
  fc.assert(
    fc.property(fc.double({ min: 1e-9, max: 1e12, noNaN: true }), fc.integer({ min: 1, max: 6 }), (highest, count) => {
      const ticks = valueTicks(highest, count);
      expect(ticks.at(-1)!).toBeGreaterThanOrEqual(highest * (1 - 1e-6));
      expect(ticks.length).toBeLessThanOrEqual(count + 1);
    }),
  );
});

test.each([
  { zone: 'UTC', want: ['00:00→Sun 25', '06:00', '12:00', '18:00', '00:00→Mon 26'] },
  // The clocks go back at 03:00: local hours stay where they are, the distance between them does not.
  { zone: 'Europe/Berlin', want: ['06:00', '12:00', '18:00', '00:00→Mon 26'] },
  { zone: 'Asia/Kathmandu', want: ['06:00', '12:00', '18:00', '00:00→Mon 26'] },
])('timeTicks() stand at local hours in $zone', ({ zone, want }) => {
  const ticks = timeTicks(Date.UTC(2026, 9, 25), Date.UTC(2026, 9, 26), 6, zone);
  expect(ticks.map(({ label }) => label)).toEqual(want.map((text) => text.split('→').at(-1)));
});
