import { DAY, MINUTE, type Millis, parseInstant } from '../model/time.ts';

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

/** An entry of a calendar: a day off by its local date, or a part of a day by its instants. Plain data. */
export type CalendarEntry =
  | { readonly kind: 'day'; readonly source: string; readonly name: string; readonly date: LocalDate }
  | {
      readonly kind: 'time';
      readonly source: string;
      readonly name: string;
      readonly start: Millis;
      readonly end: Millis;
    };

/** `2026-12-25` */
export type LocalDate = string;

/** What a policy says about the time of its demand. */
export interface CalendarPlan {
  readonly timeZone: string;
  readonly restDay?: number;
  readonly entries?: readonly CalendarEntry[];
  readonly events?: readonly {
    readonly name: string;
    readonly start: Millis;
    readonly end: Millis;
    readonly demandFactor?: number;
  }[];
  readonly exclude?: readonly { readonly start: Millis; readonly end: Millis }[];
}

/**
 * The calendar of a series over a span: its history, and as far ahead as it is going to be asked about.
 * @throws {RangeError} If the zone is unknown.
 */
export function seriesCalendar(
  { timeZone, restDay = 0, entries = [], events = [], exclude = [] }: CalendarPlan,
  { start, end }: { readonly start: Millis; readonly end: Millis },
): SeriesCalendar {
  // A day more on either side: a date at the edge of the span begins or ends outside of it.
  const offsets = zoneOffsets(timeZone, start - 2 * DAY, end + 2 * DAY);
  const days = new Set<LocalDate>();
  const specials: SpecialTime[] = [];
  for (const entry of entries) {
    if (entry.kind === 'time') {
      specials.push(entry);
      continue;
    }
    const { date, ...rest } = entry;
    // A date that two calendars name is one day off: the first one's.
    if (days.has(date)) continue;
    days.add(date);
    const midnight = localMidnight(date);
    specials.push({ ...rest, start: toInstant(offsets, midnight), end: toInstant(offsets, midnight + DAY) });
  }
  for (const { name, start: from, end: to, demandFactor } of events) {
    specials.push({ kind: 'event', source: 'events', name, start: from, end: to, factor: demandFactor ?? 1 });
  }
  for (const window of exclude) specials.push({ kind: 'excluded', source: 'exclude', name: '', ...window });
  return { offsets, specials: specials.filter((one) => one.end > start && one.start < end), restDay };
}

/** The instant of a local time given as if it were UTC. One that is left out is taken later, of two the first. */
export function toInstant(offsets: readonly ZoneOffset[], local: Millis): Millis {
  let latest = Number.POSITIVE_INFINITY;
  for (let i = offsets.length - 1; i >= 0; i--) {
    const { from, offsetMs } = offsets[i]!;
    const instant = local - offsetMs;
    if (instant >= from) {
      const earlier = offsets[i - 1];
      const isTwice = earlier !== undefined && local - earlier.offsetMs < from;
      return isTwice ? local - earlier.offsetMs : Math.min(instant, latest);
    }
    latest = Math.max(instant, from);
  }
  return local - (offsets[0]?.offsetMs ?? 0);
}

function localMidnight(date: LocalDate): Millis {
  return parseInstant(`${date}T00:00:00Z`);
}
