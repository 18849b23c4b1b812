import type * as Tf from '@tensorflow/tfjs-core';
import { type ModelFile, WEIGHT_NAMES, weightOf } from './model-file.ts';
import type { Regressor } from './regressor.ts';

/** Tensors are memory that nobody collects: a network that no forecaster has any more gives its own back. */
const forgotten = new FinalizationRegistry<readonly Tf.Tensor[]>((tensors) => {
  for (const tensor of tensors) tensor.dispose();
});

/** Rows computed at a time: more need memory and gain nothing. */
const MOST_ROWS = 4096;

/**
 * Inference on the backend of `tf` that is set: two hidden layers and a linear path beside them, as `train.ts` makes
 * them.
 */
export function openRegressor(tf: typeof Tf, file: ModelFile): Regressor {
  const tensors = WEIGHT_NAMES.map((name) => {
    const { shape, values } = weightOf(file, name);
    return tf.keep(tf.tensor(values, [...shape]));
  });
  const [first, firstBias, second, secondBias, deep, deepBias, direct] = tensors as [
    Tf.Tensor2D,
    Tf.Tensor1D,
    Tf.Tensor2D,
    Tf.Tensor1D,
    Tf.Tensor2D,
    Tf.Tensor1D,
    Tf.Tensor2D,
  ];
  const { inputs, steps, quantiles } = file.shape;
  const outputs = steps.length * quantiles.length;

  function infer(rows: Float32Array, count: number): Float32Array {
    let answers = new Float32Array(0);
    // What a tidy returns is searched for tensors, number by number: the answers must leave by another way.
    tf.tidy(() => {
      const x = tf.tensor2d(rows, [count, inputs]);
      const a = tf.fused.matMul({ a: x, b: first, bias: firstBias, activation: 'relu' });
      const b = tf.fused.matMul({ a, b: second, bias: secondBias, activation: 'relu' });
      const c = tf.fused.matMul({ a: b, b: deep, bias: deepBias });
      answers = tf.add(c, tf.matMul(x, direct)).dataSync() as Float32Array<ArrayBuffer>;
    });
    return answers;
  }

  const regressor: Regressor = {
    ...file.shape,
    version: file.version,
    backend: tf.getBackend(),
    predict(rows, count) {
      const out = new Float32Array(count * outputs);
      for (let from = 0; from < count; from += MOST_ROWS) {
        const size = Math.min(MOST_ROWS, count - from);
        out.set(infer(rows.subarray(from * inputs, (from + size) * inputs), size), from * outputs);
      }
      return out;
    },
  };
  forgotten.register(regressor, tensors);
  return regressor;
}
