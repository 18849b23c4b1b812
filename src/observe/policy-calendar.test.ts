import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { HOUR, parseInstant } from '../model/time.ts';
import { calendarFiles } from './calendar-files.ts';
import { CalendarFileError } from './errors.ts';
import { type CalendarPolicy, calendarReader } from './policy-calendar.ts';

const span = { start: parseInstant('2026-03-01'), end: parseInstant('2026-04-01') };
const POLICY: CalendarPolicy = { timeZone: 'Europe/Berlin', events: [], exclude: [] };
const day = (date: string, source = 'holidays') => ({ kind: 'day' as const, source, name: 'a day off', date });

function readerOf(read: (name: string) => Promise<string>, problems?: unknown[]) {
  return calendarReader({
    holidays: async (_region, years) => ({ entries: years.map((year) => day(`${year}-05-01`)), restDay: 0 }),
    readFile: read,
    ...(problems && { onProblem: (error: unknown) => void problems.push(error) }),
  });
}

const noFile = async () => '';
const icsOf = (date: string) =>
  `BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:${date}\r\nSUMMARY:x\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n`;

describe('calendarReader()', () => {
  test('a day off lasts from midnight to midnight on the local clock, in summer and in winter', async () => {
    const calendar = await readerOf(async () => icsOf('20260329'))({ ...POLICY, calendars: ['a.ics'] }, span);
    const [special] = calendar!.specials!;
    expect([special!.start, special!.end]).toEqual(['2026-03-28T23:00:00Z', '2026-03-29T22:00:00Z'].map(parseInstant));
    expect(special!.end - special!.start).toBe(23 * HOUR);
  });

  test('reaches a year beyond the history, with the offsets of the zone', async () => {
    const calendar = await readerOf(noFile)({ ...POLICY, holidays: 'DE' }, span);
    expect(calendar!.specials!.map(({ start }) => start)).toEqual(
      ['2026-04-30T22:00:00Z', '2027-04-30T22:00:00Z'].map(parseInstant),
    );
    expect(calendar!.offsets.map(({ offsetMs }) => offsetMs / HOUR)).toEqual([1, 2, 1, 2]);
  });

  test('a date that two calendars name is one day off', async () => {
    const read = readerOf(async () => icsOf('20260501'));
    const calendar = await read({ ...POLICY, holidays: 'DE', calendars: ['a.ics'] }, span);
    expect(calendar!.specials!.map(({ source }) => source)).toEqual(['holidays', 'holidays']);
  });

  test('is undefined where it would say nothing', async () => {
    expect(await readerOf(noFile)({ ...POLICY, timeZone: 'UTC' }, span)).toBeUndefined();
    expect(await readerOf(noFile)(POLICY, span)).toBeDefined();
  });

  test('takes declared events and excluded windows in', async () => {
    const window = { start: parseInstant('2026-03-05'), end: parseInstant('2026-03-06') };
    const events = [
      { name: 'sale', ...window, demandFactor: 3 },
      { name: 'launch', ...window, floor: 20 },
    ];
    const calendar = await readerOf(noFile)({ ...POLICY, events, exclude: [window] }, span);
    expect(calendar!.specials).toMatchObject([
      { kind: 'event', factor: 3 },
      { kind: 'event', factor: 1 },
      { kind: 'excluded' },
    ]);
  });

  test('keeps what was right when a file breaks, and says so; without anybody to tell it throws', async () => {
    let text = icsOf('20260320');
    const problems: unknown[] = [];
    const read = readerOf(async () => text, problems);
    const policy = { ...POLICY, calendars: ['a.ics'] };
    const before = await read(policy, span);
    text = 'BEGIN:VCALENDAR\n';
    expect(await read(policy, span)).toEqual(before);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toBeInstanceOf(CalendarFileError);
    await expect(readerOf(async () => text)(policy, span)).rejects.toBeInstanceOf(CalendarFileError);
  });

  test('asks for a region once, however many policies wait for it', async () => {
    let asked = 0;
    const read = calendarReader({
      holidays: async () => {
        asked++;
        return { entries: [day('2026-05-01')], restDay: 6 };
      },
      readFile: noFile,
    });
    const calendars = await Promise.all(Array.from({ length: 9 }, () => read({ ...POLICY, holidays: 'IL' }, span)));
    expect(asked).toBe(1);
    expect(calendars[8]!.restDay).toBe(6);
  });
});

describe('calendarFiles()', () => {
  const folder = mkdtempSync(join(tmpdir(), 'foresail-calendars-'));
  writeFileSync(join(folder, 'holidays.ics'), 'BEGIN');
  writeFileSync(join(folder, 'policy.yaml'), '');
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([
    { place: folder },
    { place: join(folder, 'policy.yaml') },
  ])('reads a file in a folder and beside a file', async ({ place }) => {
    expect(await calendarFiles([place])('holidays.ics')).toBe('BEGIN');
  });

  test.each(['../holidays.ics', '/etc/passwd', 'a/b.ics', '.hidden.ics', 'missing.ics'])('refuses %s', async (name) => {
    await expect(calendarFiles([folder])(name)).rejects.toMatchObject({ code: 'bad_calendar_file' });
  });
});
