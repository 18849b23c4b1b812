import { expect, test } from 'vitest';
import { DAY, MINUTE } from '../model/time.ts';
import { fitForecaster } from './forecaster.ts';

/** Three days of history at steps of ten minutes, then three days that come hour by hour. */
const STEP = 10 * MINUTE;
const DAY_STEPS = DAY / STEP;
const LEARNT = 3 * DAY_STEPS;
const LENGTH = 6 * DAY_STEPS;
const WINDOW = 3;
const HORIZON = 6;

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (((state ^ (state >>> 15)) >>> 0) + 0.5) / 2 ** 32;
  };
}

type Random = () => number;
const normal = (random: Random) => Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
const wave = (t: number) => Math.sin((2 * Math.PI * t) / DAY_STEPS);

const KINDS: readonly { readonly name: string; readonly make: (random: Random) => (t: number) => number }[] = [
  { name: 'noise about a level', make: (random) => () => 100 + 10 * normal(random) },
  { name: 'a day and noise', make: (random) => (t) => 100 + 50 * wave(t) + 8 * normal(random) },
  {
    name: 'noise that grows with the load',
    make: (random) => (t) => (100 + 70 * wave(t)) * Math.exp(0.1 * normal(random)),
  },
  {
    name: 'a random walk',
    make(random) {
      let at = 500;
      return () => {
        at = Math.max(10, at + 5 * normal(random));
        return at;
      };
    },
  },
  {
    name: 'noise with a memory on a day',
    make(random) {
      let off = 0;
      return (t) => {
        off = 0.9 * off + 5 * normal(random);
        return 200 + 80 * wave(t) + off;
      };
    },
  },
  {
    name: 'bursts',
    make(random) {
      let burst = 0;
      return () => {
        burst = random() < 0.02 ? 100 + 200 * random() : 0.6 * burst;
        return 50 + burst + 3 * normal(random);
      };
    },
  },
  {
    name: 'growth by the day',
    make: (random) => (t) => (80 + 40 * wave(t)) * 1.1 ** (t / DAY_STEPS) + 4 * normal(random),
  },
];
const SEEDS = [11];

test('the upper 0.95 quantile of steps and of the peak holds in the first days after a cold start', () => {
  const shares = KINDS.map(({ name, make }) => {
    const held = { steps: 0, stepsAsked: 0, peaks: 0, peaksAsked: 0 };
    for (const seed of SEEDS) {
      const next = make(seeded(seed));
      const values = Float64Array.from({ length: LENGTH }, (_, t) => next(t));
      const history = { start: 0, stepMs: STEP, values: values.subarray(0, LEARNT) };
      const fit = fitForecaster(history, { horizonSteps: HORIZON, peakWindowMs: WINDOW * STEP });
      if (fit.kind !== 'fitted') throw new Error(fit.kind);
      for (let end = LEARNT; end + HORIZON <= LENGTH; end += WINDOW) {
        const { quantiles, peak } = fit.forecaster.predict();
        const upper = quantiles.find(({ quantile }) => quantile === 0.95)!.values;
        for (const [h, most] of upper.entries()) if (values[end + h]! <= most) held.steps++;
        held.stepsAsked += HORIZON;
        if (
          Math.max(...values.subarray(end, end + WINDOW)) <= peak.quantiles.find((one) => one.quantile === 0.95)!.value
        )
          held.peaks++;
        held.peaksAsked++;
        fit.forecaster.update(values.subarray(end, end + WINDOW));
        if ((end - LEARNT) % DAY_STEPS === DAY_STEPS - WINDOW) fit.forecaster.refit();
      }
    }
    return { name, steps: held.steps / held.stepsAsked, peaks: held.peaks / held.peaksAsked };
  });
  const mean = (of: (one: (typeof shares)[number]) => number) =>
    shares.reduce((sum, one) => sum + of(one), 0) / shares.length;
  const told = JSON.stringify(shares);
  expect(
    mean(({ steps }) => steps),
    told,
  ).toBeGreaterThan(0.9);
  expect(
    mean(({ peaks }) => peaks),
    told,
  ).toBeGreaterThan(0.9);
  // None is left out by the others' good luck.
  for (const { name, steps, peaks } of shares) expect(Math.min(steps, peaks), `${name} ${told}`).toBeGreaterThan(0.85);
});
