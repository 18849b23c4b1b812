import { CodedError } from '../../model/errors.ts';
import { INPUT_COUNT } from './inputs.ts';
import { REGRESSOR_QUANTILES, REGRESSOR_STEPS, type RegressorShape } from './regressor.ts';

/** A network as it is kept: TF.js's layers format, so that `tf.loadLayersModel` reads it too. */
export interface ModelFile {
  readonly shape: RegressorShape;
  /** The digest of the weights: two networks of one version are the same. */
  readonly version: string;
  readonly topology: object;
  readonly weights: readonly ModelWeight[];
}

export interface ModelWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** Both files' bytes. */
export interface ModelBytes {
  readonly model: Uint8Array;
  readonly weights: Uint8Array;
}

/** The model's files cannot be used: damaged, cut short, or of another generation. Forecasts go on without it. */
export class UnusableModelError extends CodedError {
  override readonly name = 'UnusableModelError';
  readonly code = 'unusable_model';

  constructor(why: string, options?: ErrorOptions) {
    super(`cannot use the regressor's model: ${why}`, options);
  }
}

/** The file beside `model.json`. */
export const WEIGHTS_FILE = 'weights.bin';

/** Weights by name, in this order: what inference multiplies with. */
export const WEIGHT_NAMES = [
  'first/kernel',
  'first/bias',
  'second/kernel',
  'second/bias',
  'deep/kernel',
  'deep/bias',
  'direct/kernel',
] as const;

export function modelFileOf(topology: object, weights: readonly ModelWeight[]): ModelFile {
  const bytes = concatenated(weights);
  const shape = { inputs: INPUT_COUNT, steps: REGRESSOR_STEPS, quantiles: REGRESSOR_QUANTILES };
  return { shape, version: digestOf(bytes), topology, weights };
}

/** @throws {RangeError} If the file has no weight of that name. */
export function weightOf({ weights }: ModelFile, name: string): ModelWeight {
  const found = weights.find((weight) => weight.name === name);
  if (found === undefined) throw new RangeError(`name must be that of a weight, got ${name}`);
  return found;
}

/** The two files' bytes: `model.json` and `weights.bin`. */
export function formatModel({ shape, version, topology, weights }: ModelFile): ModelBytes {
  const document = {
    format: 'layers-model',
    generatedBy: 'foresail',
    convertedBy: null,
    userDefinedMetadata: { foresail: { ...shape, version } },
    modelTopology: topology,
    weightsManifest: [
      {
        paths: [WEIGHTS_FILE],
        weights: weights.map(({ name, shape: dimensions }) => ({ name, shape: dimensions, dtype: 'float32' })),
      },
    ],
  };
  return { model: new TextEncoder().encode(`${JSON.stringify(document, null, 1)}\n`), weights: concatenated(weights) };
}

/**
 * Reads both files and checks everything that inference relies on.
 * @throws {UnusableModelError} With what is wrong.
 */
export function parseModel(bytes: ModelBytes): ModelFile {
  const document = parseJson(bytes.model);
  const shape = document.userDefinedMetadata?.foresail;
  const specs = document.weightsManifest?.[0]?.weights;
  if (shape === undefined || !Array.isArray(specs) || document.modelTopology === undefined) {
    throw new UnusableModelError('model.json is not one of a regressor');
  }
  const isOfThisGeneration =
    shape.inputs === INPUT_COUNT && same(shape.steps, REGRESSOR_STEPS) && same(shape.quantiles, REGRESSOR_QUANTILES);
  if (!isOfThisGeneration) throw new UnusableModelError('it is of another generation: train it again');
  const length = specs.reduce((sum, spec) => sum + 4 * sizeOf(spec?.shape), 0);
  if (bytes.weights.length !== length) {
    throw new UnusableModelError(`${WEIGHTS_FILE} has ${bytes.weights.length} bytes, not ${length}`);
  }
  const version = digestOf(bytes.weights);
  if (version !== shape.version)
    throw new UnusableModelError(`${WEIGHTS_FILE} is not what model.json was written with`);
  // A copy: the bytes need not start at a multiple of four.
  const all = new Float32Array(bytes.weights.slice().buffer);
  if (!all.every(Number.isFinite)) throw new UnusableModelError('a weight is not a finite number');
  let from = 0;
  const weights = specs.map((spec) => {
    const size = sizeOf(spec.shape);
    from += size;
    return { name: spec.name, shape: spec.shape, values: all.subarray(from - size, from) };
  });
  checkShapes(weights);
  return {
    shape: { inputs: INPUT_COUNT, steps: REGRESSOR_STEPS, quantiles: REGRESSOR_QUANTILES },
    version,
    topology: document.modelTopology,
    weights,
  };
}

interface WrittenModel {
  readonly userDefinedMetadata?: { readonly foresail?: RegressorShape & { readonly version: string } };
  readonly modelTopology?: object;
  readonly weightsManifest?: readonly {
    readonly weights?: readonly { readonly name: string; readonly shape: readonly number[] }[];
  }[];
}

function parseJson(bytes: Uint8Array): WrittenModel {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof parsed === 'object' && parsed !== null ? parsed : {};
  } catch (error) {
    throw new UnusableModelError('model.json is not JSON', { cause: error });
  }
}

/** What is multiplied with what has to fit. */
function checkShapes(weights: readonly ModelWeight[]): void {
  const outputs = REGRESSOR_STEPS.length * REGRESSOR_QUANTILES.length;
  const shapeOf = (name: string) => weights.find((weight) => weight.name === name)?.shape ?? [];
  const [, units = 0] = shapeOf('first/kernel');
  const [, units2 = 0] = shapeOf('second/kernel');
  const wanted = [
    [INPUT_COUNT, units],
    [units],
    [units, units2],
    [units2],
    [units2, outputs],
    [outputs],
    [INPUT_COUNT, outputs],
  ];
  for (const [i, name] of WEIGHT_NAMES.entries()) {
    if (!same(shapeOf(name), wanted[i]!) || wanted[i]!.includes(0))
      throw new UnusableModelError(`the shape of ${name} is not what it has to be`);
  }
}

function sizeOf(shape: unknown): number {
  return Array.isArray(shape) ? shape.reduce<number>((size, side) => size * Number(side), 1) : Number.NaN;
}

function same(a: unknown, b: readonly number[]): boolean {
  return Array.isArray(a) && a.length === b.length && b.every((value, i) => value === a[i]);
}

function concatenated(weights: readonly ModelWeight[]): Uint8Array {
  const all = new Float32Array(weights.reduce((sum, { values }) => sum + values.length, 0));
  let from = 0;
  for (const { values } of weights) {
    all.set(values, from);
    from += values.length;
  }
  return new Uint8Array(all.buffer);
}

/** FNV-1a over 32 bits, twice with different starts: against damage, not against malice. */
function digestOf(bytes: Uint8Array): string {
  let a = 0x811c9dc5;
  let b = 0x1234567;
  for (const byte of bytes) {
    a = Math.imul(a ^ byte, 0x01000193);
    b = Math.imul(b ^ byte, 0x01000193) ^ (b >>> 15);
  }
  return [a, b].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
}
