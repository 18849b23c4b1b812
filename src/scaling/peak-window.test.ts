import { expect, test } from 'vitest';
import { MINUTE } from '../model/time.ts';
import { peakWindowMs } from './peak-window.ts';

test.each([
  { name: 'half again a minute doubles in two', ratio: 0.5, minutes: 7 },
  { name: 'doubling takes one', ratio: 1, minutes: 6 },
  { name: 'more than doubling, too', ratio: 9, minutes: 6 },
  { name: 'a slow ramp counts up to its limit', ratio: 0.01, minutes: 15 },
  { name: 'so does none at all', ratio: 0, minutes: 15 },
])('peakWindowMs() $name', ({ ratio, minutes }) => {
  const window = { leadTimeMs: 3 * MINUTE, refreshMs: MINUTE, sampleAgeMs: MINUTE };
  expect(peakWindowMs({ ...window, ramp: { upRatioPerMinute: ratio } })).toBe(minutes * MINUTE);
});
