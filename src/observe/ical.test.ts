import { describe, expect, test } from 'vitest';
import { formatInstant, parseInstant } from '../model/time.ts';
import { parseIcal } from './ical.ts';

const span = { start: parseInstant('2026-01-01'), end: parseInstant('2027-01-01') };
const options = { file: 'team.ics', span, timeZone: 'Europe/Berlin' };

function calendarOf(...events: readonly string[]): string {
  const blocks = events.map((event) => `BEGIN:VEVENT\n${event}\nEND:VEVENT`);
  return ['BEGIN:VCALENDAR', 'VERSION:2.0', 'PRODID:-//test', ...blocks, 'END:VCALENDAR', '']
    .join('\n')
    .replaceAll('\n', '\r\n');
}

/** Entries in a word each: a date, or two instants. */
async function read(text: string): Promise<string[]> {
  const entries = await parseIcal(text, options);
  return entries.map((entry) =>
    entry.kind === 'day' ? entry.date : `${formatInstant(entry.start)}/${formatInstant(entry.end)}`,
  );
}

test.each([
  { name: 'an all-day event', event: 'UID:1\nDTSTART;VALUE=DATE:20261224\nSUMMARY:Eve', want: ['2026-12-24'] },
  {
    name: 'a day off for each day of a longer one',
    event: 'UID:1\nDTSTART;VALUE=DATE:20261224\nDTEND;VALUE=DATE:20261227',
    want: ['2026-12-24', '2026-12-25', '2026-12-26'],
  },
  {
    name: 'a time in UTC',
    event: 'UID:1\nDTSTART:20260701T080000Z\nDTEND:20260701T093000Z',
    want: ['2026-07-01T08:00:00Z/2026-07-01T09:30:00Z'],
  },
  {
    name: 'a time without a zone, in that of the policy',
    event: 'UID:1\nDTSTART:20260701T080000\nDURATION:PT1H',
    want: ['2026-07-01T06:00:00Z/2026-07-01T07:00:00Z'],
  },
  {
    name: 'a time in a zone of its own',
    event: 'UID:1\nDTSTART;TZID=America/New_York:20260701T080000\nDTEND;TZID=America/New_York:20260701T090000',
    want: ['2026-07-01T12:00:00Z/2026-07-01T13:00:00Z'],
  },
  {
    name: 'nothing of a time outside of the span',
    event: 'UID:1\nDTSTART:20250701T080000Z\nDTEND:20250701T093000Z',
    want: [],
  },
  { name: 'nothing of a cancelled event', event: 'UID:1\nSTATUS:CANCELLED\nDTSTART;VALUE=DATE:20261224', want: [] },
  {
    name: 'a yearly day from long ago',
    event: 'UID:1\nDTSTART;VALUE=DATE:19901003\nRRULE:FREQ=YEARLY',
    want: ['2026-10-03'],
  },
  {
    name: 'the first Monday of some months, but for one',
    event: 'UID:1\nDTSTART;VALUE=DATE:20260105\nRRULE:FREQ=MONTHLY;BYDAY=1MO;COUNT=4\nEXDATE;VALUE=DATE:20260302',
    want: ['2026-01-05', '2026-02-02', '2026-04-06'],
  },
  {
    name: 'a weekly time that stays at its hour across a change of the clock',
    event: 'UID:1\nDTSTART;TZID=Europe/Berlin:20260325T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;UNTIL=20260402T000000Z',
    want: ['2026-03-25T08:00:00Z/2026-03-25T09:00:00Z', '2026-04-01T07:00:00Z/2026-04-01T08:00:00Z'],
  },
  {
    name: 'dates of its own',
    event: 'UID:1\nDTSTART;VALUE=DATE:20260105\nRDATE;VALUE=DATE:20260707',
    want: ['2026-01-05', '2026-07-07'],
  },
  { name: 'a folded line', event: 'UID:1\nDTSTART;VALUE=DATE:202612\n 24', want: ['2026-12-24'] },
])('parseIcal() reads $name', async ({ event, want }) => {
  expect(await read(calendarOf(event))).toEqual(want);
});

test('parseIcal() moves an occurrence that was moved', async () => {
  const master = 'UID:1\nDTSTART:20260105T100000Z\nDTEND:20260105T110000Z\nRRULE:FREQ=WEEKLY;COUNT=2';
  const moved = 'UID:1\nRECURRENCE-ID:20260112T100000Z\nDTSTART:20260113T150000Z\nDTEND:20260113T160000Z';
  expect(await read(calendarOf(master, moved))).toEqual([
    '2026-01-05T10:00:00Z/2026-01-05T11:00:00Z',
    '2026-01-13T15:00:00Z/2026-01-13T16:00:00Z',
  ]);
});

test('parseIcal() takes a zone that the file describes itself', async () => {
  const zone =
    'BEGIN:VTIMEZONE\r\nTZID:Office\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0300\r\nTZOFFSETTO:+0300\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n';
  const text = calendarOf('UID:1\nDTSTART;TZID=Office:20260701T080000\nDURATION:PT1H').replace(
    'BEGIN:VEVENT',
    `${zone}BEGIN:VEVENT`,
  );
  expect(await read(text)).toEqual(['2026-07-01T05:00:00Z/2026-07-01T06:00:00Z']);
});

describe('parseIcal() says where a file is wrong:', () => {
  test.each([
    { name: 'no calendar', text: 'hello: world\n', want: 'team.ics:1: expected one calendar' },
    { name: 'empty', text: '', want: 'team.ics:1: it is empty' },
    {
      name: 'a line that is none',
      text: calendarOf('UID:1\nnonsense'),
      want: 'team.ics:6: expected NAME:value, got "nonsense"',
    },
    {
      name: 'cut off',
      text: calendarOf('UID:1\nDTSTART;VALUE=DATE:20261224').slice(0, -40),
      want: 'is begun and not ended',
    },
    { name: 'a wrong end', text: calendarOf('UID:1\nEND:VALARM'), want: 'team.ics:6: END:VALARM ends nothing' },
    {
      name: 'no start',
      text: calendarOf('UID:2\nDTSTART;VALUE=DATE:20261224', 'UID:1'),
      want: 'team.ics:8: the event has no DTSTART',
    },
    { name: 'a date that is none', text: calendarOf('UID:1\nDTSTART:soon'), want: 'team.ics:4: ' },
    {
      name: 'a rule that is none',
      text: calendarOf('UID:1\nDTSTART;VALUE=DATE:20261224\nRRULE:FREQ=SOMETIMES'),
      want: 'team.ics:4: invalid frequency',
    },
    {
      name: 'a zone that is none',
      text: calendarOf('UID:1\nDTSTART;TZID=Nowhere/Town:20260701T080000'),
      want: 'team.ics:4: unknown time zone "Nowhere/Town"',
    },
    {
      name: 'every second',
      text: calendarOf('UID:1\nDTSTART:20250101T000000Z\nDURATION:PT1S\nRRULE:FREQ=SECONDLY'),
      want: 'team.ics:4: the event recurs more than',
    },
    {
      name: 'every minute',
      text: calendarOf('UID:1\nDTSTART:20260101T000000Z\nDURATION:PT1S\nRRULE:FREQ=MINUTELY'),
      want: 'team.ics:4: it has more than 5000 entries',
    },
    { name: 'too large', text: ' '.repeat(5e6), want: 'team.ics: it is larger than' },
  ])('$name', async ({ text, want }) => {
    await expect(parseIcal(text, options)).rejects.toMatchObject({
      code: 'bad_calendar_file',
      message: expect.stringContaining(want),
    });
  });
});
