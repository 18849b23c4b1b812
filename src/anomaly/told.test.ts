import { expect, test } from 'vitest';
import { HOUR, MINUTE } from '../model/time.ts';
import { ALARM_DEFAULTS } from './alarm.ts';
import { judgeSample, watchSeries } from './watched-series.ts';

const STEP = 5 * MINUTE;
const BEGIN = 2000;

/** Repeatable noise in [-0.5, 0.5). */
function noise(t: number): number {
  const x = Math.sin(t * 12.9898) * 43758.5453;
  return x - Math.floor(x) - 0.5;
}

/** Where anomalies begin, of a series around 100 that is multiplied from `BEGIN` on. */
function begun(factor: (t: number) => number, length: number): number[] {
  const series = watchSeries([['name', 'demand']]);
  return Array.from({ length: BEGIN + length }, (_, t) => {
    const value = (100 + 10 * noise(t)) * (t < BEGIN ? 1 : factor(t - BEGIN));
    return judgeSample(series, ALARM_DEFAULTS, t * STEP, value, { muted: false }).step.event?.kind;
  }).flatMap((kind, t) => (kind === 'begun' ? [t - BEGIN] : []));
}

const hours = (count: number) => (count * HOUR) / STEP;

test.each([
  0.5, 1, 3, 8,
])('an incident of %d hours alerts once, and again where it comes again three hours after its end', (long) => {
  const second = hours(long) + hours(3);
  const told = begun((t) => (t < hours(long) || (t >= second && t < second + hours(long)) ? 2 : 1), 2 * second + 100);
  expect(told.length).toBe(2);
  expect(told[0]).toBeLessThan(2);
  expect(told[1]! - second).toBeGreaterThanOrEqual(0);
  expect(told[1]! - second).toBeLessThan(2);
});

test('a smaller one in the wake of a large one does not alert', () => {
  const told = begun((t) => (t < 6 ? 3 : t >= 42 && t < 48 ? 1.4 : 1), 200);
  expect(told).toEqual([0]);
});

test.each([
  { name: 'a demand that stays twice as high', factor: () => 2 },
  { name: 'one that comes and goes within the hour', factor: (t: number) => (t % 6 < 3 && t < 60 ? 2 : 1) },
])('$name alerts once within a day', ({ factor }) => {
  expect(begun(factor, hours(20))).toEqual([0]);
});
