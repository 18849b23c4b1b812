import { type CalendarEntry, type SeriesCalendar, seriesCalendar } from '../forecast/calendar.ts';
import { DAY, type Millis } from '../model/time.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import type { RegionHolidays } from './holidays.ts';
import { parseIcal } from './ical.ts';

export interface CalendarSources {
  /** The holidays of a region in some years: `loadHolidays`, here or in a thread. */
  readonly holidays: (region: string, years: readonly number[]) => Promise<RegionHolidays>;
  /** The text of an iCal file by the name that a policy gives it. */
  readonly readFile: (name: string) => Promise<string>;
  /** Told of what cannot be used. Without it, that is thrown. */
  readonly onProblem?: (error: unknown) => void;
}

export type CalendarPolicy = Pick<ScalingPolicy, 'timeZone' | 'holidays' | 'calendars' | 'events' | 'exclude'>;

/**
 * The calendar of a policy's series from `start`, and for a year and more after `end`; undefined where it would say
 * nothing: in UTC, without special days.
 */
export type CalendarOf = (
  policy: CalendarPolicy,
  span: { readonly start: Millis; readonly end: Millis },
) => Promise<SeriesCalendar | undefined>;

/** Regions with their years, and files, whose entries are kept: requests may ask for many. */
const MOST_KEPT = 256;
/** How far ahead a calendar reaches: a forecaster that is refitted and restored lives on for long. */
const AHEAD_MS = 400 * DAY;

/**
 * Reads policies' calendars. What was read right stays in use when it breaks: a typing error must not make a holiday an
 * ordinary day. Holidays are asked for once a region and span of years.
 *
 * @throws {CodedError} From the calendar, where `onProblem` is left out and a source cannot be used.
 */
export function calendarReader({ holidays, readFile, onProblem }: CalendarSources): CalendarOf {
  const regions = new Map<string, RegionHolidays>();
  const files = new Map<string, readonly CalendarEntry[]>();
  /** Asked for and not yet answered: thousands of policies share a region. */
  const asked = new Map<string, Promise<RegionHolidays>>();

  function ask(key: string, region: string, years: readonly number[]): Promise<RegionHolidays> {
    const waiting = asked.get(key) ?? holidays(region, years).finally(() => asked.delete(key));
    asked.set(key, waiting);
    return waiting;
  }

  async function lastRight<T>(known: Map<string, T>, key: string, read: () => Promise<T>): Promise<T | undefined> {
    try {
      const value = await read();
      known.delete(key);
      known.set(key, value);
      if (known.size > MOST_KEPT) known.delete(known.keys().next().value!);
      return value;
    } catch (error) {
      if (onProblem === undefined) throw error;
      onProblem(error);
      return known.get(key);
    }
  }

  return async (policy, { start, end }) => {
    const span = { start, end: end + AHEAD_MS };
    const { timeZone, holidays: region, calendars = [], events, exclude } = policy;
    const saysNothing = region === undefined && calendars.length + events.length + exclude.length === 0;
    if (timeZone === 'UTC' && saysNothing) return undefined;
    const entries: CalendarEntry[] = [];
    let restDay = 0;
    if (region !== undefined) {
      const years = yearsOf(span);
      const key = `${region} ${years[0]} ${years.at(-1)}`;
      const found = regions.get(key) ?? (await lastRight(regions, key, () => ask(key, region, years)));
      entries.push(...(found?.entries ?? []));
      restDay = found?.restDay ?? restDay;
    }
    for (const name of calendars) {
      const key = `${name} ${timeZone}`;
      const read = async () => parseIcal(await readFile(name), { file: name, span, timeZone });
      entries.push(...((await lastRight(files, key, read)) ?? []));
    }
    return seriesCalendar({ timeZone, restDay, entries, events, exclude }, span);
  };
}

function yearsOf({ start, end }: { readonly start: Millis; readonly end: Millis }): number[] {
  const first = new Date(start - DAY).getUTCFullYear();
  const last = new Date(end + DAY).getUTCFullYear();
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}
