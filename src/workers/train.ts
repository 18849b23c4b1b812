import { Worker } from 'node:worker_threads';
import type { TrainProgress } from '../forecast/regressor/train.ts';
import type { TrainRequest, TrainResult } from '../forecast/regressor/train-job.ts';

export type TrainMessage = TrainResult | { readonly kind: 'progress'; readonly progress: TrainProgress };

export interface TrainThreadOptions {
  readonly onProgress: (progress: TrainProgress) => void;
  readonly signal?: AbortSignal;
  /** The thread gives way to all that has something to do. Default false. */
  readonly inBackground?: boolean;
}

/** What a training thread is started with. */
export interface TrainThreadData extends TrainRequest {
  readonly inBackground: boolean;
}

/** The rows and the network take some ten megabytes; what takes more than this is damaged. */
const HEAP_MIB = 1024;

/** Trains in a thread of its own: it takes seconds to minutes of CPU. Aborting ends it at once. */
export async function trainInThread(
  request: TrainRequest,
  { onProgress, signal, inBackground = false }: TrainThreadOptions,
): Promise<TrainResult> {
  signal?.throwIfAborted();
  // Compiled or not, the thread's file is of the same kind as this one.
  const file = new URL(import.meta.url.endsWith('.ts') ? 'train-thread.ts' : 'train-thread.js', import.meta.url);
  const worker = new Worker(file, {
    workerData: { ...request, inBackground } satisfies TrainThreadData,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB },
  });
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
