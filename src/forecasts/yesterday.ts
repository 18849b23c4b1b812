import { DAY, HOUR, MINUTE, type Millis } from '../model/time.ts';

/** How far local time is ahead of UTC at an instant, in ms; whole minutes. */
export type OffsetAt = (t: Millis) => number;

/**
 * The offsets of a time zone. Opening one costs more than asking it thousands of times.
 * @throws {RangeError} If there is no such time zone.
 */
export function offsetsOf(timeZone: string): OffsetAt {
  if (timeZone === 'UTC') return () => 0;
  const zone = new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' });
  return (t) => {
    const name = zone.formatToParts(t).find(({ type }) => type === 'timeZoneName')?.value ?? '';
    const found = /^GMT([+-])(\d\d):(\d\d)/.exec(name);
    if (found === null) return 0;
    const ms = Number(found[2]) * HOUR + Number(found[3]) * MINUTE;
    return found[1] === '-' ? -ms : ms;
  };
}

/** The instant at the same local time a day before: 23 or 25 hours ago where the clocks were changed in between. */
export function yesterdayAt(t: Millis, offsetAt: OffsetAt): Millis {
  const before = t - DAY;
  return before + offsetAt(t) - offsetAt(before);
}
