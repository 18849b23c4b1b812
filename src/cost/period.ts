import { DAY, HOUR, type Millis } from '../model/time.ts';

export type BudgetPeriod = 'weekly' | 'monthly' | 'quarterly';

interface LocalDay {
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  readonly day: number;
}

/** The period around an instant: weeks from Monday, months and quarters of the calendar, in the zone's local time. */
export function periodAround(
  period: BudgetPeriod,
  timeZone: string,
  now: Millis,
): { readonly start: Millis; readonly end: Millis } {
  const today = localDay(now, timeZone);
  const number = dayNumber(today);
  if (period === 'weekly') {
    // Day 0 was a Thursday.
    const monday = number - ((number + 3) % 7);
    return { start: midnight(dayOf(monday), timeZone), end: midnight(dayOf(monday + 7), timeZone) };
  }
  const months = period === 'monthly' ? 1 : 3;
  const first = Math.floor((today.month - 1) / months) * months;
  const next = first + months;
  const end = { year: today.year + Math.floor(next / 12), month: (next % 12) + 1, day: 1 };
  return { start: midnight({ year: today.year, month: first + 1, day: 1 }, timeZone), end: midnight(end, timeZone) };
}

/** The date in the zone, as 2026-11-24. */
export function localDate(at: Millis, timeZone: string): string {
  const { year, month, day } = localDay(at, timeZone);
  return `${String(year).padStart(4, '0')}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`;
}

/** The first instant of a local day that is a whole hour of UTC or a part of one: where a clock change skips it, the next. */
function midnight(day: LocalDay, timeZone: string): Millis {
  const wall = dayNumber(day) * DAY;
  let at = wall - offsetAt(wall, timeZone);
  at = wall - offsetAt(at, timeZone);
  return localDay(at, timeZone).day === day.day ? at : at + HOUR;
}

function offsetAt(at: Millis, timeZone: string): number {
  const { year, month, day, second } = partsAt(at, timeZone);
  return dayNumber({ year, month, day }) * DAY + second * 1000 - Math.floor(at / 1000) * 1000;
}

function localDay(at: Millis, timeZone: string): LocalDay {
  const { year, month, day } = partsAt(at, timeZone);
  return { year, month, day };
}

function partsAt(at: Millis, timeZone: string): LocalDay & { readonly second: number } {
  const format = new Intl.DateTimeFormat('en-US', {
    ...{ timeZone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric' },
    ...{ hour: 'numeric', minute: 'numeric', second: 'numeric' },
  });
  const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, Number(value)] as const));
  const of = (name: string) => parts[name] ?? 0;
  const second = of('hour') * 3600 + of('minute') * 60 + of('second');
  return { year: of('year'), month: of('month'), day: of('day'), second };
}

/** Days since 1970-01-01 of the proleptic Gregorian calendar (Howard Hinnant's days_from_civil). */
function dayNumber({ year, month, day }: LocalDay): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

function dayOf(number: number): LocalDay {
  const { year, month, day } = partsAt(number * DAY, 'UTC');
  return { year, month, day };
}
