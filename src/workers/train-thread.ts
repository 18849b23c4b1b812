import { parentPort, workerData } from 'node:worker_threads';
import { fineTune } from '../forecast/regressor/fine-tune.ts';
import { formatModel, parseModel } from '../forecast/regressor/model-file.ts';
import { giveWay } from './give-way.ts';
import { startBackend } from './load-regressor.ts';
import type { TrainMessage, TrainThreadData } from './train.ts';

const say = (message: TrainMessage) => parentPort?.postMessage(message);

const { series, current, inBackground, ...options } = workerData as TrainThreadData;
if (inBackground) giveWay('last');
await startBackend();
const tuned = await fineTune(series, parseModel(current), {
  ...options,
  onEpoch: (progress) => {
    say({ kind: 'progress', progress });
    return false;
  },
});
say(
  tuned.kind === 'trained'
    ? {
        kind: 'trained',
        version: tuned.file.version,
        bytes: formatModel(tuned.file),
        scores: tuned.scores,
        isBetter: tuned.isBetter,
      }
    : tuned,
);
