import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as Tf from '@tensorflow/tfjs-core';
import type { Network } from '../forecast/forecaster-options.ts';
import {
  type ModelBytes,
  type ModelFile,
  parseModel,
  UnusableModelError,
  WEIGHTS_FILE,
} from '../forecast/regressor/model-file.ts';
import type { Regressor } from '../forecast/regressor/regressor.ts';
import { openRegressor } from '../forecast/regressor/tf-regressor.ts';

/** For TF.js: `import` has Node look through its megabytes for names to export, which takes longer than running them. */
const require = createRequire(import.meta.url);

/** What became of loading: the network, or why forecasts have to do without it. */
export type LoadedRegressor =
  | { readonly kind: 'loaded'; readonly regressor: Regressor; readonly note?: string }
  | { readonly kind: 'unusable'; readonly code: string; readonly message: string };

/** The network that comes with the program. The folder lies beside `src` and `dist` alike. */
export const SHIPPED_MODEL = fileURLToPath(new URL('../../models/', import.meta.url));

/** @throws {UnusableModelError} If a file cannot be read. */
export async function readModelBytes(folder: string): Promise<ModelBytes> {
  try {
    const [model, weights] = await Promise.all([
      readFile(join(folder, 'model.json')),
      readFile(join(folder, WEIGHTS_FILE)),
    ]);
    return { model, weights };
  } catch (error) {
    throw new UnusableModelError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** Reads and checks both files of a folder. @throws {UnusableModelError} With what is wrong. */
export async function readModel(folder: string): Promise<ModelFile> {
  return parseModel(await readModelBytes(folder));
}

/**
 * Makes a network ready on the calling thread, a worker's or the main one: TF.js is loaded here and not before.
 * Never throws for a bad file: forecasts go on without the network, and the caller says so.
 */
export async function loadRegressor(bytes: ModelBytes): Promise<LoadedRegressor> {
  try {
    const file = parseModel(bytes);
    const { tf, note } = await startBackend();
    const regressor = openRegressor(tf, file);
    checkAnswers(regressor);
    return { kind: 'loaded', regressor, ...(note !== undefined && { note }) };
  } catch (error) {
    const code = error instanceof UnusableModelError ? error.code : 'unusable_backend';
    return { kind: 'unusable', code, message: error instanceof Error ? error.message : String(error) };
  }
}

/** The network of a folder, or why not. */
export async function loadRegressorFrom(folder: string): Promise<LoadedRegressor> {
  try {
    return await loadRegressor(await readModelBytes(folder));
  } catch (error) {
    if (!(error instanceof UnusableModelError)) throw error;
    return { kind: 'unusable', code: error.code, message: error.message };
  }
}

/** The network of a thread, opened when it is first asked for. */
export type NetworkSource = () => Promise<Network>;

/** Bytes that cannot be used give no network, and one warning on standard error. */
export function networkSource(bytes: ModelBytes | undefined): NetworkSource {
  let opening: Promise<Network> | undefined;
  return () => {
    opening ??= bytes === undefined ? Promise.resolve({}) : openNetwork(bytes);
    return opening;
  };
}

async function openNetwork(bytes: ModelBytes): Promise<Network> {
  const loaded = await loadRegressor(bytes);
  if (loaded.kind === 'loaded') return { regressor: loaded.regressor };
  process.emitWarning(`${loaded.message}; forecasts are made without the network`, { code: loaded.code });
  return {};
}

/** Names that an operator may install; not ours, and so no import that a bundler could resolve. */
const OPERATORS_BACKEND: string = '@tensorflow/tfjs-node';

/**
 * Sets the fastest backend that starts: the operator's tfjs-node, else WebAssembly, else plain JavaScript.
 * @returns TF.js, which of them it is on, and what was tried in vain.
 */
export async function startBackend(): Promise<{
  readonly tf: typeof Tf;
  readonly backend: string;
  readonly note?: string;
}> {
  const tf = require('@tensorflow/tfjs-core') as typeof Tf;
  // Before any backend, or TF.js greets on the console.
  tf.enableProdMode();
  const current = tf.engine().backendName;
  if (current !== undefined && current !== null && current !== '') return { tf, backend: current };
  let note: string | undefined;
  try {
    await import(OPERATORS_BACKEND);
    if (await tf.setBackend('tensorflow')) return { tf, backend: 'tensorflow' };
    note = `${OPERATORS_BACKEND} is installed, but does not share its tfjs-core with this program`;
  } catch (error) {
    const isMissing = (error as { code?: string }).code === 'ERR_MODULE_NOT_FOUND';
    if (!isMissing)
      note = `cannot load ${OPERATORS_BACKEND}: ${error instanceof Error ? error.message : String(error)}`;
  }
  try {
    require('@tensorflow/tfjs-backend-wasm');
    if (await tf.setBackend('wasm')) return { tf, backend: 'wasm', ...(note !== undefined && { note }) };
  } catch (error) {
    note = `cannot start the wasm backend: ${error instanceof Error ? error.message : String(error)}`;
  }
  require('@tensorflow/tfjs-backend-cpu');
  await tf.setBackend('cpu');
  return { tf, backend: 'cpu', note: note ?? 'the wasm backend does not start here' };
}

/** A backend that starts but computes nonsense is worse than none. */
function checkAnswers(regressor: Regressor): void {
  const out = regressor.predict(new Float32Array(2 * regressor.inputs).fill(0.1), 2);
  if (!out.every(Number.isFinite)) throw new UnusableModelError('its answers are not finite numbers');
}
