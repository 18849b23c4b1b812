import { expect, test } from 'vitest';
import { SECOND } from '../model/time.ts';
import { openTestPace } from './test-pace.ts';

test('three tests of a receiver at once, then one each ten seconds; another receiver has its own', () => {
  let now = 1_000_000;
  const pace = openTestPace(() => now);
  expect([1, 2, 3].map(() => pace('a'))).toEqual([undefined, undefined, undefined]);
  expect(pace('a')).toBe(10 * SECOND);
  expect(pace('b')).toBeUndefined();
  now += 4 * SECOND;
  expect(pace('a')).toBe(6 * SECOND);
  now += 6 * SECOND;
  expect([pace('a'), pace('a')]).toEqual([undefined, 10 * SECOND]);
  now += 3600 * SECOND;
  expect([1, 2, 3].map(() => pace('a'))).toEqual([undefined, undefined, undefined]);
  // A clock that is set back.
  now -= 3600 * SECOND;
  expect(pace('a')).toBeLessThanOrEqual(10 * SECOND);
});
