import { expect, test } from 'vitest';
import { DAY, MINUTE } from '../../model/time.ts';
import { seededRandom } from '../../numeric/seeded-random.ts';
import { readModel, SHIPPED_MODEL, startBackend } from '../../workers/load-regressor.ts';
import { drawExamples } from './examples.ts';
import { fineTune } from './fine-tune.ts';
import { generateSeries } from './generate.ts';
import { REGRESSOR_STEPS } from './regressor.ts';

const OPTIONS = { from: 'current', seed: 1, epochs: 2, rows: 1500 } as const;

test('fineTune() learns a rhythm that the shipped network cannot know, and is judged on what it did not learn from', async () => {
  await startBackend();
  // Seven steps up, seven steps down, and a jump: no load that a network has seen.
  const values = Float64Array.from({ length: 2500 }, (_, t) => 50 + 10 * (t % 14) * (t % 28 < 14 ? 1 : -0.3));
  const current = await readModel(SHIPPED_MODEL);
  const epochs: number[] = [];
  const tuned = await fineTune([{ start: 0, stepMs: 5 * MINUTE, values }], current, {
    ...OPTIONS,
    epochs: 4,
    rows: 3000,
    onEpoch: ({ epoch }) => epochs.push(epoch) > 99,
  });
  if (tuned.kind !== 'trained') throw new Error(tuned.kind);
  expect(epochs).toEqual([1, 2, 3, 4]);
  expect(tuned.isBetter).toBe(true);
  expect(tuned.scores.candidate).toBeLessThan(0.8 * tuned.scores.current);
  expect(tuned.file.version).not.toBe(current.version);
});

test.each([
  { name: 'a constant', values: new Float64Array(5000).fill(1) },
  { name: 'a short series', values: generateSeries(seededRandom(1), MINUTE, 300).values },
  { name: 'nothing but gaps', values: new Float64Array(5000).fill(Number.NaN) },
])('fineTune() learns nothing from $name', async ({ values }) => {
  const current = await readModel(SHIPPED_MODEL);
  const tuned = await fineTune([{ start: 0, stepMs: MINUTE, values }], current, OPTIONS);
  expect(tuned).toEqual({ kind: 'too-little', series: 1 });
});

test('drawExamples() takes no origin before the part that is judged', () => {
  const stepMs = 5 * MINUTE;
  // Flat until the judged part, and known after it only: a target from before would be zero.
  const values = Float64Array.from({ length: 3000 }, (_, t) => (t < 2000 ? 10 + (t % 2) : 1000 * (t - 1990)));
  const { targets, weights, count } = drawExamples(
    [{ series: { start: 0, stepMs, values }, weight: 1, judgedFrom: 2000 }],
    {
      count: 200,
      random: seededRandom(3),
    },
  );
  expect(count).toBe(200);
  for (let i = 0; i < count * REGRESSOR_STEPS.length; i++) if (weights[i]! > 0) expect(targets[i]).toBeGreaterThan(0);
});

test.each([
  MINUTE,
  5 * MINUTE,
  DAY / 24,
])('generateSeries() makes the same finite, not negative series from a seed at steps of %d ms', (stepMs) => {
  for (let seed = 0; seed < 30; seed++) {
    const one = generateSeries(seededRandom(seed), stepMs, 800);
    expect(one.values.every((value) => Number.isFinite(value) && value >= 0)).toBe(true);
    expect(generateSeries(seededRandom(seed), stepMs, 800)).toEqual(one);
  }
});
