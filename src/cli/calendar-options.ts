import { type Command, InvalidArgumentError } from 'commander';
import type { SeriesCalendar } from '../forecast/calendar.ts';
import { parseInstant } from '../model/time.ts';
import { loadHolidays } from '../observe/holidays.ts';
import { calendarReader } from '../observe/policy-calendar.ts';
import type { CsvSeries } from './csv.ts';
import { asArgument } from './forecast-options.ts';
import { readText } from './read-text.ts';

/** What says when people do what: of the commands that forecast. */
export interface CalendarFlags extends ClockFlags {
  readonly holidays?: string;
  readonly calendar: readonly string[];
  readonly event: readonly Event[];
  readonly exclude: readonly Interval[];
}

/** Of the commands that look at seasons alone. */
export interface ClockFlags {
  readonly timeZone: string;
}

interface Interval {
  readonly start: number;
  readonly end: number;
}

interface Event extends Interval {
  readonly name: string;
  readonly demandFactor: number;
}

export function clockOption(command: Command): Command {
  return command.option(
    '--time-zone <zone>',
    'seasons are local time of this IANA zone, such as Europe/Berlin',
    parseZone,
    'UTC',
  );
}

export function calendarOptions(command: Command): Command {
  return clockOption(command)
    .option('--holidays <region>', 'public holidays of a region, such as DE-BY, are days of their own', parseRegion)
    .option('--calendar <file>', 'an iCal file of days off and recurring events; may be given again', appendFile, [])
    .option(
      '--event <time=factor>',
      'what multiplies the demand, such as 2026-11-27T00:00:00Z/2026-11-28T00:00:00Z=3; may be given again',
      appendEvent,
      [],
    )
    .option(
      '--exclude <time>',
      'nothing is learnt from then, such as 2026-08-03T10:00:00Z/2026-08-03T12:00:00Z; may be given again',
      appendWindow,
      [],
    );
}

/** The clock of a zone over the time of all series; undefined for UTC. */
export async function loadClock(flags: ClockFlags, series: readonly CsvSeries[]): Promise<SeriesCalendar | undefined> {
  return await loadCalendar({ ...flags, calendar: [], event: [], exclude: [] }, series);
}

/** The calendar that the flags ask for, over the time of all series; undefined where they ask for none. */
export async function loadCalendar(
  { timeZone, holidays, calendar, event, exclude }: CalendarFlags,
  series: readonly CsvSeries[],
): Promise<SeriesCalendar | undefined> {
  let start = Number.POSITIVE_INFINITY;
  let end = Number.NEGATIVE_INFINITY;
  for (const { times } of series) {
    for (const time of times) {
      start = Math.min(start, time);
      end = Math.max(end, time);
    }
  }
  if (start > end) return undefined;
  const calendarOf = calendarReader({ holidays: loadHolidays, readFile: async (file) => readText(file) });
  const plan = { timeZone, calendars: calendar, events: event, exclude, ...(holidays !== undefined && { holidays }) };
  return await calendarOf(plan, { start, end });
}

function parseZone(text: string): string {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }) && text;
  } catch {
    throw new InvalidArgumentError('expected an IANA time zone, such as Europe/Berlin');
  }
}

function parseRegion(text: string): string {
  if (!/^[A-Z]{2}(-[A-Z0-9]{1,6}){0,2}$/.test(text)) {
    throw new InvalidArgumentError('expected a region, such as DE, DE-BY or US');
  }
  return text;
}

function appendFile(file: string, before: readonly string[]): readonly string[] {
  return [...before, file];
}

function appendWindow(text: string, before: readonly Interval[]): readonly Interval[] {
  return [...before, parseInterval(text)];
}

function appendEvent(text: string, before: readonly Event[]): readonly Event[] {
  const [time = '', factor = '', ...rest] = text.split('=');
  const demandFactor = Number(factor);
  if (rest.length > 0 || !(demandFactor > 0 && demandFactor < Number.POSITIVE_INFINITY)) {
    throw new InvalidArgumentError('expected a time and a factor above zero, such as START/END=3');
  }
  return [...before, { name: text, demandFactor, ...parseInterval(time) }];
}

/** Two times with a slash between, as in ISO 8601. */
function parseInterval(text: string): Interval {
  const [start = '', end = '', ...rest] = text.split('/');
  const interval = asArgument(() => ({ start: parseInstant(start), end: parseInstant(end) }));
  if (rest.length > 0 || interval.end <= interval.start) {
    throw new InvalidArgumentError('expected START/END, the end after the start');
  }
  return interval;
}
