import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { POINT_COLUMNS, type Points } from './point-columns.ts';
import { downsample, fullerPoints, pointsWithin, pointsWithout } from './points.ts';
import { type Samples, setStaleMarker } from './series.ts';
import { MINUTE } from './time.ts';

const rowsOf = (points: Points) =>
  [...points.times].map((time, i) => ({
    time,
    ...Object.fromEntries(POINT_COLUMNS.map((column) => [column, points[column][i]])),
  }));

function samplesOf(pairs: readonly (readonly [time: number, value: number | 'stale'])[]): Samples {
  const values = new Float64Array(pairs.length);
  pairs.forEach(([, value], i) => {
    if (value === 'stale') setStaleMarker(values, i);
    else values[i] = value;
  });
  return { times: Float64Array.from(pairs, ([time]) => time), values };
}

const one = { min: 5, max: 5, sum: 5, count: 1, first: 5, last: 5, lost: 0, firstAfter: MINUTE, lastBefore: 0 };

describe('downsample()', () => {
  test.each([
    { name: 'has no points of no samples', samples: samplesOf([]), want: [] },
    {
      name: 'takes a sample at a point for its last, and the next millisecond for the next point',
      samples: samplesOf([
        [MINUTE, 5],
        [MINUTE + 1, 6],
      ]),
      want: [
        { time: MINUTE, ...one },
        { ...one, time: 2 * MINUTE, min: 6, max: 6, sum: 6, first: 6, last: 6, firstAfter: 1, lastBefore: MINUTE - 1 },
      ],
    },
    {
      name: 'keeps what a counter lost in each reset',
      samples: samplesOf([
        [1, 10],
        [2, 20],
        [3, 4],
        [4, 9],
        [5, 1],
      ]),
      want: [
        {
          time: MINUTE,
          min: 1,
          max: 20,
          sum: 44,
          count: 5,
          first: 10,
          last: 1,
          lost: 29,
          firstAfter: 1,
          lastBefore: MINUTE - 5,
        },
      ].map(({ firstAfter, ...row }) => ({ ...row, firstAfter })),
    },
    {
      name: 'does not count staleness markers, and has no point where there is nothing else',
      samples: samplesOf([
        [1, 'stale'],
        [MINUTE + 1, 3],
        [MINUTE + 2, 'stale'],
        [MINUTE + 3, 2],
      ]),
      want: [
        {
          time: 2 * MINUTE,
          min: 2,
          max: 3,
          sum: 5,
          count: 2,
          first: 3,
          last: 2,
          lost: 3,
          firstAfter: 1,
          lastBefore: MINUTE - 3,
        },
      ],
    },
    {
      name: 'lets NaN give way to any number',
      samples: samplesOf([
        [1, Number.NaN],
        [2, 7],
      ]),
      want: [
        {
          time: MINUTE,
          min: 7,
          max: 7,
          sum: Number.NaN,
          count: 2,
          first: Number.NaN,
          last: 7,
          lost: 0,
          firstAfter: 1,
          lastBefore: MINUTE - 2,
        },
      ],
    },
    {
      name: 'has points before 1970',
      samples: samplesOf([[-1, 5]]),
      want: [{ ...one, time: 0, firstAfter: MINUTE - 1, lastBefore: 1 }],
    },
  ])('$name', ({ samples, want }) => {
    expect(rowsOf(downsample(samples, MINUTE))).toEqual(want.map((row) => ({ ...row, time: row.time + 0 })));
  });
});

const times = fc
  .uniqueArray(fc.integer({ min: 0, max: 20 * MINUTE }), { maxLength: 60 })
  .map((all) => all.sort((a, b) => a - b));

test('points of parts are points of the whole: cut, left out, joined', () => {
  fc.assert(
    fc.property(times, fc.nat(20), fc.nat(20), (all, a, b) => {
      const samples = samplesOf(all.map((time) => [time, (time * 7) % 11]));
      const points = downsample(samples, MINUTE);
      const range = { start: Math.min(a, b) * MINUTE + 1, end: Math.max(a, b) * MINUTE };
      const inside = pointsWithin(points, range);
      const outside = pointsWithout(points, range);
      expect(inside.times.every((time) => time >= range.start && time <= range.end)).toBe(true);
      expect(rowsOf(fullerPoints(inside, outside))).toEqual(rowsOf(points));
      // What has fewer samples never takes the place of what has more, whatever the order.
      const some = downsample(samplesOf(all.filter((_, i) => i % 3 !== 0).map((time) => [time, 1])), MINUTE);
      expect(rowsOf(fullerPoints(points, some))).toEqual(rowsOf(points));
      for (const [i, time] of some.times.entries()) {
        const at = points.times.indexOf(time);
        if (points.count[at]! > some.count[i]!)
          expect(rowsOf(fullerPoints(some, points))[at]).toEqual(rowsOf(points)[at]);
      }
    }),
  );
});
