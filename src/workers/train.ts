import { Worker } from 'node:worker_threads';
import type { FineTuned, FineTuneOptions, Scores } from '../forecast/regressor/fine-tune.ts';
import type { ModelBytes } from '../forecast/regressor/model-file.ts';
import type { TrainProgress } from '../forecast/regressor/train.ts';
import type { RegularSeries } from '../model/series.ts';

export interface TrainRequest extends Omit<FineTuneOptions, 'onEpoch'> {
  readonly series: readonly RegularSeries[];
  readonly current: ModelBytes;
}

export type TrainResult =
  | {
      readonly kind: 'trained';
      readonly version: string;
      readonly bytes: ModelBytes;
      readonly scores: Scores;
      readonly isBetter: boolean;
    }
  | Exclude<FineTuned, { kind: 'trained' }>;

export type TrainMessage = TrainResult | { readonly kind: 'progress'; readonly progress: TrainProgress };

/** Trains in a thread of its own: it takes seconds to minutes of CPU. Aborting ends it at once. */
export async function trainInThread(
  request: TrainRequest,
  { onProgress, signal }: { readonly onProgress: (progress: TrainProgress) => void; readonly signal?: AbortSignal },
): Promise<TrainResult> {
  signal?.throwIfAborted();
  // Compiled or not, the thread's file is of the same kind as this one.
  const file = new URL(import.meta.url.endsWith('.ts') ? 'train-thread.ts' : 'train-thread.js', import.meta.url);
  const worker = new Worker(file, { workerData: request });
  const stop = () => void worker.terminate();
  signal?.addEventListener('abort', stop);
  try {
    return await new Promise((resolve, reject) => {
      worker.on('message', (message: TrainMessage) => {
        if (message.kind === 'progress') onProgress(message.progress);
        else resolve(message);
      });
      worker.once('error', reject);
      worker.once('exit', () => reject(signal?.reason ?? new Error('cannot train: the thread ended early')));
    });
  } finally {
    signal?.removeEventListener('abort', stop);
    await worker.terminate();
  }
}
