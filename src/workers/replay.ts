import { Worker } from 'node:worker_threads';
import type { SeriesCalendar } from '../forecast/calendar.ts';
import type { Samples } from '../model/series.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';

export interface ReplayRequest {
  readonly policy: ScalingPolicy;
  readonly demand: Samples;
  /** Local time and special days of the policy; without it seasons are those of UTC. */
  readonly calendar?: SeriesCalendar;
  /** From a pod's creation to Ready. */
  readonly startUpMs: number;
}

export interface ReplayResult {
  readonly strategy: string;
  readonly minutesOverCapacity: number;
  /** 0 to 1, of the judged time. */
  readonly overCapacityRatio: number;
  /** Demand that no replica carried, in the demand's unit times minutes. */
  readonly unmetDemand: number;
  readonly podHours: number;
}

/** Replays the last three days of a demand under each strategy, in a thread of its own: it takes seconds of CPU. */
export async function replayInThread(request: ReplayRequest, signal: AbortSignal): Promise<readonly ReplayResult[]> {
  signal.throwIfAborted();
  // Compiled or not, the thread's file is of the same kind as this one.
  const file = new URL(import.meta.url.endsWith('.ts') ? 'replay-thread.ts' : 'replay-thread.js', import.meta.url);
  const worker = new Worker(file, { workerData: request });
  const stop = () => void worker.terminate();
  signal.addEventListener('abort', stop);
  try {
    return await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      worker.once('exit', () => reject(signal.reason ?? new Error('cannot replay: the thread ended early')));
    });
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
