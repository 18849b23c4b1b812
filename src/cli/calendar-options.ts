import { type Command, InvalidArgumentError } from 'commander';
import type { SeriesCalendar } from '../forecast/calendar.ts';
import { loadHolidays } from '../observe/holidays.ts';
import { calendarReader } from '../observe/policy-calendar.ts';
import type { CsvSeries } from './csv.ts';
import { readText } from './read-text.ts';

/** What says when people do what: of the commands that forecast. */
export interface CalendarFlags {
  readonly timeZone: string;
  readonly holidays?: string;
  readonly calendar: readonly string[];
}

export function calendarOptions(command: Command): Command {
  return command
    .option('--time-zone <zone>', 'seasons are local time of this IANA zone, such as Europe/Berlin', parseZone, 'UTC')
    .option('--holidays <region>', 'public holidays of a region, such as DE-BY, are days of their own', parseRegion)
    .option('--calendar <file>', 'an iCal file of days off and recurring events; may be given again', appendFile, []);
}

/** The calendar that the flags ask for, over the time of all series; undefined where they ask for none. */
export async function loadCalendar(
  { timeZone, holidays, calendar }: CalendarFlags,
  series: readonly CsvSeries[],
): Promise<SeriesCalendar | undefined> {
  if (timeZone === 'UTC' && holidays === undefined && calendar.length === 0) return undefined;
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
  const plan = { timeZone, calendars: calendar, events: [], exclude: [], ...(holidays !== undefined && { holidays }) };
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
