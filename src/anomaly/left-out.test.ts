import { describe, expect, test } from 'vitest';
import type { RegularSeries } from '../model/series.ts';
import { DAY, HOUR, MINUTE, type Millis } from '../model/time.ts';
import type { AnomalyEnd } from './anomaly.ts';
import { type ConfirmedAnomaly, leftOut, leftOutWithin } from './left-out.ts';

const START = 20_000 * DAY;
const STEP = 5 * MINUTE;
const SINCE = START + 2 * DAY;

describe('of a confirmed anomaly is left out', () => {
  test.each<{ name: string; lastAt: Millis; why?: AnomalyEnd; levelAfter?: number; end: Millis }>([
    { name: 'three hours while it goes on', lastAt: SINCE + 10 * MINUTE, end: SINCE + 3 * HOUR },
    { name: 'a short one, as long as it took', lastAt: SINCE + HOUR, why: 'quiet', end: SINCE + HOUR },
    { name: 'a long one after which all was as before', lastAt: SINCE + 9 * HOUR, why: 'quiet', end: SINCE + 9 * HOUR },
    {
      name: 'three hours of a level that stayed',
      lastAt: SINCE + 9 * HOUR,
      why: 'quiet',
      levelAfter: 3,
      end: SINCE + 3 * HOUR,
    },
    { name: 'three hours of what became usual', lastAt: SINCE + DAY, why: 'usual', end: SINCE + 3 * HOUR },
    { name: 'a short one whose series is gone', lastAt: SINCE + HOUR, why: 'gone', end: SINCE + HOUR },
  ])('$name', ({ lastAt, why, levelAfter = 1, end }) => {
    const history = seriesOf((t) => usual(t) * (t < SINCE ? 1 : t <= lastAt ? 3 : levelAfter));
    expect(leftOut(history, [anomaly(lastAt, why)])).toEqual([{ start: SINCE, end }]);
  });

  test('three hours of a long one where the day before is not known', () => {
    const history = seriesOf((t) => (t < SINCE ? Number.NaN : 100));
    expect(leftOut(history, [anomaly(SINCE + 9 * HOUR, 'quiet')])).toEqual([{ start: SINCE, end: SINCE + 3 * HOUR }]);
  });

  test('the same, whatever comes after the steps that ended it', () => {
    const lastAt = SINCE + 9 * HOUR;
    const of = (later: number) => seriesOf((t) => (t < SINCE || t > lastAt ? 1 : 3) * (t > lastAt + HOUR ? later : 1));
    expect(leftOut(of(9), [anomaly(lastAt, 'quiet')])).toEqual(leftOut(of(1), [anomaly(lastAt, 'quiet')]));
  });
});

test('a saved state has seen what lies between the begin of its history and its own end', () => {
  const ranges = [
    { start: 0, end: 10 },
    { start: 20, end: 30 },
    { start: 40, end: 50 },
  ];
  expect(leftOutWithin(ranges, { start: 12, end: 25 })).toEqual([{ start: 20, end: 25 }]);
});

function anomaly(lastAt: Millis, why: AnomalyEnd | undefined): ConfirmedAnomaly {
  return { since: SINCE, ended: why && { lastAt, why } };
}

function usual(t: Millis): number {
  return 100 + 50 * Math.sin((2 * Math.PI * t) / DAY);
}

function seriesOf(valueAt: (t: Millis) => number): RegularSeries {
  return {
    start: START,
    stepMs: STEP,
    values: Float64Array.from({ length: (4 * DAY) / STEP }, (_, i) => valueAt(START + i * STEP)),
  };
}
