import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DAY, HOUR, SECOND } from '../model/time.ts';
import { estimateLeadTime, MOST_STARTS, type PodStart, withStarts } from './lead-time-estimate.ts';

const NOW = 20_000 * DAY;
const startsOf = (seconds: readonly number[], ageMs = HOUR): PodStart[] =>
  seconds.map((ready, i) => ({
    uid: `${ageMs}-${i}`,
    createdAt: NOW - ageMs,
    scheduledMs: Math.max(0, ready - 30) * SECOND,
    readyMs: ready * SECOND,
  }));
const many = (count: number, seconds: number) => Array.from({ length: count }, () => seconds);

describe('estimateLeadTime()', () => {
  test.each([
    { name: 'too few pods', starts: startsOf([30, 30, 30, 30]), want: { kind: 'too-few', have: 4, need: 5 } },
    { name: 'what all of them took, and 15 s', starts: startsOf(many(8, 30)), want: { ms: 45 * SECOND } },
    { name: 'rounded up to 15 s', starts: startsOf(many(8, 31)), want: { ms: 60 * SECOND } },
    {
      name: 'the tail of nodes that had to be made',
      starts: [...startsOf(many(16, 30)), ...startsOf(many(4, 150), 2 * HOUR)],
      want: {
        ms: 165 * SECOND,
        figures: { pods: 20, p50Ms: 30 * SECOND, p95Ms: 150 * SECOND, scheduledP95Ms: 120 * SECOND },
      },
    },
    { name: 'one odd start of many is no tail', starts: startsOf([...many(30, 30), 300]), want: { ms: 45 * SECOND } },
    {
      name: 'a start of five weeks ago hardly counts',
      starts: [...startsOf(many(20, 30)), ...startsOf(many(20, 300), 35 * DAY)],
      want: { ms: 45 * SECOND },
    },
    { name: 'stays for little', starts: startsOf(many(8, 30)), before: 60 * SECOND, want: { ms: 60 * SECOND } },
    { name: 'falls for much', starts: startsOf(many(8, 30)), before: 120 * SECOND, want: { ms: 45 * SECOND } },
    { name: 'rises at once', starts: startsOf(many(8, 60)), before: 60 * SECOND, want: { ms: 75 * SECOND } },
  ])('$name', ({ starts, before, want }) => {
    expect(estimateLeadTime(starts, NOW, before)).toMatchObject(want);
  });

  test('longer starts never mean a shorter lead time', () => {
    const seconds = fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 5, maxLength: 60 });
    fc.assert(
      fc.property(seconds, fc.integer({ min: 0, max: 300 }), (each, more) => {
        const [less, longer] = [each, each.map((second) => second + more)].map((all) =>
          estimateLeadTime(startsOf(all), NOW),
        );
        if (less?.kind === 'learned' && longer?.kind === 'learned') expect(longer.ms).toBeGreaterThanOrEqual(less.ms);
      }),
    );
  });
});

describe('withStarts()', () => {
  test('counts a pod once, as it was first seen, and leaves out who took more than an hour', () => {
    const known = startsOf([30]);
    const again = [{ ...known[0]!, readyMs: 999 }, ...startsOf([3601], 2 * HOUR)];
    expect(withStarts(known, again)).toBe(known);
  });

  test('keeps the newest', () => {
    const kept = withStarts(startsOf(many(150, 30), DAY), startsOf(many(100, 40)));
    expect(kept).toHaveLength(MOST_STARTS);
    expect(kept.filter(({ readyMs }) => readyMs === 40 * SECOND)).toHaveLength(100);
  });
});
