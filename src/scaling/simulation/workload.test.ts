import { describe, expect, test } from 'vitest';
import { MINUTE, SECOND } from '../../model/time.ts';
import { seededRandom } from '../../numeric/seeded-random.ts';
import { arrivals } from './arrivals.ts';
import { drawFrom, formatSpread, p95Of, parseSpread } from './spread.ts';
import { simulatedWorkload } from './workload.ts';

test('simulatedWorkload() makes new pods wait, and takes starting ones away first', () => {
  const workload = simulatedWorkload(2, { startUp: 3 * MINUTE, random: () => 0 }, 0);
  workload.scale(5, MINUTE);
  expect([workload.replicas(), workload.ready(MINUTE), workload.ready(4 * MINUTE)]).toEqual([5, 2, 5]);
  workload.scale(3, 2 * MINUTE);
  expect([workload.replicas(), workload.ready(2 * MINUTE), workload.ready(4 * MINUTE)]).toEqual([3, 2, 3]);
  workload.scale(1, 2 * MINUTE);
  expect(workload.ready(2 * MINUTE)).toBe(1);
});

test('simulatedWorkload() draws a start-up time for each pod', () => {
  const draws = [0, 0.5, 0.25];
  const startUp = { fromMs: MINUTE, toMs: 3 * MINUTE };
  const workload = simulatedWorkload(1, { startUp, random: () => draws.shift()! }, 0);
  workload.scale(4, 0);
  expect([0, 1, 1.5, 2].map((minutes) => workload.ready(minutes * MINUTE))).toEqual([1, 2, 3, 4]);
});

test('simulatedWorkload() waits for a node where there is no room, and keeps an empty one for ten minutes', () => {
  const nodes = { delay: 2 * MINUTE, podsPerNode: 2 };
  const workload = simulatedWorkload(2, { startUp: MINUTE, nodes, random: () => 0 }, 0);
  workload.scale(4, 0);
  expect([1, 2, 3].map((minutes) => workload.ready(minutes * MINUTE))).toEqual([2, 2, 4]);
  workload.scale(2, 10 * MINUTE);
  workload.scale(3, 15 * MINUTE);
  expect(workload.ready(16 * MINUTE)).toBe(3);
  workload.scale(2, 20 * MINUTE);
  workload.scale(3, 40 * MINUTE);
  expect([41, 43].map((minutes) => workload.ready(minutes * MINUTE))).toEqual([2, 3]);
});

describe('parseSpread()', () => {
  test.each([
    { text: '180s', spread: 180_000, p95: 180_000, print: '3m' },
    { text: '60s..180s', spread: { fromMs: 60_000, toMs: 180_000 }, p95: 174_000, print: '1m..3m' },
    { text: 'p50=60s, p95=3m', spread: { p50Ms: 60_000, p95Ms: 180_000 }, p95: 180_000, print: 'p50=1m,p95=3m' },
  ])('$text', ({ text, spread, p95, print }) => {
    const parsed = parseSpread(text);
    expect(parsed).toEqual(spread);
    expect(p95Of(parsed)).toBe(p95);
    expect(parseSpread(formatSpread(parsed))).toEqual(spread);
    expect(formatSpread(parsed)).toBe(print);
  });

  test.each([
    'soon',
    '180s..60s',
    '1s..2s..3s',
    'p50=3m,p95=1m',
    'p95=3m',
    'p50=0,p95=1m',
    '',
  ])('refuses %j', (text) => {
    expect(() => parseSpread(text)).toThrow(RangeError);
  });
});

describe('drawFrom()', () => {
  test.each([
    { name: 'a range', spread: { fromMs: MINUTE, toMs: 3 * MINUTE }, p50: 120, p95: 174 },
    { name: 'log-normal', spread: { p50Ms: MINUTE, p95Ms: 3 * MINUTE }, p50: 60, p95: 180 },
  ])('$name has its median and its 0.95 quantile', ({ spread, p50, p95 }) => {
    const random = seededRandom(7);
    const draws = Array.from({ length: 20_001 }, () => drawFrom(spread, random) / SECOND).sort((a, b) => a - b);
    expect(draws[10_000]! / p50).toBeCloseTo(1, 1);
    expect(draws[19_001]! / p95).toBeCloseTo(1, 1);
  });
});

test('arrivals(): what is measured later is never known earlier', () => {
  const lag = { p50Ms: 20 * SECOND, p95Ms: 90 * SECOND };
  const { knownAt, rows } = arrivals(lag, seededRandom(3));
  const known = Array.from({ length: 500 }, (_, i) => knownAt(i * 15 * SECOND));
  const times = Float64Array.from({ length: 500 }, (_, i) => i * 30 * SECOND);
  const seen = [...rows(times)];
  expect(known).toEqual(known.toSorted((a, b) => a - b));
  expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  expect(seen.every((at, i) => at > times[i]!)).toBe(true);
});
