import { type ModelBytes, parseModel, UnusableModelError } from '../forecast/regressor/model-file.ts';
import { readModelBytes, SHIPPED_MODEL } from '../workers/load-regressor.ts';

/** The network that comes with the program. Where it cannot be used, forecasts go on without it, and standard error says why. */
export async function shippedModel(): Promise<ModelBytes | undefined> {
  try {
    const bytes = await readModelBytes(SHIPPED_MODEL);
    parseModel(bytes);
    return bytes;
  } catch (error) {
    if (!(error instanceof UnusableModelError)) throw error;
    console.error(`${error.message} (${error.code}); forecasts are made without the network`);
    return undefined;
  }
}
