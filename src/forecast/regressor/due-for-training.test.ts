import { expect, test } from 'vitest';
import { DAY, HOUR, MINUTE } from '../../model/time.ts';
import { dueForTraining } from './due-for-training.ts';

const QUIET = { now: 100 * DAY, triedAt: 98 * DAY, everyMs: 7 * DAY, demands: 6, drifted: 0 };

test.each([
  { name: 'never tried', clock: { ...QUIET, triedAt: undefined }, want: { kind: 'due', reason: 'never-trained' } },
  { name: 'tried lately', clock: QUIET, want: { kind: 'not-due', at: 105 * DAY } },
  { name: 'a week ago', clock: { ...QUIET, triedAt: 93 * DAY }, want: { kind: 'due', reason: 'schedule' } },
  { name: 'half of the demands drifted', clock: { ...QUIET, drifted: 3 }, want: { kind: 'due', reason: 'drift' } },
  { name: 'two demands drifted', clock: { ...QUIET, drifted: 2 }, want: { kind: 'not-due', at: 105 * DAY } },
  {
    name: 'few of many drifted',
    clock: { ...QUIET, demands: 60, drifted: 6 },
    want: { kind: 'not-due', at: 105 * DAY },
  },
  {
    name: 'drift just after a try',
    clock: { ...QUIET, triedAt: 99.5 * DAY, drifted: 6 },
    want: { kind: 'not-due', at: 106.5 * DAY },
  },
  {
    name: 'in vain an hour ago, for the first time',
    clock: { ...QUIET, triedAt: 100 * DAY - HOUR, inVain: 1 },
    want: { kind: 'due', reason: 'retry' },
  },
  {
    name: 'in vain an hour ago, for the fifth time',
    clock: { ...QUIET, triedAt: 100 * DAY - HOUR, inVain: 5 },
    want: { kind: 'not-due', at: 100 * DAY + 100 * MINUTE },
  },
  {
    name: 'in vain a day ago, for the hundredth time',
    clock: { ...QUIET, triedAt: 99 * DAY, inVain: 100 },
    want: { kind: 'due', reason: 'retry' },
  },
  {
    name: 'tried by a clock that was a year ahead',
    clock: { ...QUIET, triedAt: 465 * DAY },
    want: { kind: 'due', reason: 'schedule' },
  },
])('dueForTraining() $name', ({ clock, want }) => {
  expect(dueForTraining(clock)).toEqual(want);
});
