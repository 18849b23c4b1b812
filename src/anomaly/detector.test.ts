import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createDetector, judge, type Verdict } from './detector.ts';

const STEP = 300_000;

function judgeAll(values: readonly number[], times = values.map((_, t) => t * STEP)): Verdict[] {
  const detector = createDetector();
  return values.map((value, i) => judge(detector, times[i]!, value));
}

const wave = (t: number) => 100 + 30 * Math.sin((2 * Math.PI * t) / 288) + ((t * 7919) % 11);

test('judge() finds a spike and a drop in a daily rhythm, and little else', () => {
  const values = Array.from({ length: 3000 }, (_, t) => wave(t) + (t === 2000 ? 200 : t === 2500 ? -90 : 0));
  const verdicts = judgeAll(values);
  expect(verdicts[2000]!.anomaly).toBe(true);
  expect(verdicts[2500]!.anomaly).toBe(true);
  expect(verdicts.filter(({ anomaly }) => anomaly).length).toBeLessThan(10);
});

test('judge() depends on no later row, and every score is a number from 0 to 1', () => {
  const row = fc.tuple(fc.integer({ min: -5, max: 500 }), fc.double());
  fc.assert(
    fc.property(fc.array(row, { minLength: 2, maxLength: 200 }), fc.array(row, { maxLength: 50 }), (rows, later) => {
      let time = 0;
      const stamped = [...rows, ...later].map(([step, value]) => {
        time += step * 1000;
        return { time, value };
      });
      const all = judgeAll(
        stamped.map(({ value }) => value),
        stamped.map((one) => one.time),
      );
      const first = stamped.slice(0, rows.length);
      expect(
        judgeAll(
          first.map(({ value }) => value),
          first.map((one) => one.time),
        ),
      ).toEqual(all.slice(0, rows.length));
      for (const { score } of all) expect(score >= 0 && score <= 1).toBe(true);
    }),
  );
});

test.each([
  { name: 'a constant', values: new Array(500).fill(3) },
  { name: 'all zero', values: new Array(500).fill(0) },
])('judge() has nothing to say about $name', ({ values }) => {
  expect(judgeAll(values).every(({ score, anomaly }) => score === 0 && !anomaly)).toBe(true);
});

test('judge() learns nothing from a row that is not newer', () => {
  const detector = createDetector();
  for (let t = 0; t < 200; t++) judge(detector, t * STEP, wave(t));
  const before = structuredClone(detector);
  judge(detector, 100 * STEP, 1e6);
  expect(detector).toEqual(before);
});

/** Repeatable noise in [-0.5, 0.5). */
function noise(t: number): number {
  const x = Math.sin(t * 12.9898) * 43758.5453;
  return x - Math.floor(x) - 0.5;
}

const daily = (t: number) => 100 + 30 * Math.sin((2 * Math.PI * t) / 288);
/** What goes wrong at sample 3000. */
const CHANGES: Readonly<Record<string, (t: number) => number>> = {
  'a spike': (t) => (t === 3000 ? 300 : daily(t) + 10 * noise(t)),
  'a drop to nothing': (t) => (t >= 3000 && t < 3020 ? 0 : daily(t) + 10 * noise(t)),
  'a level shift': (t) => (t >= 3000 ? 150 : 100) + 10 * noise(t),
  'a slow bleed': (t) => 100 + 10 * noise(t) + (t >= 3000 ? 0.5 * (t - 3000) : 0),
  'more variance': (t) => 100 + (t >= 3000 ? 60 : 10) * noise(t),
  'a flat line': (t) => (t >= 3000 && t < 3300 ? 50 : daily(t) + 10 * noise(t)),
};

test.each(Object.entries(CHANGES))('judge() finds %s soon, and tells it a few times at most', (_, change) => {
  const flagged = judgeAll(Array.from({ length: 4000 }, (_, t) => change(t))).flatMap(({ anomaly }, t) =>
    anomaly ? [t] : [],
  );
  const found = flagged.filter((t) => t >= 3000);
  expect(found[0]).toBeLessThan(3030);
  expect(found.length).toBeLessThanOrEqual(8);
  expect(flagged.length - found.length).toBeLessThanOrEqual(2);
});

test('judge() is used to what comes each day at the same time', () => {
  const atNoon = (t: number) => t % 288 === 144 && t > 600;
  const values = Array.from({ length: 288 * 28 }, (_, t) => 100 + 10 * noise(t) + (atNoon(t) ? 60 : 0));
  const flagged = judgeAll(values).flatMap(({ anomaly }, t) => (anomaly ? [t] : []));
  expect(flagged.filter((t) => t < 288 * 7).length).toBeGreaterThan(0);
  expect(flagged.filter((t) => t >= 288 * 21)).toEqual([]);
});
