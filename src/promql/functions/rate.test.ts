import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Windows } from './definition.ts';
import { deltaOverRun, increaseOverRun, rateOverRun } from './rate.ts';

const gaps = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 0, maxLength: 30 });
const value = fc.oneof(
  fc.integer({ min: 0, max: 200 }),
  fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, -5, 0.1),
);
const series = fc.array(fc.array(value, { minLength: 31, maxLength: 31 }), { minLength: 2, maxLength: 4 });

test.each([
  { of: rateOverRun },
  { of: increaseOverRun },
  { of: deltaOverRun },
])('$of.name of series with the same times is that of each alone', ({ of }) => {
  fc.assert(
    fc.property(gaps, series, fc.integer({ min: 1, max: 200 }), (deltas, columns, rangeMs) => {
      const times = Float64Array.from(
        [0, ...deltas],
        (
          (sum) => (gap: number) =>
            (sum += gap)
        )(0),
      );
      const ends = Float64Array.from({ length: 20 }, (_, step) => step * 17);
      const shared: Windows = { ends, rangeMs };
      const answer = (windows: Windows, column: readonly number[]) => {
        const run = {
          labels: [],
          dropName: false,
          times,
          values: Float64Array.from(column),
          from: 0,
          to: times.length,
        };
        const target = { values: new Float64Array(20), present: new Uint8Array(20), at: 0 };
        return { found: of(run, windows, target), ...target };
      };
      for (const column of columns) expect(answer(shared, column)).toEqual(answer({ ends, rangeMs }, column));
    }),
  );
});
