import { expect, test } from 'vitest';
import { localStep, localSteps } from '../local-clock.ts';
import { appendValue, createTrack, type Track } from '../track.ts';
import { fitTransform, fromModel } from '../transform.ts';
import { holtWinters } from './holt-winters.ts';
import type { Model } from './model.ts';
import { mstl } from './mstl.ts';
import { theta } from './theta.ts';

const CONTEXT = { stepMs: 3_600_000, knots: Int32Array.of(1, 24), maxGap: 1, cycles: [24, 168], historyLength: 840 };
const day = (t: number) => 40 * Math.sin((2 * Math.PI * t) / 24);
const week = (t: number) => (Math.floor(t / 24) % 7 >= 5 ? -30 : 0);
const daily = (t: number) => 200 + day(t);
const weekly = (t: number) => 200 + day(t) + week(t);
const noise = (t: number) => ((t * 7919) % 31) / 10 - 1.5;

const EXPERTS = [
  { name: 'holt-winters', make: () => holtWinters(CONTEXT, 24), truth: daily },
  { name: 'theta', make: () => theta(168, 12), truth: weekly },
  { name: 'mstl', make: () => mstl([24, 168], 12), truth: weekly },
];

/** The clock is an hour ahead from `summer` on and back again from `winter` on. */
function trackWith(values: ArrayLike<number>, summer: number, winter: number): Track {
  const clock = { from: [summer, winter], shifts: [1, 0], unit: 1 };
  return createTrack(fitTransform(Float64Array.from(values)), 24, 1200, { clock });
}

function take(track: Track, model: Model, value: number): void {
  appendValue(track, value);
  model.append?.(track);
}

function predicted(model: Model, track: Track): Float64Array {
  const out = new Float64Array(4);
  model.predict(track, track.length - 1, Int32Array.of(1, 3, 12, 24), out);
  return out.map((z) => fromModel(track.transform, z));
}

// The level is raised after the last refit, and all of them notice. Half of the first days lie in another local time.
test.each([
  { zone: 'no change of the clock', summer: 5000, winter: 6000 },
  { zone: 'summer time within the history', summer: 500, winter: 6000 },
  { zone: 'winter after the last refit', summer: 400, winter: 900 },
  { zone: 'winter within the horizon', summer: 400, winter: 1003 },
])('experts with a running state continue local seasons and follow the level between refits: $zone', ({
  summer,
  winter,
}) => {
  for (const { name, make, truth } of EXPERTS) {
    const model = make();
    const values = Float64Array.from({ length: 840 }, () => 200);
    const track = trackWith(values, summer, winter);
    const at = (t: number) => truth(localStep(track, t));
    for (let t = 0; t < 840; t++) take(track, model, t === 300 ? Number.NaN : at(t) + noise(t));
    model.refit(track);
    const steps = [1, 3, 12, 24];
    predicted(model, track).forEach((value, i) => {
      expect(Math.abs(value - at(839 + steps[i]!)), `${name} before`).toBeLessThan(15);
    });
    for (let t = 840; t < 1000; t++) take(track, model, 1.2 * at(t) + noise(t));
    expect(localSteps(track, 999, 1)).toBe(1);
    predicted(model, track).forEach((value, i) => {
      expect(Math.abs(value - 1.2 * at(999 + steps[i]!)), `${name} after`).toBeLessThan(30);
    });
  }
});

test.each(EXPERTS)('$name: what is restored goes on as what was saved, and damaged bytes are refused', ({
  make,
  truth,
}) => {
  const track = trackWith([200, 210], 500, 5000);
  const model = make();
  for (let t = 0; t < 700; t++) take(track, model, truth(localStep(track, t)) + noise(t));
  expect([...predicted(model, track)].every(Number.isNaN)).toBe(true);
  const early = make();
  expect(early.restore!(model.save!(track), track)).toBe(true);
  expect([...predicted(early, track)].every(Number.isNaN)).toBe(true);
  model.refit(track);
  for (let t = 700; t < 800; t++) take(track, model, truth(localStep(track, t)) + noise(t));
  const saved = model.save!(track);
  const other = make();
  expect(other.restore!(saved.subarray(1), track)).toBe(false);
  expect(other.restore!(saved, track)).toBe(true);
  for (let t = 800; t < 830; t++) {
    appendValue(track, truth(localStep(track, t)) + noise(t));
    model.append!(track);
    other.append!(track);
  }
  predicted(other, track).forEach((value, i) => {
    expect(value).toBeCloseTo(predicted(model, track)[i]!, 3);
  });
});
