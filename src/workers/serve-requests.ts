import { parentPort, workerData } from 'node:worker_threads';
import type { ForecastDesk, ForecastRequest } from '../forecast/desk.ts';
import { answerTimed, type ForecastThreadData, type ThreadMessage, type ThreadNote } from './forecast-seat.ts';

/** Answers the batches that this thread's owner posts, each in one message, and leaves a mark of where it is. */
export function serveRequests(desk: ForecastDesk, note?: ThreadNote): void {
  const port = parentPort!;
  const post = (message: ThreadMessage) => port.postMessage(message);
  const progress = new Int32Array((workerData as ForecastThreadData).progress);
  port.on('message', (batch: readonly ForecastRequest[]) => {
    const answers = batch.map((request, index) => {
      Atomics.store(progress, 0, index);
      return answerTimed(desk, request);
    });
    Atomics.store(progress, 0, -1);
    post({ kind: 'answers', answers });
  });
  if (note !== undefined) post({ kind: 'note', note });
  post({ kind: 'ready' });
}
