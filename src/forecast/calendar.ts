import { DAY, MINUTE, type Millis } from '../model/time.ts';

/** What the clock and the calendar of one series' people say, over its history and well beyond. Plain data. */
export interface SeriesCalendar {
  /** The zone's offsets from UTC, ascending; the first is in force at the start of the span. One entry: no transition. */
  readonly offsets: readonly ZoneOffset[];
  /** Times unlike others, in no order; they may overlap. */
  readonly specials?: readonly SpecialTime[];
  /** The day of the week that days off resemble: 0 is Sunday, which is the default. */
  readonly restDay?: number;
}

export interface SpecialTime {
  /**
   * `day`: a local day off, like a rest day until more is known. `time`: part of a day whose effect is learnt. `event`:
   * declared, with a factor or without a known effect. `excluded`: nothing of it may be learnt, nor be seen.
   */
  readonly kind: 'day' | 'time' | 'event' | 'excluded';
  /** Times of one source are alike: the public holidays, the entries of one file. */
  readonly source: string;
  readonly name: string;
  /** [start, end). */
  readonly start: Millis;
  readonly end: Millis;
  /** Of an event: what it multiplies the demand by. */
  readonly factor?: number;
}

export interface ZoneOffset {
  readonly from: Millis;
  readonly offsetMs: number;
}

/** Every zone keeps an offset for at least a month; a sample a week finds all transitions. */
const SAMPLED_MS = 7 * DAY;

/**
 * The offsets of a zone over a span: local time is UTC plus the offset. Transitions are found to the minute.
 * @throws {RangeError} If the zone is unknown.
 */
export function zoneOffsets(timeZone: string, start: Millis, end: Millis): readonly ZoneOffset[] {
  const offsetAt = offsetReader(timeZone);
  const offsets = [{ from: start, offsetMs: offsetAt(start) }];
  let low = start;
  let before = offsets[0]!.offsetMs;
  while (low < end) {
    const high = Math.min(low + SAMPLED_MS, end);
    const after = offsetAt(high);
    if (after !== before) offsets.push({ from: firstAfter(offsetAt, low, high, before), offsetMs: after });
    before = after;
    low = high;
  }
  return offsets;
}

/** Reads a zone's offset from UTC at an instant, in milliseconds. */
function offsetReader(timeZone: string): (t: Millis) => number {
  const format = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' });
  return (t) => {
    const name = format.formatToParts(t).find(({ type }) => type === 'timeZoneName')!.value;
    const found = /^GMT(?:([+-])(\d{2}):(\d{2})(?::(\d{2}))?)?$/.exec(name);
    if (found === null || found[1] === undefined) return 0;
    const size = (Number(found[2]) * 60 + Number(found[3])) * MINUTE + Number(found[4] ?? 0) * 1000;
    return found[1] === '-' ? -size : size;
  };
}

function firstAfter(offsetAt: (t: Millis) => number, from: Millis, to: Millis, before: number): Millis {
  let low = from;
  let high = Math.ceil(to / MINUTE) * MINUTE;
  while (high - low > MINUTE) {
    const middle = Math.floor((low + high) / 2 / MINUTE) * MINUTE;
    if (offsetAt(middle) === before) low = middle;
    else high = middle;
  }
  return high;
}
