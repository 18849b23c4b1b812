import { expect, test } from 'vitest';
import { DAY, HOUR, MINUTE, parseInstant } from '../model/time.ts';
import { zoneOffsets } from './calendar.ts';
import { awaitServed, awaitTruth, createChannel, settle } from './channel.ts';
import { fitForecaster } from './forecaster.ts';
import { conformalScratch } from './intervals.ts';

const TRANSFORM = { kind: 'linear', shift: 0, scale: 1 } as const;
const SPREAD = { spreadZ: 1, spreadY: 1 };

test.each([
  { name: 'the quantile that was served', upper: 5, covered: 1, loss: 0.05 * 2 + 0.5 * 2 },
  {
    name: 'the quantile around the mix, where no other was served',
    upper: Number.NaN,
    covered: 0,
    loss: 0.95 * 3 + 0.5 * 3,
  },
])('settle() counts $name', ({ upper, covered, loss }) => {
  const channel = createChannel(1, 1, {
    ...{ stride: 1, day: 24, warmUp: 0, naives: 2, sparse: true },
    scratch: conformalScratch(),
  });
  const at = (origin: number) => ({ turn: origin, origin });
  const step = (origin: number, y: number) => {
    awaitTruth(channel, at(origin), Float64Array.of(0), { from: 0, stride: 1 }, SPREAD);
    if (!Number.isNaN(upper)) awaitServed(channel, at(origin), (q) => (q === 0.5 ? 1 : upper));
    settle(channel, at(origin), { z: y, y, naives: [0, 0], naiveY: 0 }, TRANSFORM);
  };
  for (let origin = 0; origin < 30; origin++) step(origin, 0);
  const before = { ...channel.sums };
  channel.skill!.losses.fill(0);
  step(30, 3);
  expect(channel.sums.watched - before.watched).toBe(1);
  expect(channel.sums.covered - before.covered).toBe(covered);
  expect(channel.skill!.losses[0]).toBeCloseTo(loss, 6);
});

test.each([
  { name: 'forward', start: '2026-03-01T00:00:00Z', change: '2026-03-29T01:00:00Z' },
  { name: 'back', start: '2026-09-27T00:00:00Z', change: '2026-10-25T01:00:00Z' },
])('sparse demand by the clock on the wall is expected at its hour when that goes $name', ({ start, change }) => {
  const [from, to] = [parseInstant(start), parseInstant(change)];
  const step = 30 * MINUTE;
  const calendar = { offsets: zoneOffsets('Europe/Berlin', from, to + 10 * DAY) };
  const hourOf = (t: number) =>
    Math.floor(((((t + calendar.offsets.findLast((one) => one.from <= t)!.offsetMs) % DAY) + DAY) % DAY) / HOUR);
  // Between nine and ten something comes in two of three half hours, at other times hardly ever.
  const valueAt = (t: number, i: number) => (hourOf(t) === 9 ? (i * 7919) % 3 : (i * 7919) % 97 === 0 ? 1 : 0);
  const length = Math.round((to + 9 * HOUR - from) / step);
  const values = Float64Array.from({ length }, (_, i) => valueAt(from + i * step, i));
  const upperByHour = (options: object) => {
    const fit = fitForecaster(
      { start: from, stepMs: step, values },
      { horizonSteps: 48, peakWindowMs: HOUR, ...options },
    );
    if (fit.kind !== 'fitted') throw new Error(fit.kind);
    expect(fit.forecaster.models).toContain('intermittent');
    const path = fit.forecaster.predict().quantiles.find(({ quantile }) => quantile === 0.9)!.values;
    const sums = new Float64Array(24);
    path.forEach((value, h) => {
      const hour = hourOf(from + (length + h) * step);
      sums[hour] = sums[hour]! + value;
    });
    return sums.indexOf(Math.max(...sums));
  };
  expect(upperByHour({ calendar })).toBe(9);
  expect(upperByHour({})).not.toBe(9);
});
