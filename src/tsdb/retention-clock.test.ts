import { expect, test } from 'vitest';
import { DAY, HOUR } from '../model/time.ts';
import { retentionNow } from './retention-clock.ts';

const D = Date.parse('2026-08-03T00:00:00Z');
const daysAt = (...offsets: readonly number[]) => offsets.map((offset) => D + offset * DAY + HOUR);

test.each([
  { name: 'nothing is stored', days: [], now: D + 30 * DAY, want: D + 30 * DAY },
  { name: 'each day has samples', days: daysAt(-3, -2, -1, 0), now: D + 10 * HOUR, want: D + 10 * HOUR },
  { name: 'today has none on disk yet', days: daysAt(-3, -2, -1), now: D + 23 * HOUR, want: D + 23 * HOUR },
  { name: 'the clock jumped', days: daysAt(-2, -1, 0), now: D + 30 * DAY, want: D + 2 * DAY },
  { name: 'samples came with the jump', days: daysAt(-2, -1, 0, 30), now: D + 30 * DAY, want: D + 3 * DAY },
  { name: 'midnight came after the jump', days: daysAt(-1, 0, 30, 31), now: D + 31 * DAY, want: D + 4 * DAY },
  { name: 'the time is real: days went by', days: daysAt(0, 30, 31, 32), now: D + 33 * DAY, want: D + 33 * DAY },
  { name: 'the store is new', days: daysAt(0), now: D + 40 * DAY, want: D + 4 * DAY },
  { name: 'the clock went back', days: daysAt(-2, -1, 0), now: D - 5 * DAY, want: D - 5 * DAY },
])('retentionNow() where $name', ({ days, now, want }) => {
  expect(retentionNow(now, days)).toBe(want);
});
