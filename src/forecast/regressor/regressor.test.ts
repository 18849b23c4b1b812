import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { MINUTE } from '../../model/time.ts';
import { seededRandom } from '../../numeric/seeded-random.ts';
import { startBackend } from '../../workers/load-regressor.ts';
import { fitForecaster } from '../forecaster.ts';
import { network } from '../models/network.ts';
import { appendValue, createTrack, type Track } from '../track.ts';
import { fitTransform } from '../transform.ts';
import { drawExamples, type Examples } from './examples.ts';
import { generateSeries } from './generate.ts';
import { INPUT_COUNT, LEAST_ORIGIN, planInputs, writeInputs } from './inputs.ts';
import { formatModel, type ModelBytes, type ModelFile, parseModel } from './model-file.ts';
import type { Regressor } from './regressor.ts';
import { openRegressor } from './tf-regressor.ts';
import { trainNetwork } from './train.ts';

const STEP = 5 * MINUTE;
const HORIZONS = Int32Array.of(1, 2, 5, 12, 60, 120, 121);

function someExamples(seed: number): Examples {
  const random = seededRandom(seed);
  const sources = Array.from({ length: 6 }, () => ({ series: generateSeries(random, STEP, 900), weight: 1 }));
  return drawExamples(sources, { count: 400, random });
}

async function trained(seed: number): Promise<ModelFile> {
  const options = { seed, units: 8, epochs: 3, batch: 64, learningRate: 0.005, patience: 3 };
  return (await trainNetwork(someExamples(seed), someExamples(seed + 1), options)).file;
}

let file: ModelFile;
let regressor: Regressor;
let series: Float64Array;

beforeAll(async () => {
  await startBackend();
  file = await trained(7);
  regressor = openRegressor(tf, file);
  series = generateSeries(seededRandom(3), STEP, 700).values;
});

function trackOf(values: Float64Array, fittedOn = values): Track {
  const track = createTrack(fitTransform(fittedOn), 288);
  for (const value of values) appendValue(track, value);
  return track;
}

const CONTEXT = { stepMs: STEP, knots: Int32Array.of(1, 12), maxGap: 6, cycles: [], historyLength: 288 };

test('a model file is read as it was written', () => {
  const again = parseModel(formatModel(file));
  expect(again.version).toBe(file.version);
  expect(again.shape).toEqual(file.shape);
  expect(again.weights).toEqual(file.weights);
});

const DAMAGES: { name: string; damage: (bytes: ModelBytes) => ModelBytes; says: RegExp }[] = [
  { name: 'no JSON', damage: (b) => ({ ...b, model: b.model.subarray(0, 100) }), says: /not JSON/ },
  {
    name: 'other JSON',
    damage: (b) => ({ ...b, model: new TextEncoder().encode('[1]') }),
    says: /not one of a regressor/,
  },
  { name: 'weights cut short', damage: (b) => ({ ...b, weights: b.weights.subarray(0, 400) }), says: /has 400 bytes/ },
  {
    name: 'a flipped bit',
    damage: (b) => ({ ...b, weights: b.weights.map((byte, i) => (i === 77 ? byte ^ 4 : byte)) }),
    says: /not what model.json was written with/,
  },
  {
    name: 'another generation',
    damage: (b) => ({
      ...b,
      model: new TextEncoder().encode(
        new TextDecoder().decode(b.model).replace(`"inputs": ${INPUT_COUNT}`, '"inputs": 3'),
      ),
    }),
    says: /another generation/,
  },
  { name: 'nothing', damage: () => ({ model: new Uint8Array(), weights: new Uint8Array() }), says: /not JSON/ },
];

test.each(DAMAGES)('parseModel() refuses $name', ({ damage, says }) => {
  expect(() => parseModel(damage(formatModel(file)))).toThrow(says);
});

test('parseModel() throws nothing but its own error, whatever the bytes', () => {
  const good = formatModel(file);
  fc.assert(
    fc.property(fc.nat(good.model.length - 1), fc.uint8Array({ minLength: 1, maxLength: 8 }), (at, junk) => {
      const model = good.model.slice();
      model.set(junk.subarray(0, model.length - at), at);
      try {
        parseModel({ ...good, model });
      } catch (error) {
        expect(error).toMatchObject({ code: 'unusable_model' });
      }
    }),
    { numRuns: 60 },
  );
});

test('training is the same for the same seed, and learns', async () => {
  const again = await trained(7);
  expect(again.version).toBe(file.version);
  expect((await trained(8)).version).not.toBe(file.version);
});

test('training goes on from a network, and is not worse for it', async () => {
  const [examples, validation] = [someExamples(7), someExamples(8)];
  const options = { seed: 1, units: 8, epochs: 2, batch: 64, learningRate: 0.001, patience: 3 };
  const losses: number[] = [];
  await trainNetwork(examples, validation, { ...options, from: file, onEpoch: ({ best }) => losses.push(best) > 99 });
  const first: number[] = [];
  await trainNetwork(examples, validation, { ...options, onEpoch: ({ best }) => first.push(best) > 99 });
  expect(losses.at(-1)).toBeLessThan(first.at(-1)!);
});

test('TF.js itself reads the file and computes the same', async () => {
  const { loadLayersModel } = await import('@tensorflow/tfjs-layers');
  const { model, weights } = formatModel(file);
  const { modelTopology, weightsManifest } = JSON.parse(new TextDecoder().decode(model));
  const weightData = weights.slice().buffer;
  const loaded = await loadLayersModel(
    tf.io.fromMemory({ modelTopology, weightSpecs: weightsManifest[0].weights, weightData }),
  );
  const { inputs } = someExamples(5);
  const theirs = loaded.predict(tf.tensor2d(inputs, [inputs.length / INPUT_COUNT, INPUT_COUNT])) as tf.Tensor;
  expectClose(regressor.predict(inputs, inputs.length / INPUT_COUNT), await theirs.data());
});

test('wasm and cpu agree', async () => {
  const { inputs, count } = someExamples(5);
  const wasm = regressor.predict(inputs, count);
  expect(regressor.backend).toBe('wasm');
  await import('@tensorflow/tfjs-backend-cpu');
  await tf.setBackend('cpu');
  try {
    expectClose(openRegressor(tf, file).predict(inputs, count), wasm);
  } finally {
    await tf.setBackend('wasm');
  }
});

function expectClose(ours: ArrayLike<number>, theirs: ArrayLike<number>): void {
  expect(ours.length).toBe(theirs.length);
  let worst = 0;
  for (let i = 0; i < ours.length; i++) worst = Math.max(worst, Math.abs(ours[i]! - theirs[i]!));
  expect(worst).toBeLessThan(1e-4);
}

test('a row looks the same at any scale', () => {
  const [one, thousand] = [1, 1000].map((factor) => {
    const track = trackOf(series.map((value) => value * factor));
    const row = new Float32Array(INPUT_COUNT);
    writeInputs(planInputs(STEP), track, 600, row, 0);
    return row;
  });
  expectClose(one!, thousand!);
});

test('a thousand times the demand is a thousand times the forecast', () => {
  const [one, thousand] = [1, 1000].map((factor) => {
    const values = series.slice(0, 400).map((value) => value * factor);
    const fit = fitForecaster(
      { start: 0, stepMs: STEP, values },
      { horizonSteps: 12, peakWindowMs: STEP, models: ['network'], regressor },
    );
    if (fit.kind !== 'fitted') throw new Error(fit.kind);
    return fit.forecaster.predict().point;
  });
  for (let i = 0; i < 12; i++) expect(thousand![i]! / one![i]!).toBeCloseTo(1000, 1);
});

test('nothing after the origin is read, announced or not', () => {
  const past = series.slice(0, 500);
  const before = new Float64Array(HORIZONS.length);
  network(CONTEXT, regressor).predict(trackOf(past), 499, HORIZONS, before);
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.double(), fc.double({ min: 0, max: 1e4 })), { minLength: 1, maxLength: 40 }),
      (future) => {
        const longer = trackOf(Float64Array.from([...past, ...future]), past);
        for (const announced of [[], [300, 499, 500]]) {
          const model = network(CONTEXT, regressor);
          model.prepare!(longer, Int32Array.from(announced));
          const after = new Float64Array(HORIZONS.length);
          model.predict(longer, 499, HORIZONS, after);
          for (let i = 0; i < HORIZONS.length - 1; i++) expect(after[i]).toBeCloseTo(before[i]!, 5);
        }
      },
    ),
    { numRuns: 30 },
  );
});

test('between two steps the change is interpolated, beyond the last there is none', () => {
  const track = trackOf(series);
  const out = new Float64Array(HORIZONS.length);
  network(CONTEXT, regressor).predict(track, 600, Int32Array.of(4, 5, 6, 120, 121), out);
  expect(out[1]).toBeCloseTo((out[0]! + out[2]!) / 2, 10);
  expect(Number.isFinite(out[3])).toBe(true);
  expect(out[4]).toBeNaN();
});

const STRANGE: { name: string; values: Float64Array }[] = [
  { name: 'constant', values: new Float64Array(300).fill(5) },
  { name: 'all zero', values: new Float64Array(300) },
  { name: 'mostly gaps', values: Float64Array.from({ length: 300 }, (_, t) => (t % 20 === 0 ? t : Number.NaN)) },
  { name: 'negative', values: Float64Array.from({ length: 300 }, (_, t) => Math.sin(t)) },
  { name: 'enormous', values: Float64Array.from({ length: 300 }, (_, t) => 1e300 * (1 + Math.sin(t))) },
];

test.each(STRANGE)('the network has a finite answer to a series that is $name', ({ values }) => {
  const out = new Float64Array(3);
  network(CONTEXT, regressor).predict(trackOf(values), 299, Int32Array.of(1, 12, 48), out);
  expect(out.every(Number.isFinite)).toBe(true);
});

test('the network has nothing to say before it has seen enough', () => {
  const out = new Float64Array(1);
  network(CONTEXT, regressor).predict(trackOf(series), LEAST_ORIGIN - 1, Int32Array.of(1), out);
  expect(out[0]).toBeNaN();
});
