import { expect, test } from 'vitest';
import { DAY, HOUR, WEEK } from '../model/time.ts';
import { calendarPolicyOf, calendarSpanOf, ForecastRequest } from './forecast-requests.ts';

const ASKED = { query: 'up', horizon: '1h' };

test('a request says of its calendar what a policy does, in seconds or ISO 8601', () => {
  const given = ForecastRequest.parse({
    ...ASKED,
    ...{ timeZone: 'Europe/Berlin', holidays: 'DE-BY', calendars: ['company.ics'] },
    exclude: [{ start: 0, end: '1970-01-02T00:00:00Z' }],
    events: [{ name: 'sale', start: '1970-01-03T00:00:00Z', end: 300_000, demandFactor: 3 }],
  });
  expect(calendarPolicyOf(given)).toEqual({
    ...{ timeZone: 'Europe/Berlin', holidays: 'DE-BY', calendars: ['company.ics'] },
    exclude: [{ start: 0, end: DAY }],
    events: [{ name: 'sale', start: 2 * DAY, end: 300_000_000, demandFactor: 3 }],
  });
});

test('without any, the calendar is the one of UTC', () => {
  const { holidays, ...rest } = calendarPolicyOf(ForecastRequest.parse(ASKED));
  expect(rest).toEqual({ timeZone: 'UTC', calendars: [], exclude: [], events: [] });
  expect(holidays).toBeUndefined();
});

test('a calendar is asked for as far as it can matter, however long the steps are', () => {
  const end = Date.UTC(2026, 0, 1);
  expect(calendarSpanOf({ start: end - WEEK, end, stepMs: HOUR }, DAY)).toEqual({ start: end - WEEK, end: end + DAY });
  const { start, end: last } = calendarSpanOf({ start: -8e15, end, stepMs: 1e6 * DAY }, 8e15);
  expect(end - start).toBeLessThan(100 * 365 * DAY);
  expect(last - end).toBeLessThan(10 * 365 * DAY);
});
