import { parentPort, workerData } from 'node:worker_threads';
import type { ForecastDesk, ForecastRequest } from '../forecast/desk.ts';
import {
  answerTimed,
  type ForecastThreadData,
  type NetworkChange,
  type ThreadMessage,
  type ThreadNote,
} from './forecast-seat.ts';

export interface ServeOptions {
  /** What the owner should know; the first is told, and emptied by whoever reads it. */
  readonly notes?: ThreadNote[];
  readonly takeUp?: (change: NetworkChange) => Promise<void>;
}

/** Answers the batches that this thread's owner posts, each in one message, and leaves a mark of where it is. */
export function serveRequests(desk: ForecastDesk, { notes = [], takeUp }: ServeOptions = {}): void {
  const port = parentPort!;
  const post = (message: ThreadMessage) => port.postMessage(message);
  const progress = new Int32Array((workerData as ForecastThreadData).progress);
  const tellNote = () => {
    const [note] = notes.splice(0);
    if (note !== undefined) post({ kind: 'note', note });
  };
  port.on('message', (message: readonly ForecastRequest[] | NetworkChange) => {
    if ('tenant' in message) {
      void takeUp?.(message).then(tellNote);
      return;
    }
    const batch = message;
    const answers = batch.map((request, index) => {
      Atomics.store(progress, 0, index);
      return answerTimed(desk, request);
    });
    Atomics.store(progress, 0, -1);
    post({ kind: 'answers', answers });
  });
  tellNote();
  post({ kind: 'ready' });
}
