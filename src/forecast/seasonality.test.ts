import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HOUR, MINUTE } from '../model/time.ts';
import { explainSeasons, findSeasons } from './seasonality.ts';

function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31 - 0.5;
  };
}

const LENGTH = 840;

function seriesOf(make: (t: number, random: () => number) => number): Float64Array {
  const random = noise(42);
  return Float64Array.from({ length: LENGTH }, (_, t) => make(t, random));
}

const daily = (t: number) => 50 * Math.sin((2 * Math.PI * t) / 24);
const weekend = (t: number) => (Math.floor(t / 24) % 7 >= 5 ? -80 : 0);

function walk(): Float64Array {
  let at = 500;
  return seriesOf((_, random) => {
    at += random();
    return at;
  });
}

test.each([
  { name: 'a day', values: seriesOf((t, random) => 200 + daily(t) + 40 * random()), day: true },
  {
    name: 'a day and a week',
    values: seriesOf((t, random) => 200 + daily(t) + weekend(t) + 40 * random()),
    day: true,
    week: true,
  },
  {
    name: 'a day on a trend, with gaps of half a day',
    values: seriesOf((t) => (t % 100 < 12 ? Number.NaN : 200 + t + daily(t))),
    day: true,
  },
  { name: 'white noise', values: seriesOf((_, random) => 200 + 40 * random()), day: false },
  { name: 'a random walk', values: walk(), day: false },
  { name: 'a constant', values: seriesOf(() => 7), day: false },
  { name: 'all zero', values: seriesOf(() => 0), day: false },
  { name: 'only gaps', values: seriesOf(() => Number.NaN), day: false },
])('findSeasons(): $name', ({ values, day, week = false }) => {
  const found = findSeasons({ start: 0, stepMs: HOUR, values }).map(({ length }) => length);
  expect(found.includes(24)).toBe(day);
  if (week || !day) expect(found.includes(168)).toBe(week);
});

/** Four weeks of five minutes: noise, and what is added to it. */
function fourWeeks(add: (minute: number, random: () => number) => number): Float64Array {
  const random = noise(7);
  return Float64Array.from({ length: 8064 }, (_, t) => Math.max(0, 100 + 20 * random() + add(5 * t, random)));
}
const cron = (period: number) => (minute: number) => (minute % period < 5 ? 30 : 0);
const wave = (period: number) => (minute: number) => 8 * Math.sin((2 * Math.PI * minute) / period);
const day = wave(1440);

test.each([
  { name: 'a job every 40 minutes', values: fourWeeks(cron(40)), minutes: [40] },
  { name: 'a job every 40 minutes beside a day', values: fourWeeks((m) => cron(40)(m) + day(m)), minutes: [40, 1440] },
  { name: 'a batch every seven hours', values: fourWeeks((m) => (m % 420 < 120 ? 15 : 0)), minutes: [420] },
  { name: 'a rhythm of 90 minutes, which a day holds 16 times', values: fourWeeks(wave(90)), minutes: [90] },
  { name: 'a rhythm of 36 hours', values: fourWeeks(wave(36 * 60)), minutes: [36 * 60] },
  {
    name: 'a rhythm through a level shift, broken samples and a gap of a day',
    values: fourWeeks((m, random) => {
      if (m > 9000 && m < 9000 + 1440) return Number.NaN;
      return cron(40)(m) + (m > 20_000 ? 80 : 0) + (random() > 0.499 ? 5000 : 0);
    }),
    minutes: [40],
  },
  { name: 'bursts at random', values: fourWeeks((_, random) => (random() > 0.48 ? 300 : 0)), minutes: [] },
])('findSeasons() finds $name', ({ values, minutes }) => {
  const found = findSeasons({ start: 0, stepMs: 5 * MINUTE, values }).map(({ length }) => length * 5);
  expect(found.filter((length) => length !== 10_080)).toEqual(minutes);
});

test('explainSeasons() says what each candidate rests on, and why others are none', () => {
  const values = seriesOf((t, random) => 200 + daily(t) + 40 * random());
  const verdicts = Object.fromEntries(
    explainSeasons({ start: 0, stepMs: HOUR, values }).map((one) => [one.lengthMs / HOUR, one]),
  );
  expect(verdicts[1]!.verdict).toBe('too-few-steps');
  expect(verdicts[12]!.verdict).toBe('no-peak');
  expect(verdicts[24]).toMatchObject({ verdict: 'found', origin: 'calendar', cycles: 35 });
  expect(verdicts[24]!.strength).toBeGreaterThan(0.8);
  expect(verdicts[24]!.confidence).toBeGreaterThan(0.99);
  const short = explainSeasons({ start: 0, stepMs: HOUR, values: values.subarray(0, 100) });
  expect(short.find(({ length }) => length === 168)!.verdict).toBe('too-few-cycles');
});

test('findSeasons() does not depend on the unit, and answers any series', () => {
  const value = fc.oneof(fc.double(), fc.constant(Number.NaN), fc.integer({ min: -5, max: 5 }));
  fc.assert(
    fc.property(fc.array(value, { maxLength: 200 }), fc.constantFrom(MINUTE, HOUR), (values, stepMs) => {
      for (const one of explainSeasons({ start: 0, stepMs, values: Float64Array.from(values) })) {
        expect(Number.isFinite(one.autocorrelation) && Number.isFinite(one.strength)).toBe(true);
        expect(one.confidence).toBeGreaterThanOrEqual(0);
      }
    }),
    { numRuns: 50 },
  );
  const values = seriesOf((t, random) => 200 + daily(t) + weekend(t) + 40 * random());
  const lengths = (scale: number) =>
    findSeasons({ start: 0, stepMs: HOUR, values: values.map((x) => x * scale) }).map(({ length }) => length);
  expect(lengths(1e-9)).toEqual(lengths(1));
  expect(lengths(1e12)).toEqual(lengths(1));
});
