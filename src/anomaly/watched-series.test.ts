import { expect, test } from 'vitest';
import { DAY, HOUR, MINUTE, type Millis, SECOND } from '../model/time.ts';
import { ALARM_DEFAULTS } from './alarm.ts';
import { judgeSample, restoreWatched, saveWatched, watchSeries } from './watched-series.ts';

/** Not random, and alike at no two times: -1 to 1. */
const noise = (time: Millis) => Math.sin(time / 7919) * Math.cos(time / 104_729);
const usual = (time: Millis) => (100 + 60 * Math.sin((2 * Math.PI * time) / DAY)) * (1 + 0.04 * noise(time));

test.each([
  { stepMs: 15 * SECOND, lastsMs: 2 * HOUR, from: 9 * HOUR },
  { stepMs: 15 * SECOND, lastsMs: 3 * HOUR, from: 21 * HOUR },
  { stepMs: MINUTE, lastsMs: 4 * HOUR, from: 14 * HOUR },
  { stepMs: 5 * MINUTE, lastsMs: 6 * HOUR, from: 3 * HOUR },
])('demand that has doubled for $lastsMs ms is one anomaly, which ends soon after it ($stepMs ms a step)', (of) => {
  const { stepMs, lastsMs } = of;
  const start = 4 * DAY + of.from;
  const series = watchSeries([]);
  const events: [kind: string, at: Millis][] = [];
  for (let time = 0; time < start + lastsMs + 3 * HOUR; time += stepMs) {
    const isDouble = time >= start && time < start + lastsMs;
    const { step } = judgeSample(series, ALARM_DEFAULTS, time, usual(time) * (isDouble ? 2 : 1), { muted: false });
    if (step.event !== undefined && time >= start - HOUR) events.push([step.event.kind, time - start]);
  }
  const told = events.filter(([kind]) => kind !== 'changed');
  expect(told.map(([kind]) => kind)).toEqual(['begun', 'ended']);
  expect(told[0]![1]).toBeLessThanOrEqual(3 * stepMs);
  expect(told[1]![1]).toBeGreaterThanOrEqual(lastsMs);
  expect(told[1]![1]).toBeLessThanOrEqual(lastsMs + 6 * stepMs);
});

test.each([Number.NEGATIVE_INFINITY, 5 * DAY])('a series that first came at %d is restored so', (firstAt) => {
  const series = Object.assign(watchSeries([]), { firstAt });
  expect(restoreWatched(saveWatched(series))!.firstAt).toBe(firstAt);
});
