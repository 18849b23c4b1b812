import { describe, expect, test } from 'vitest';
import { HOUR, MINUTE } from '../../model/time.ts';
import { demandTrace } from './demand-trace.ts';

/** Rows at 0, 1 and 2 minutes, then a gap of two hours. */
const TRACE = demandTrace({
  times: Float64Array.of(0, MINUTE, 2 * MINUTE, 2 * MINUTE + 2 * HOUR),
  values: Float64Array.of(10, 20, 0, 40),
});

describe('demandTrace()', () => {
  test.each([
    { name: 'before the first row', t: -5, want: 10 },
    { name: 'on a row', t: MINUTE, want: 20 },
    { name: 'between rows', t: 1.5 * MINUTE, want: 10 },
    { name: 'in a gap of over an hour', t: HOUR, want: 0 },
    { name: 'at the end of the gap', t: 2 * MINUTE + 2 * HOUR, want: 40 },
    { name: 'after the last row', t: 9 * HOUR, want: 40 },
  ])('at() $name', ({ t, want }) => {
    expect(TRACE.at(t)).toBe(want);
  });

  test.each([
    { name: 'of a line', from: 0, to: MINUTE, want: 15 },
    { name: 'over a corner', from: 0.5 * MINUTE, to: 1.5 * MINUTE, want: 16.25 },
    { name: 'of a gap', from: 5 * MINUTE, to: HOUR, want: 0 },
    { name: 'of an instant', from: MINUTE, to: MINUTE, want: 20 },
    { name: 'before the first row', from: -2 * MINUTE, to: -MINUTE, want: 10 },
  ])('mean() $name', ({ from, to, want }) => {
    expect(TRACE.mean(from, to)).toBeCloseTo(want, 9);
  });

  test.each([
    { name: 'on a row inside', from: 0.5 * MINUTE, to: 1.5 * MINUTE, want: 20 },
    { name: 'at an end', from: 0, to: 0.5 * MINUTE, want: 15 },
    { name: 'within a gap', from: 5 * MINUTE, to: HOUR, want: 0 },
  ])('max() $name', ({ from, to, want }) => {
    expect(TRACE.max(from, to)).toBe(want);
  });

  test.each([
    { name: 'no rows', values: [] },
    { name: 'a negative demand', values: [1, -1] },
    { name: 'a demand that is not a number', values: [Number.NaN] },
  ])('refuses $name', ({ values }) => {
    const rows = { times: Float64Array.from(values, (_, i) => i), values: Float64Array.from(values) };
    expect(() => demandTrace(rows)).toThrow(RangeError);
  });
});
