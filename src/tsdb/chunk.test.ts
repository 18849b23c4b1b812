import { expect, test } from 'vitest';
import { mergeSamples } from './chunk.ts';

const samples = (...times: number[]) => ({ times: Float64Array.from(times), values: new Float64Array(times.length) });

test.each([
  { winner: [1, Number.NaN], other: [2], times: [1, 2, Number.NaN] },
  { winner: [1], other: [Number.NaN, Number.POSITIVE_INFINITY], times: [1, Number.NaN, Number.POSITIVE_INFINITY] },
  { winner: [Number.NaN], other: [Number.NaN], times: [Number.NaN, Number.NaN] },
  { winner: [1, 3], other: [2, 3, 4], times: [1, 2, 3, 4] },
])('mergeSamples() of $winner and $other ends, with no sample that neither has', ({ winner, other, times }) => {
  const merged = mergeSamples(samples(...winner), samples(...other));
  expect([...merged.times].sort()).toEqual([...times].sort());
});
