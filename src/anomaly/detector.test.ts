import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DAY } from '../model/time.ts';
import { type Context, createDetector, type DetectorState, FIRST_NUMBERS, judge, type Verdict } from './detector.ts';
import { restoreDetector, saveDetector } from './saved-detector.ts';

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

/** Steps of time from backwards to long gaps, samples of any kind, and what may be known beside them. */
const anySample = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 60 }) },
  { weight: 1, arbitrary: fc.double() },
);
const anyForecast = fc.record({
  expected: fc.double({ noNaN: true, min: -1e3, max: 1e3 }),
  lower: fc.double({ noNaN: true, min: -1e3, max: 1e3 }),
  upper: fc.double({ noNaN: true, min: -1e3, max: 1e3 }),
});
const anyRow = fc.record({
  step: fc.oneof(
    { weight: 6, arbitrary: fc.constant(900) },
    { weight: 1, arbitrary: fc.integer({ min: -5, max: 90_000 }) },
  ),
  value: anySample,
  context: fc.record(
    { localOffsetMs: fc.constantFrom(0, 7_200_000), forecast: anyForecast, learn: fc.boolean() },
    { requiredKeys: [] },
  ),
});
interface Row {
  readonly step: number;
  readonly value: number;
  readonly context: Context;
}

function judgeRows(detector: DetectorState, rows: readonly Row[], start = 0): Verdict[] {
  let time = start;
  return rows.map(({ step, value, context }) => {
    time += step * 1000;
    return judge(detector, time, value, context);
  });
}

test('judge() depends on no later row, and every score is a number from 0 to 1', () => {
  fc.assert(
    fc.property(
      fc.array(anyRow, { minLength: 1, maxLength: 200, size: 'max' }),
      fc.array(anyRow, { maxLength: 50 }),
      (rows, later) => {
        const all = judgeRows(createDetector(), [...rows, ...later]);
        expect(judgeRows(createDetector(), rows)).toEqual(all.slice(0, rows.length));
        for (const { score } of all) expect(score >= 0 && score <= 1).toBe(true);
      },
    ),
    { numRuns: 30 },
  );
});

test('a detector that was saved and restored goes on with the same bits', () => {
  fc.assert(
    fc.property(fc.array(anyRow, { minLength: 2, maxLength: 400, size: 'max' }), fc.nat(), (rows, cut) => {
      const at = cut % rows.length;
      const detector = createDetector();
      judgeRows(detector, rows.slice(0, at));
      const restored = restoreDetector(saveDetector(detector))!;
      const start = rows.slice(0, at).reduce((sum, { step }) => sum + step * 1000, 0);
      expect(judgeRows(restored, rows.slice(at), start)).toEqual(judgeRows(detector, rows.slice(at), start));
      expect(saveDetector(restored)).toEqual(saveDetector(detector));
    }),
    { numRuns: 30 },
  );
});

test('restoreDetector() refuses what it did not save', () => {
  const bytes = saveDetector(createDetector());
  const otherVersion = bytes.slice();
  otherVersion[0]!++;
  for (const bad of [
    otherVersion,
    bytes.slice(1),
    bytes.slice(0, -8),
    new Uint8Array(0),
    new Uint8Array([...bytes, 0]),
  ])
    expect(restoreDetector(bad)).toBeUndefined();
  const within = Uint8Array.from([1, 2, 3, ...bytes, 4]).subarray(3, -1);
  expect(restoreDetector(within)).toEqual(createDetector());
});

test('restoreDetector() goes on with a state of the first version', () => {
  const rows = Array.from({ length: 3300 }, (_, t) => wave(t) + (t === 3100 ? 400 : 0));
  const detector = createDetector();
  for (const [t, value] of rows.slice(0, 3000).entries()) judge(detector, t * STEP, value);
  const { numbers, cells } = detector;
  const first = new Uint8Array(8 + 8 * FIRST_NUMBERS + 4 * cells.length);
  new Uint32Array(first.buffer, 0, 2).set([1, first.length]);
  first.set(new Uint8Array(numbers.buffer, 0, 8 * FIRST_NUMBERS), 8);
  first.set(new Uint8Array(cells.buffer, cells.byteOffset, cells.byteLength), 8 + 8 * FIRST_NUMBERS);
  const restored = restoreDetector(first)!;
  const later = (each: DetectorState) => rows.slice(3000).map((value, i) => judge(each, (3000 + i) * STEP, value));
  const verdicts = later(restored);
  expect(verdicts).toEqual(later(detector));
  expect(verdicts[100]!.anomaly).toBe(true);
  expect(restoreDetector(first.slice(0, -4))).toBeUndefined();
});

test('what a detector keeps is under 4 kB and does not grow', () => {
  const detector = createDetector();
  const bytes = saveDetector(detector).length;
  for (let t = 0; t < 5000; t++) judge(detector, t * STEP, wave(t));
  expect(saveDetector(detector).length).toBe(bytes);
  expect(bytes).toBeLessThan(3700);
});

test.each([
  { name: 'a constant', values: new Array(500).fill(3) },
  { name: 'all zero', values: new Array(500).fill(0) },
])('judge() has nothing to say about $name', ({ values }) => {
  expect(judgeAll(values).every(({ score, anomaly }) => score === 0 && !anomaly)).toBe(true);
});

test('judge() says that it learns until it has seen enough', () => {
  const verdicts = judgeAll(Array.from({ length: 200 }, (_, t) => (t === 50 || t === 190 ? 2000 : wave(t))));
  expect(verdicts[50]).toMatchObject({ learning: true, score: 0, anomaly: false });
  expect(verdicts.findIndex(({ learning }) => !learning)).toBe(89);
  expect(verdicts[190]).toMatchObject({ learning: false, part: 'jump', direction: 'up' });
  expect(verdicts[190]!.score).toBeGreaterThan(0);
});

test('judge() follows a sample that teaches nothing, and knows as much as before', () => {
  const detectors = [true, false].map((learn) => {
    const detector = createDetector();
    for (let t = 0; t < 3000; t++) judge(detector, t * STEP, wave(t));
    for (let t = 3000; t < 3100; t++) judge(detector, t * STEP, 3 * wave(t), { learn });
    for (let t = 3100; t < 3600; t++) judge(detector, t * STEP, wave(t), { learn });
    return detector;
  });
  const again = (detector: DetectorState) =>
    Array.from({ length: 60 }, (_, i) => judge(detector, (3600 + i) * STEP, 3 * wave(3600 + i)));
  const [taught, muted] = detectors.map(again) as [Verdict[], Verdict[]];
  expect(Math.max(...muted.map(({ score }) => score))).toBeGreaterThan(Math.max(...taught.map(({ score }) => score)));
});

test('judge() takes the days of the local time that it is told', () => {
  const offset = (t: number) => (t < 288 * 20 ? 0 : 3_600_000);
  // From day 20 on the clocks are an hour ahead, and the series with them.
  const local = (t: number) => Math.sin((2 * Math.PI * (t + offset(t) / STEP)) / 288) > 0.2;
  const flagged = (told: boolean) => {
    const detector = createDetector();
    const all = Array.from({ length: 288 * 24 }, (_, t) => {
      const value = 100 + (local(t) ? 60 : 0) + 10 * noise(t);
      return judge(detector, t * STEP, value, told ? { localOffsetMs: offset(t) } : {}).score;
    });
    return Math.max(...all.slice(288 * 20 + 20));
  };
  expect(flagged(true)).toBeLessThan(0.6);
  expect(flagged(false)).toBeGreaterThan(flagged(true));
});

test('judge() takes a forecast for what is expected, and finds what is not as forecast', () => {
  const detector = createDetector();
  // No rhythm of days: a week of seven levels, which the forecast knows.
  const week = [100, 160, 90, 170, 110, 30, 20];
  const usual = (t: number) => week[Math.floor(t / 288) % 7]! + 10 * noise(t);
  const verdicts = Array.from({ length: 288 * 21 }, (_, t) => {
    const expected = week[Math.floor(t / 288) % 7]!;
    const value = t >= 288 * 20.5 ? usual(t) + 15 : usual(t);
    return judge(detector, t * STEP, value, { forecast: { expected, lower: expected - 6, upper: expected + 6 } });
  });
  expect(verdicts[1000]).toMatchObject({ expected: week[3], lower: week[3]! - 6, upper: week[3]! + 6 });
  const found = verdicts.slice(288 * 20.5, 288 * 20.5 + 20);
  expect(found.find(({ anomaly }) => anomaly)).toMatchObject({ part: 'season', direction: 'up' });
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

test.each([
  { change: 'a spike', part: 'jump', direction: 'up', at: 3000 },
  { change: 'a drop to nothing', part: 'jump', direction: 'down', at: 3000 },
  { change: 'a level shift', part: 'shift', direction: 'up', at: 3012 },
  { change: 'a slow bleed', part: 'shift', direction: 'up', at: 3030 },
  { change: 'more variance', part: 'spread', direction: 'up', at: 3060 },
])('judge() says of $change what strikes: $part, $direction', ({ change, part, direction, at }) => {
  const verdicts = judgeAll(Array.from({ length: at + 1 }, (_, t) => CHANGES[change]!(t)));
  expect(verdicts.slice(3000).map((each) => `${each.part} ${each.direction}`)).toContain(`${part} ${direction}`);
});

test('judge() finds a series that used to move and stands still, at any level', () => {
  const values = Array.from({ length: 3400 }, (_, t) => (t >= 3000 && t < 3300 ? 100 : 100 + 10 * noise(t)));
  const verdicts = judgeAll(values);
  const found = verdicts.findIndex(({ anomaly, part }) => anomaly && part === 'flat');
  expect(found).toBeGreaterThanOrEqual(3024);
  expect(found).toBeLessThan(3060);
});

test('judge() is used to a series that often stands still', () => {
  const steps = Array.from({ length: 6000 }, (_, t) => Math.floor(noise(Math.floor(t / 37)) * 20));
  expect(judgeAll(steps).filter(({ part, anomaly }) => anomaly && part === 'flat')).toEqual([]);
});

/** Where anomalies are told of a series that is given two of the same changes, the second three hours after the end of the first. */
function toldOf(change: (value: number) => number, length: number, usual: (t: number) => number, stepMs = STEP) {
  const gap = (3 * 3_600_000) / stepMs;
  const isOn = (t: number) =>
    (t >= 3000 && t < 3000 + length) || (t >= 3000 + length + gap && t < 3000 + 2 * length + gap);
  const values = Array.from({ length: 3100 + 2 * (length + gap) }, (_, t) => (isOn(t) ? change(usual(t)) : usual(t)));
  const times = values.map((_, t) => t * stepMs);
  const told = judgeAll(values, times).flatMap(({ anomaly }, t) => (anomaly && t >= 3000 ? [t - 3000] : []));
  const second = length + gap;
  return {
    first: told.filter((t) => t < length),
    between: told.filter((t) => t >= length && t < second),
    second: told.filter((t) => t >= second && t < second + length).map((t) => t - second),
    after: told.filter((t) => t >= second + length),
  };
}
const level = (t: number) => 100 + 10 * noise(t);
const noisyDay = (t: number) => daily(t) + 10 * noise(t);

test.each([
  { name: 'a spike', length: 1, change: (value: number) => value + 200, usual: level },
  { name: 'half an hour of nothing', length: 6, change: () => 0, usual: level },
  { name: 'half an hour of twice as much', length: 6, change: (value: number) => 2 * value, usual: noisyDay },
  { name: 'two hours of half as much again', length: 24, change: (value: number) => value + 60, usual: noisyDay },
  { name: 'six hours of twice as much', length: 72, change: (value: number) => 2 * value, usual: level },
  { name: 'half an hour of nothing, minute by minute', length: 30, change: () => 0, usual: level, step: 60_000 },
])('judge() tells $name once, and a second time where it comes again after three quiet hours', (each) => {
  const { first, between, second, after } = toldOf(each.change, each.length, each.usual, each.step);
  expect(first.length).toBeGreaterThan(0);
  expect(first.every((at) => at < 3)).toBe(true);
  expect(second.length).toBeGreaterThan(0);
  expect(second.every((at) => at < 3)).toBe(true);
  expect([...between, ...after]).toEqual([]);
});

test('judge() is used to what came again and again for a week, at no time of the day', () => {
  const values = Array.from({ length: 288 * 30 }, (_, t) => level(t) + (t > 2000 && t % 84 === 0 ? 100 : 0));
  const told = judgeAll(values).flatMap(({ anomaly }, t) => (anomaly && t > 2000 ? [t] : []));
  expect(told.slice(0, 3)).toEqual([2016, 2100, 2184]);
  expect(told.filter((t) => t > 2000 + 288 * 7)).toEqual([]);
});

test.each([
  { name: '5 minutes', stepMs: STEP },
  { name: 'a minute', stepMs: 60_000 },
  { name: '15 minutes', stepMs: 900_000 },
])('judge() says nothing of a smooth daily cycle of which it knows a day or less, in steps of $name', ({ stepMs }) => {
  for (const phase of [0, 0.25, 0.5, 0.75]) {
    for (const noisy of [0.2, 2]) {
      const values = Array.from({ length: (3 * DAY) / stepMs }, (_, t) => {
        return 100 + 30 * Math.sin(2 * Math.PI * ((t * stepMs) / DAY + phase)) + noisy * noise(t);
      });
      const told = judgeAll(
        values,
        values.map((_, t) => t * stepMs),
      ).flatMap(({ anomaly, score }, t) => (anomaly ? [`${phase} ${noisy} ${t}: ${score}`] : []));
      expect(told).toEqual([]);
    }
  }
});

test.each([
  { name: 'twice as much at once', factor: () => 2 },
  { name: 'five times as much within three minutes', factor: (t: number) => 1 + 4 * Math.min(1, (t + 1) / 12) },
])('judge() finds within its first hours $name', ({ factor }) => {
  const values = Array.from({ length: 140 }, (_, t) => (t >= 120 ? factor(t - 120) : 1) * level(t));
  const times = values.map((_, t) => t * 15_000);
  expect(judgeAll(values, times).findIndex(({ anomaly }) => anomaly)).toBe(120);
});

test('judge() tells a line that stays flat for days once, and neither that it ends', () => {
  const values = Array.from({ length: 3000 + 288 * 5 }, (_, t) => (t >= 3000 && t < 3000 + 288 * 3 ? 100 : level(t)));
  const told = judgeAll(values).flatMap(({ anomaly }, t) => (anomaly && t >= 3000 ? [t] : []));
  expect(told.length).toBe(1);
});

test('judge() asks for more where samples come more often', () => {
  const scoreAt = (stepMs: number) => {
    const values = Array.from({ length: 1200 }, (_, t) => 100 + 10 * noise(t) + (t === 1199 ? 6 : 0));
    return judgeAll(
      values,
      values.map((_, t) => t * stepMs),
    ).at(-1)!.score;
  };
  const [often, usual, seldom] = [15_000, STEP, 3_600_000].map(scoreAt) as [number, number, number];
  expect(often).toBeLessThan(usual);
  expect(usual).toBeLessThan(seldom);
  expect(scoreAt(86_400_000)).toBeCloseTo(seldom, 1);
});
