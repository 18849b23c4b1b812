import type ICALModule from 'ical.js';
import { type CalendarEntry, toInstant, type ZoneOffset, zoneOffsets } from '../forecast/calendar.ts';
import { DAY, type Millis } from '../model/time.ts';
import { CalendarFileError } from './errors.ts';

export interface IcalOptions {
  /** Named in errors, and the source of the entries. */
  readonly file: string;
  /** Entries outside are left out. */
  readonly span: { readonly start: Millis; readonly end: Millis };
  /** Of times that name no zone. */
  readonly timeZone: string;
}

/** A calendar of people has a few hundred entries a year: more than these are a mistake or an attack. */
const MOST_BYTES = 4 * 1024 * 1024;
const MOST_EVENTS = 10_000;
const MOST_OCCURRENCES = 5_000;
/** Occurrences of one event looked at, those before the span included: every hour for five years. */
const MOST_STEPS = 50_000;
const MOST_DAYS = 366;
/** How far a single occurrence may be moved into the span. */
const MOVED_MS = 30 * DAY;

/**
 * The entries of an iCal file (RFC 5545) over a span: all-day events as days off, one for each day, others by their
 * instants. Recurring events are expanded, exceptions and moved occurrences included; cancelled events are left out.
 *
 * @throws {CalendarFileError} If it is no such file, or too large; with the line.
 */
export async function parseIcal(text: string, options: IcalOptions): Promise<readonly CalendarEntry[]> {
  const { file } = options;
  if (text.length > MOST_BYTES) throw new CalendarFileError(file, 0, `it is larger than ${MOST_BYTES} bytes`);
  if (text.trim() === '') throw new CalendarFileError(file, 1, 'it is empty');
  const lines = eventLines(text, file);
  const { default: ICAL } = await import('ical.js');
  let calendar: ICALModule.Component;
  try {
    calendar = new ICAL.Component(ICAL.parse(text.trim()));
  } catch (cause) {
    throw new CalendarFileError(file, lines[0] ?? 1, (cause as Error).message, { cause });
  }
  const zones = zoneReader(options);
  const found = new Map<string, { readonly event: ICALModule.Event; readonly line: number }[]>();
  for (const [i, component] of calendar.getAllSubcomponents('vevent').entries()) {
    const line = lines[i] ?? 1;
    const event = attempt(file, line, () => new ICAL.Event(component));
    if (component.getFirstPropertyValue('status') === 'CANCELLED') continue;
    const uid = String(component.getFirstPropertyValue('uid') ?? `line ${line}`);
    found.set(uid, [...(found.get(uid) ?? []), { event, line }]);
  }
  const entries: CalendarEntry[] = [];
  for (const alike of found.values()) {
    const moved = alike.filter(({ event }) => attempt(file, 0, () => event.isRecurrenceException()));
    const masters = alike.filter((one) => !moved.includes(one));
    for (const { event, line } of masters.length > 0 ? masters : moved) {
      attempt(file, line, () => {
        if (masters.length > 0) for (const one of moved) event.relateException(one.event);
        entries.push(...entriesOf(event, { ...options, zones, line }));
      });
      if (entries.length > MOST_OCCURRENCES)
        throw new CalendarFileError(file, line, `it has more than ${MOST_OCCURRENCES} entries in the time looked at`);
    }
  }
  return entries;
}

/** The lines at which events begin; the file's structure is checked on the way, since the parser names no lines. */
function eventLines(text: string, file: string): readonly number[] {
  const starts: number[] = [];
  const open: string[] = [];
  for (const [i, raw] of text
    .trim()
    .split(/\r\n|\n|\r/)
    .entries()) {
    const line = i + 1 + (text.slice(0, text.length - text.trimStart().length).match(/\n/g)?.length ?? 0);
    if (raw === '' || /^[ \t]/.test(raw)) continue;
    const found = /^([A-Za-z0-9-]+)[;:]/.exec(raw);
    if (found === null)
      throw new CalendarFileError(file, line, `expected NAME:value, got ${JSON.stringify(raw.slice(0, 60))}`);
    const name = found[1]!.toUpperCase();
    const value = raw
      .slice(raw.indexOf(':') + 1)
      .trim()
      .toUpperCase();
    if (open.length === 0 && (name !== 'BEGIN' || value !== 'VCALENDAR' || starts.length > 0))
      throw new CalendarFileError(file, line, 'expected one calendar, from BEGIN:VCALENDAR to END:VCALENDAR');
    if (name === 'BEGIN') {
      if (value === 'VEVENT' && open.length === 1) starts.push(line);
      open.push(value);
    }
    if (name === 'END' && open.pop() !== value)
      throw new CalendarFileError(file, line, `END:${value} ends nothing that was begun`);
  }
  if (open.length > 0)
    throw new CalendarFileError(file, text.split('\n').length, `${open.at(-1)} is begun and not ended`);
  if (starts.length > MOST_EVENTS)
    throw new CalendarFileError(file, starts[MOST_EVENTS]!, `it has more than ${MOST_EVENTS} events`);
  return starts;
}

interface Context extends IcalOptions {
  readonly zones: (name: string) => readonly ZoneOffset[];
  readonly line: number;
}

function entriesOf(event: ICALModule.Event, context: Context): readonly CalendarEntry[] {
  if (event.component.getFirstProperty('dtstart') === null) throw new RangeError('the event has no DTSTART');
  const { span } = context;
  if (!event.isRecurring()) return entriesAt(event, event.startDate, event.endDate, context);
  // The start is an occurrence even where only other dates are named: the iterator leaves it out then.
  const isOnlyDates = !event.component.hasProperty('rrule');
  const entries = isOnlyDates ? [...entriesAt(event, event.startDate, event.endDate, context)] : [];
  const lengthMs = wallClock(event.endDate) - wallClock(event.startDate);
  const occurrences = event.iterator();
  for (let i = 0; i < MOST_STEPS; i++) {
    const next = occurrences.next();
    if (next === null || next === undefined) return entries;
    if (wallClock(next) > span.end + MOVED_MS) return entries;
    if (isOnlyDates && next.compare(event.startDate) === 0) continue;
    if (wallClock(next) + lengthMs < span.start - MOVED_MS) continue;
    const { item, startDate, endDate } = event.getOccurrenceDetails(next);
    entries.push(...entriesAt(item, startDate, endDate, context));
    if (entries.length > MOST_OCCURRENCES) return entries;
  }
  throw new RangeError(`the event recurs more than ${MOST_STEPS} times`);
}

function entriesAt(
  event: ICALModule.Event,
  from: ICALModule.Time,
  to: ICALModule.Time,
  { file, span, timeZone, zones }: Context,
): readonly CalendarEntry[] {
  const source = file;
  const name = event.summary ?? '';
  if (from.isDate) {
    const days = Math.max(1, Math.round((wallClock(to) - wallClock(from)) / DAY));
    if (days > MOST_DAYS) throw new RangeError(`the event is longer than ${MOST_DAYS} days`);
    const dates = Array.from({ length: days }, (_, i) => wallClock(from) + i * DAY);
    return dates
      .filter((date) => date > span.start - 2 * DAY && date < span.end + DAY)
      .map((date) => ({ kind: 'day' as const, source, name, date: new Date(date).toISOString().slice(0, 10) }));
  }
  const start = instantOf(event, 'dtstart', from, { timeZone, zones });
  const end = Math.max(
    start,
    instantOf(event, event.component.hasProperty('dtend') ? 'dtend' : 'dtstart', to, { timeZone, zones }),
  );
  if (end <= start || end <= span.start || start >= span.end) return [];
  return [{ kind: 'time', source, name, start, end }];
}

function instantOf(
  { component }: ICALModule.Event,
  property: 'dtstart' | 'dtend',
  time: ICALModule.Time,
  { timeZone, zones }: Pick<Context, 'timeZone' | 'zones'>,
): Millis {
  if (time.zone?.tzid === 'UTC') return wallClock(time);
  const id = component.getFirstProperty(property)?.getFirstParameter('tzid');
  // A zone that the file itself describes, under a name of its own.
  if (id !== undefined && !isZone(id) && time.zone !== null && time.zone.tzid !== 'floating')
    return time.toUnixTime() * 1000;
  if (id !== undefined && !isZone(id)) throw new RangeError(`unknown time zone ${JSON.stringify(id)}`);
  return toInstant(zones(id ?? timeZone), wallClock(time));
}

/** What the clock shows, as if it were UTC. */
function wallClock({ year, month, day, hour, minute, second }: ICALModule.Time): Millis {
  const at = Date.UTC(year, month - 1, day, hour, minute, second);
  if (!Number.isFinite(at)) throw new RangeError('a date of the event is none');
  return at;
}

function isZone(id: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: id }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

function zoneReader({ span }: IcalOptions): (name: string) => readonly ZoneOffset[] {
  const known = new Map<string, readonly ZoneOffset[]>();
  return (name) => {
    const offsets = known.get(name) ?? zoneOffsets(name, span.start - 30 * DAY, span.end + 30 * DAY);
    known.set(name, offsets);
    return offsets;
  };
}

function attempt<T>(file: string, line: number, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    if (cause instanceof CalendarFileError) throw cause;
    throw new CalendarFileError(file, line, (cause as Error).message, { cause });
  }
}
