import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import { CAPACITY_STEP_MS, learnCapacity, obstacleText, steadyCapacity } from './capacity.ts';
import type { CapacityPairs } from './capacity-pairs.ts';

const NOW = 20_000 * DAY;

/** Pairs over the last days: a daily wave of load, and the utilization that `busy` makes of it, with some noise. */
function pairsOf(
  busy: (load: number, ageMs: number) => number,
  { days = 3, low = 20, high = 100, noise = 0.03, seed = 1 } = {},
): CapacityPairs {
  const count = Math.round((days * DAY) / CAPACITY_STEP_MS);
  const random = uniform(seed);
  const times = Float64Array.from({ length: count }, (_, i) => NOW - (count - i) * CAPACITY_STEP_MS);
  const loads = times.map((t) => low + (high - low) * (0.5 + 0.5 * Math.sin((2 * Math.PI * t) / DAY)));
  const utilizations = times.map((t, i) => Math.max(0, busy(loads[i]!, NOW - t) * (1 + noise * (2 * random() - 1))));
  return { times, loads, utilizations };
}

/** Lehmer's generator: a test must give the same every time. */
function uniform(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

const learn = (pairs: CapacityPairs, target = 0.8) => learnCapacity(pairs, { target, now: NOW });

describe('learnCapacity() learns', () => {
  test.each([
    // 0.8 at 0.008 a request is 100.
    { name: 'a line', busy: (x: number) => 0.008 * x, near: 100, limitedBy: undefined },
    { name: 'a line with some work at rest, safely', busy: (x: number) => 0.04 + 0.0076 * x, near: 98.5 },
    {
      name: 'what a saturated replica carried at most',
      busy: (x: number) => Math.min(0.7, 0.01 * x),
      near: 70,
      limitedBy: 'knee',
    },
    { name: 'no more than half beyond what it saw', busy: (x: number) => 0.004 * x, near: 150, limitedBy: 'range' },
    {
      name: 'from the recent past alone after a release',
      busy: (x: number, age: number) => (age < DAY ? 0.012 : 0.008) * x,
      near: 66.7,
      drift: 0.667,
    },
    {
      name: 'after a release that freed the replicas',
      busy: (x: number, age: number) => (age < 8 * HOUR ? 0.006 : 0.01) * x,
      near: 133,
      drift: 1.67,
    },
  ])('$name', ({ busy, near, limitedBy, drift }) => {
    const found = learn(pairsOf(busy));
    if (found.kind !== 'learned') throw new Error(obstacleText(found.why));
    expect(found.perReplica / near).toBeGreaterThan(0.96);
    expect(found.perReplica / near).toBeLessThan(1.04);
    if (near < 140) expect(found.limitedBy).toBe(limitedBy);
    if (drift === undefined) expect(found.drift).toBeUndefined();
    else expect(found.drift).toBeCloseTo(drift, 1);
  });

  test('where the reactive autoscaler keeps replicas as busy as they always are', () => {
    const found = learn(pairsOf((x) => 0.008 * x, { low: 85, high: 90 }));
    expect(found).toMatchObject({ kind: 'learned', perReplica: expect.closeTo(100, 0) });
  });

  test('sees no change where a quiet night differs from the day for what replicas do at rest', () => {
    for (let hour = 0; hour < 24; hour += 4) {
      const shifted = pairsOf((x) => 0.1 + 0.006 * x);
      const loads = shifted.times.map((t) => 60 + 40 * Math.sin((2 * Math.PI * (t + hour * HOUR)) / DAY));
      const found = learn({ ...shifted, loads, utilizations: loads.map((x) => 0.1 + 0.006 * x) });
      expect(found).not.toHaveProperty('drift');
    }
  });
});

describe('learnCapacity() says why not', () => {
  const random = uniform(7);
  test.each([
    { name: 'too short a past', pairs: pairsOf((x) => 0.008 * x, { days: 0.1 }), code: 'too-few-pairs' },
    { name: 'nothing known', pairs: pairsOf(() => Number.NaN), code: 'too-few-pairs' },
    { name: 'another thing that makes it busy', pairs: pairsOf(() => random() ** 4), code: 'unrelated' },
    { name: 'never busy', pairs: pairsOf((x) => 0.0005 * x), code: 'idle' },
    { name: 'no use at all', pairs: pairsOf(() => 0), code: 'unrelated' },
    { name: 'always saturated', pairs: pairsOf((x) => Math.min(0.9, 0.03 * x)), code: 'saturated' },
  ])('$name', ({ pairs, code }) => {
    const found = learn(pairs);
    expect(found).toMatchObject({ kind: 'not-learnable', why: { code } });
    if (found.kind === 'not-learnable') expect(obstacleText(found.why)).not.toMatch(/NaN|undefined|Infinity/);
  });
});

test('learnCapacity() gives a positive number or a reason for any pairs, plain JSON, and scales with the load', () => {
  const strange = fc.oneof({ weight: 9, arbitrary: fc.double({ min: 0, max: 500, noNaN: true }) }, fc.double());
  const any = fc.array(fc.tuple(strange, strange), { minLength: 40, maxLength: 120 }).map((rows) => ({
    times: Float64Array.from(rows, (_, i) => NOW - (rows.length - i) * 5 * MINUTE),
    loads: Float64Array.from(rows, ([load]) => load),
    utilizations: Float64Array.from(rows, ([, used]) => used / 500),
  }));
  fc.assert(
    fc.property(any, (pairs) => {
      const found = learn(pairs);
      if (found.kind === 'learned') {
        expect(found.perReplica).toBeGreaterThan(0);
        const doubled = learn({ ...pairs, loads: pairs.loads.map((load) => 2 * load) });
        if (doubled.kind === 'learned') expect(doubled.perReplica / found.perReplica).toBeCloseTo(2, 6);
      }
      expect(JSON.parse(JSON.stringify(found))).toEqual(found);
    }),
    { numRuns: 200 },
  );
});

test('steadyCapacity() stays for the sake of noise, and follows what is more than noise', () => {
  const [first, near, far] = [0.008, 0.00812, 0.0084].map((k) => learn(pairsOf((x) => k * x, { noise: 0 })));
  const perReplica = (reading: typeof first) => (reading?.kind === 'learned' ? reading.perReplica : Number.NaN);
  expect(perReplica(steadyCapacity(first, near!))).toBe(perReplica(first));
  expect(perReplica(steadyCapacity(first, far!))).toBe(perReplica(far));
});
