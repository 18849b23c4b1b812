import { expect, test } from 'vitest';
import { DAY, HOUR, MINUTE, WEEK } from '../model/time.ts';
import { refitDue } from './refit-schedule.ts';

const T0 = 20_000 * DAY;
const WHOLE = 28 * DAY;
const ids = Array.from({ length: 1000 }, (_, i) => `default/shop/policy-${i}/demand`);

test('ten thousand series that were fitted at once learn spread over the day, each once', () => {
  const hours = new Array<number>(24).fill(0);
  for (const id of ids) {
    const learnt = { fittedAt: T0, learntAt: T0, historyMs: WHOLE };
    const first = firstDue((now) => refitDue(id, learnt, WHOLE, now)?.reason === 'daily');
    expect(first - T0).toBeGreaterThanOrEqual(DAY / 2);
    hours[Math.floor((first % DAY) / HOUR)]!++;
    const again = { ...learnt, learntAt: first };
    const second = firstDue((now) => now > first && refitDue(id, again, WHOLE, now)?.reason === 'daily');
    expect(second - first).toBeLessThanOrEqual(DAY + 5 * MINUTE);
    expect(second - first).toBeGreaterThan(DAY - 5 * MINUTE);
  }
  // 1,000 over 24 hours: 42 in each, give or take three times the root.
  for (const count of hours) expect(Math.abs(count - 1000 / 24)).toBeLessThan(20);
});

test.each([
  { name: 'young, grown by a quarter', fitted: 4 * HOUR, age: HOUR, want: { how: 'cold', reason: 'longer-history' } },
  { name: 'young, not grown enough', fitted: 4 * DAY, age: HOUR, want: undefined },
  { name: 'of nearly the whole length', fitted: 27 * DAY, age: 6 * HOUR, want: undefined },
  { name: 'old', fitted: WHOLE, age: 11 * DAY, want: { how: 'cold', reason: 'weekly' } },
  { name: 'fitted by a clock that was ahead', fitted: WHOLE, age: -30 * DAY, want: { how: 'cold', reason: 'weekly' } },
])('refitDue() of a series that is $name', ({ fitted, age, want }) => {
  const learnt = { fittedAt: T0, learntAt: T0 + age, historyMs: fitted };
  expect(refitDue(ids[0]!, learnt, WHOLE, T0 + age)).toEqual(want);
});

test('a cold fit comes within every week and a half', () => {
  for (const id of ids.slice(0, 50)) {
    const learnt = { fittedAt: T0, learntAt: T0, historyMs: WHOLE };
    const first = firstDue((now) => refitDue(id, { ...learnt, learntAt: now }, WHOLE, now)?.reason === 'weekly');
    expect(first - T0).toBeGreaterThanOrEqual(WEEK / 2);
    expect(first - T0).toBeLessThanOrEqual(1.5 * WEEK + 5 * MINUTE);
  }
});

function firstDue(due: (now: number) => boolean): number {
  for (let now = T0; now < T0 + 2 * WEEK; now += 5 * MINUTE) if (due(now)) return now;
  throw new Error('never due');
}
