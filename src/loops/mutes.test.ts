import { expect, test } from 'vitest';
import { labelsOf } from '../model/labels.ts';
import { DEFAULT_TENANT, type TenantId } from '../model/tenant.ts';
import { HOUR, MINUTE, parseInstant } from '../model/time.ts';
import { calendarReader } from '../observe/policy-calendar.ts';
import { parsedPolicy } from '../testing/policy.ts';
import { openMutes } from './mutes.ts';

const at = (text: string) => parseInstant(text);
const ICS = `BEGIN:VCALENDAR\r
BEGIN:VEVENT\r
UID:1\r
DTSTART:20260601T100000Z\r
DTEND:20260601T110000Z\r
SUMMARY:sale\r
END:VEVENT\r
BEGIN:VEVENT\r
UID:2\r
DTSTART;VALUE=DATE:20260603\r
SUMMARY:closed\r
END:VEVENT\r
END:VCALENDAR\r
`;
const range = { start: at('2026-06-01'), end: at('2026-06-05') };
const policy = parsedPolicy('web', {
  target: { name: 'web' },
  demand: { name: 'rps', query: 'rps', capacity: { perReplica: 10 } },
  replicas: { min: 1, max: 50 },
  forecast: {
    calendars: ['shop.ics'],
    events: [{ name: 'launch', start: '2026-06-02T08:00:00Z', end: '2026-06-02T09:00:00Z', floor: 9 }],
  },
});
const stored = [{ tenant: DEFAULT_TENANT, policy }];
const demand = { tenant: DEFAULT_TENANT, demand: { policy, spec: policy.demands[0]! } };
const errors = { tenant: DEFAULT_TENANT, demand: undefined };
const web = labelsOf({ namespace: 'shop', deployment: 'web' });

function open(files: Record<string, string> = { 'shop.ics': ICS }) {
  let [reads, now] = [0, range.start];
  const calendarOf = calendarReader({
    holidays: async () => ({ entries: [], restDay: 0 }),
    async readFile(name) {
      reads++;
      if (files[name] === undefined) throw new TypeError('it is not there');
      return files[name];
    },
    onProblem: () => {},
  });
  return {
    mutes: openMutes({ calendarOf, now: () => now }),
    reads: () => reads,
    pass: (ms: number) => {
      now += ms;
    },
  };
}

test('entries of calendar files mute as declared events do; a day off mutes the demand alone', async () => {
  const { mutes } = open();
  const ofDemand = await mutes(demand, stored, range);
  const ofErrors = await mutes(errors, stored, range);
  const elsewhere = await mutes({ ...errors, tenant: 'other' as TenantId }, stored, range);
  for (const [time, isDemand, isErrors] of [
    ['2026-06-01T09:59:00Z', false, false],
    ['2026-06-01T10:00:00Z', true, true],
    ['2026-06-01T11:00:00Z', false, false],
    ['2026-06-02T08:30:00Z', true, true],
    ['2026-06-03T12:00:00Z', true, false],
  ] as const) {
    expect([ofDemand([], at(time)), ofErrors(web, at(time))], time).toEqual([isDemand, isErrors]);
    expect(ofErrors(labelsOf({ namespace: 'shop', deployment: 'pay' }), at(time))).toBe(false);
    expect(elsewhere(web, at(time))).toBe(false);
  }
});

test('a file is read once a minute, and one that is broken leaves the rest as it is', async () => {
  const files: Record<string, string> = { 'shop.ics': ICS };
  const { mutes, reads, pass } = open(files);
  for (let i = 0; i < 5; i++) await mutes(demand, stored, { start: range.start + i * MINUTE, end: range.end });
  expect(reads()).toBe(1);
  pass(HOUR);
  delete files['shop.ics'];
  expect((await mutes(demand, stored, range))([], at('2026-06-01T10:30:00Z'))).toBe(true);
  const none = await open({}).mutes(demand, stored, range);
  expect(none([], at('2026-06-01T10:30:00Z'))).toBe(false);
  expect(none([], at('2026-06-02T08:30:00Z'))).toBe(true);
});
