import { expect, test } from 'vitest';
import { DAY, HOUR, MINUTE, parseInstant } from '../../model/time.ts';
import { openShortTally } from './short-so-far.ts';

const START = parseInstant('2026-02-28T22:00:00Z');
const MARCH = parseInstant('2026-03-01T00:00:00Z');

/** Rows a minute apart, each known a minute later, while three replicas of 10 run. */
function tallied(minutes: number, demandAt: (minute: number) => number) {
  const tally = openShortTally(10);
  for (let i = 0; i < minutes; i++) {
    const now = START + i * MINUTE;
    tally.ran(now, 3);
    tally.row(now - MINUTE, demandAt(i - 1));
  }
  return tally.soFar(START + minutes * MINUTE);
}

test.each([
  { name: 'nothing where all is carried, to the last of it', minutes: 60, demandAt: () => 30, wantMinutes: 0 },
  {
    name: 'each row above what ran in its minute',
    minutes: 60,
    demandAt: (i: number) => (i % 10 < 3 ? 31 : 30),
    wantMinutes: 18,
  },
  { name: 'nothing of before the first sync', minutes: 2, demandAt: (i: number) => (i < 0 ? 99 : 0), wantMinutes: 0 },
])('the month so far has $name', ({ minutes, demandAt, wantMinutes }) => {
  const { overMs, monthEnd } = tallied(minutes, demandAt);
  expect(overMs / MINUTE).toBe(wantMinutes);
  expect(monthEnd).toBe(MARCH);
});

test('a month begins with nothing, though a row of the old one is known late', () => {
  const tally = openShortTally(10);
  tally.ran(MARCH - 2 * MINUTE, 1);
  tally.ran(MARCH - MINUTE, 1);
  tally.row(MARCH - 2 * MINUTE, 0);
  expect(tally.soFar(MARCH)).toEqual({ monthStart: MARCH, monthEnd: MARCH + 31 * DAY, overMs: 0 });
  tally.row(MARCH - MINUTE, 99);
  expect(tally.soFar(MARCH + MINUTE).overMs).toBe(0);
});

test('a row after a gap stands for an hour at most', () => {
  const tally = openShortTally(10);
  tally.row(START, 0);
  tally.ran(START + 5 * HOUR, 1);
  tally.row(START + 5 * HOUR, 99);
  expect(tally.soFar(START + 5 * HOUR + MINUTE).overMs).toBe(HOUR);
});
