import type { Millis } from '../../model/time.ts';
import { drawFrom, type Spread } from './spread.ts';

/** When what was measured is known. What is later measured is never known earlier. */
export interface Arrivals {
  /** Everything measured until here is known at `now`. Asked in order of time. */
  knownAt(now: Millis): Millis;
  /** When each row is known, ascending. */
  rows(times: Float64Array): Float64Array;
}

export function arrivals(lag: Spread, random: () => number): Arrivals {
  let known = Number.NEGATIVE_INFINITY;
  return {
    knownAt: (now) => {
      known = Math.max(known, now - drawFrom(lag, random));
      return known;
    },
    rows: (times) => {
      let last = Number.NEGATIVE_INFINITY;
      return times.map((time) => {
        last = Math.max(last, time + drawFrom(lag, random));
        return last;
      });
    },
  };
}
