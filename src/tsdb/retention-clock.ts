import { DAY, type Millis } from '../model/time.ts';
import { dayOf } from './partition-key.ts';

/** Days with samples that a clock must have behind it to be believed. */
const DAYS = 3;
/** So many days after the first of those it may be: in three days in a row, today and one to spare. */
const LEAD_DAYS = 4;

/**
 * The time by which samples expire: now, but no later than the newest days that have samples bear out. A clock that
 * jumps ahead writes samples of one day, at first; what it deleted by itself would be everything.
 * @param days Times in the days that have samples, in any order.
 */
export function retentionNow(now: Millis, days: Iterable<Millis>): Millis {
  const newest = [...new Set([...days].map(dayOf))].sort((a, b) => b - a).slice(0, DAYS);
  return newest.length === 0 ? now : Math.min(now, newest.at(-1)! + LEAD_DAYS * DAY);
}
