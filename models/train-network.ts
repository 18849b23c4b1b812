import { drawExamples } from '../src/forecast/regressor/examples.ts';
import { type Trained, trainNetwork } from '../src/forecast/regressor/train.ts';
import { seededRandom } from '../src/numeric/seeded-random.ts';
import { startBackend } from '../src/workers/load-regressor.ts';
import { loadTrainingData } from './training-data.ts';

export interface NetworkOptions {
  readonly seed: number;
  readonly rows: number;
  readonly epochs: number;
  readonly units: number;
  /** Sets of the training data to leave out. */
  readonly without: readonly string[];
  readonly say: (line: string) => void;
}

/** What the shipped network is trained with: about two minutes of CPU. */
export const SHIPPED = { seed: 1, rows: 120_000, epochs: 20, units: 64 } as const;

const VALIDATION_ROWS = 15_000;
const BATCH = 512;
const LEARNING_RATE = 0.002;
const PATIENCE = 5;

/** Trains a network across the permissive sets and generated series, as `npm run train:regressor` does. */
export async function trainAcrossSets({ seed, rows, epochs, units, without, say }: NetworkOptions): Promise<Trained> {
  await startBackend();
  const random = seededRandom(seed);
  const { training, validation } = await loadTrainingData(without, random);
  const examples = drawExamples(training, { count: rows, random });
  const judged = drawExamples(validation, { count: VALIDATION_ROWS, random });
  say(`${training.length} series to learn from, ${examples.count} rows; ${judged.count} rows to validate on`);
  return await trainNetwork(examples, judged, {
    seed,
    units,
    epochs,
    batch: BATCH,
    learningRate: LEARNING_RATE,
    patience: PATIENCE,
    onEpoch: ({ epoch, loss, validation: loses, best }) => {
      say(
        `epoch ${epoch} of ${epochs}: loss ${loss.toFixed(4)}, validation ${loses.toFixed(4)} (best ${best.toFixed(4)})`,
      );
      return false;
    },
  });
}
