import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import type { Examples } from './examples.ts';
import { INPUT_COUNT } from './inputs.ts';
import { type ModelFile, type ModelWeight, modelFileOf, WEIGHT_NAMES, weightOf } from './model-file.ts';
import { REGRESSOR_QUANTILES, REGRESSOR_STEPS } from './regressor.ts';

export interface TrainOptions {
  readonly seed: number;
  /** Units of both hidden layers. */
  readonly units: number;
  readonly epochs: number;
  readonly batch: number;
  readonly learningRate: number;
  /** Epochs without a better validation loss after which training ends. */
  readonly patience: number;
  /** Where to start from; new weights where it is left out. */
  readonly from?: ModelFile;
  /** Called after each epoch; true ends training. */
  readonly onEpoch?: (progress: TrainProgress) => boolean | Promise<boolean>;
}

export interface TrainProgress {
  readonly epoch: number;
  readonly epochs: number;
  /** Weighted pinball losses, means over quantiles: about half of the error over that of the last value. */
  readonly loss: number;
  readonly validation: number;
  readonly best: number;
}

export interface Trained {
  readonly file: ModelFile;
  readonly validation: number;
  readonly epochs: number;
}

const STEPS = REGRESSOR_STEPS.length;

/**
 * Fits the network by pinball loss with Adam, on the backend that is set. The learning rate falls along half a cosine;
 * what is returned are the weights of the best epoch. The same seed and examples give the same network on one machine.
 */
export async function trainNetwork(training: Examples, validation: Examples, options: TrainOptions): Promise<Trained> {
  const { epochs, batch, learningRate, seed, patience } = options;
  const model = networkOf(options);
  const topology = model.toJSON(undefined, false) as object;
  const variables = options.from === undefined ? variablesOf(model) : variablesOfFile(options.from);
  model.dispose();
  const optimizer = tf.train.adam(learningRate);
  const random = shuffleRandom(seed);
  const order = Uint32Array.from({ length: training.count }, (_, i) => i);
  let best = lossOver(variables, validation);
  let bestWeights = weightsOf(variables);
  let bestEpoch = 0;
  let epoch = 0;
  try {
    while (epoch < epochs) {
      shuffle(order, random);
      // TF.js lets the rate of an optimizer be set, but its types do not say so.
      (optimizer as unknown as { learningRate: number }).learningRate =
        learningRate * (0.02 + 0.49 * (1 + Math.cos((Math.PI * epoch) / epochs)));
      let sum = 0;
      let batches = 0;
      for (let from = 0; from === 0 || from + batch <= training.count; from += batch) {
        const rows = order.subarray(from, Math.min(from + batch, training.count));
        sum += stepOn(variables, optimizer, training, rows);
        batches++;
      }
      epoch++;
      const loss = lossOver(variables, validation);
      if (loss < best) {
        best = loss;
        bestEpoch = epoch;
        bestWeights = weightsOf(variables);
      }
      const stop = await options.onEpoch?.({ epoch, epochs, loss: sum / batches, validation: loss, best });
      if (stop === true || epoch - bestEpoch >= patience) break;
    }
    return { file: modelFileOf(topology, bestWeights), validation: best, epochs: epoch };
  } finally {
    optimizer.dispose();
    tf.dispose(variables);
  }
}

/** The mean weighted pinball loss of a network on examples that it need not have seen. */
export function lossOfFile(file: ModelFile, examples: Examples): number {
  const variables = variablesOfFile(file);
  const loss = lossOver(variables, examples);
  tf.dispose(variables);
  return loss;
}

type Variables = Readonly<Record<(typeof WEIGHT_NAMES)[number], tf.Variable>>;

/** Two hidden layers beside a linear path: most of what there is to know of load is linear. */
function networkOf({ seed, units }: { readonly seed: number; readonly units: number }): layers.LayersModel {
  const outputs = STEPS * REGRESSOR_QUANTILES.length;
  const input = layers.input({ shape: [INPUT_COUNT], name: 'inputs' });
  const dense = (name: string, size: number, offset: number, activation?: 'relu') =>
    layers.layers.dense({
      name,
      units: size,
      ...(activation && { activation }),
      kernelInitializer: layers.initializers.glorotUniform({ seed: seed + offset }),
    });
  const first = dense('first', units, 1, 'relu').apply(input);
  const second = dense('second', units, 2, 'relu').apply(first);
  const deep = dense('deep', outputs, 3).apply(second) as layers.SymbolicTensor;
  const direct = layers.layers
    .dense({ name: 'direct', units: outputs, useBias: false, kernelInitializer: 'zeros' })
    .apply(input) as layers.SymbolicTensor;
  const output = layers.layers.add({ name: 'outputs' }).apply([deep, direct]) as layers.SymbolicTensor;
  return layers.model({ inputs: input, outputs: output, name: 'regressor' });
}

function forward(v: Variables, x: tf.Tensor2D): tf.Tensor2D {
  const a = tf.relu(tf.add(times(x, v['first/kernel']), v['first/bias']));
  const b = tf.relu(tf.add(product(a as tf.Tensor2D, v['second/kernel']), v['second/bias']));
  const deep = tf.add(product(b as tf.Tensor2D, v['deep/kernel']), v['deep/bias']);
  return tf.add(deep, times(x, v['direct/kernel'])) as tf.Tensor2D;
}

/**
 * A matrix product whose gradient transposes first and multiplies then. On the WASM backend a product that transposes by
 * itself is not vectorised: 5.9 ms where these two take 1.1 (512 rows, measured), which is most of training.
 */
function product(x: tf.Tensor2D, kernel: tf.Tensor): tf.Tensor {
  return tf.customGrad((a, b, save) => {
    const [left, right] = [a as tf.Tensor2D, b as tf.Tensor2D];
    (save as tf.GradSaveFunc)([left, right]);
    return {
      value: tf.matMul(left, right),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => [
        tf.matMul(dy, tf.transpose(saved[1]!)),
        tf.matMul(tf.transpose(saved[0]!), dy),
      ],
    };
  })(x, kernel);
}

/** The same where nobody asks for the gradient of the inputs. */
function times(x: tf.Tensor2D, kernel: tf.Tensor): tf.Tensor {
  return tf.customGrad((b) => ({
    value: tf.matMul(x, b as tf.Tensor2D),
    gradFunc: (dy: tf.Tensor) => tf.matMul(tf.transpose(x), dy as tf.Tensor2D),
  }))(kernel);
}

function stepOn(variables: Variables, optimizer: tf.Optimizer, examples: Examples, rows: Uint32Array): number {
  const cost = tf.tidy(() => {
    const { inputs, targets, weights } = tensorsOf(examples, rows);
    return optimizer.minimize(
      () => pinball(forward(variables, inputs), targets, weights),
      true,
      Object.values(variables),
    )!;
  });
  const loss = cost.dataSync()[0]!;
  cost.dispose();
  return loss;
}

function lossOver(variables: Variables, examples: Examples): number {
  const size = 4096;
  let sum = 0;
  let total = 0;
  for (let from = 0; from < examples.count; from += size) {
    const rows = Uint32Array.from({ length: Math.min(size, examples.count - from) }, (_, i) => from + i);
    const loss = tf.tidy(() => {
      const { inputs, targets, weights } = tensorsOf(examples, rows);
      return pinball(forward(variables, inputs), targets, weights).dataSync()[0]!;
    });
    sum += loss * rows.length;
    total += rows.length;
  }
  return sum / total;
}

/** The mean over quantiles and weighted targets. */
function pinball(outputs: tf.Tensor2D, targets: tf.Tensor2D, weights: tf.Tensor2D): tf.Scalar {
  const losses = REGRESSOR_QUANTILES.map((quantile, i) => {
    const over = tf.sub(targets, tf.slice(outputs, [0, i * STEPS], [-1, STEPS]));
    return tf.mean(tf.mul(weights, tf.sub(tf.relu(over), tf.mul(1 - quantile, over))));
  });
  return tf.div(tf.addN(losses), losses.length) as tf.Scalar;
}

function tensorsOf({ inputs, targets, weights }: Examples, rows: Uint32Array) {
  return {
    inputs: tf.tensor2d(gather(inputs, rows, INPUT_COUNT), [rows.length, INPUT_COUNT]),
    targets: tf.tensor2d(gather(targets, rows, STEPS), [rows.length, STEPS]),
    weights: tf.tensor2d(gather(weights, rows, STEPS), [rows.length, STEPS]),
  };
}

function gather(values: Float32Array, rows: Uint32Array, width: number): Float32Array {
  const out = new Float32Array(rows.length * width);
  for (let i = 0; i < rows.length; i++) out.set(values.subarray(rows[i]! * width, (rows[i]! + 1) * width), i * width);
  return out;
}

function variablesOf(model: layers.LayersModel): Variables {
  return variablesBy((name) => model.weights.find(({ originalName }) => originalName === name)!.read());
}

function variablesOfFile(file: ModelFile): Variables {
  return variablesBy((name) => {
    const { shape, values } = weightOf(file, name);
    return tf.tensor(values, [...shape]);
  });
}

function variablesBy(tensorOf: (name: string) => tf.Tensor): Variables {
  return tf.tidy(
    () =>
      Object.fromEntries(
        // Named anew each time: TF.js refuses a second variable of the same name.
        WEIGHT_NAMES.map((name) => [name, tf.variable(tensorOf(name), true)]),
      ) as unknown as Variables & tf.TensorContainerObject,
  );
}

function weightsOf(variables: Variables): ModelWeight[] {
  return WEIGHT_NAMES.map((name) => {
    const variable = variables[name];
    return { name, shape: variable.shape.slice(), values: Float32Array.from(variable.dataSync()) };
  });
}

/** Xorshift32 (Marsaglia 2003): an order to go through the rows in. */
function shuffleRandom(seed: number): () => number {
  let state = (Math.imul(seed, 2_654_435_761) ^ 0x9e3779b9) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

function shuffle(order: Uint32Array, random: () => number): void {
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const kept = order[i]!;
    order[i] = order[j]!;
    order[j] = kept;
  }
}
