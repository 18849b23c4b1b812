import { Worker } from 'node:worker_threads';
import type { ForecastAnswer, ForecastDesk, ForecastRequest } from '../forecast/desk.ts';
import type { Clock } from '../model/clock.ts';
import { MINUTE } from '../model/time.ts';

/** Where batches of requests are worked on, one batch at a time. */
export interface Seat {
  post(batch: readonly ForecastRequest[]): void;
  /** Ends it, whatever it does. */
  close(): Promise<void>;
}

export interface SeatEvents {
  /** The first batch may be posted. */
  onReady(): void;
  /** One answer for each request of the batch, in its order. */
  onAnswers(answers: readonly ForecastAnswer[]): void;
  /** It ended unasked, and answers nothing any more. `index`: the request of the batch that it was at. */
  onEnd(end: { readonly reason: EndReason; readonly error?: Error; readonly index?: number }): void;
}

export type EndReason = 'exit' | 'exception' | 'out-of-memory' | 'unresponsive';

export type OpenSeat = (events: SeatEvents) => Seat;

/** What a thread is started with. */
export interface ForecastThreadData {
  /** 32 bits: the index of the request that is being worked on, -1 between batches. */
  readonly progress: SharedArrayBuffer;
}

export interface ThreadSeatOptions {
  /** The thread's entry file. Default: the program's own, compiled or not as this file is. */
  readonly file?: URL;
  readonly clock: Clock;
  /** A batch without an answer for so long is one that never ends: the thread is ended. Default one minute. */
  readonly limitMs?: number;
}

/** Typed arrays do not count: they hold nearly all that forecasters know. */
const HEAP_MIB = 1024;

/** A seat in a thread of its own. */
export function threadSeat({ file = ownThread(), clock, limitMs = MINUTE }: ThreadSeatOptions): OpenSeat {
  return ({ onReady, onAnswers, onEnd }) => {
    const progress = new Int32Array(new SharedArrayBuffer(4)).fill(-1);
    const workerData: ForecastThreadData = { progress: progress.buffer };
    const worker = new Worker(file, { workerData, resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB } });
    let ended = false;
    let batch = new AbortController();

    function end(reason: EndReason, error?: Error): void {
      if (ended) return;
      ended = true;
      batch.abort();
      const index = Atomics.load(progress, 0);
      onEnd({ reason, ...(error !== undefined && { error }), ...(index >= 0 && { index }) });
    }

    worker.on('message', (message: 'ready' | readonly ForecastAnswer[]) => {
      if (ended) return;
      batch.abort();
      if (message === 'ready') onReady();
      else onAnswers(message);
    });
    worker.once('error', (error: NodeJS.ErrnoException) =>
      end(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'out-of-memory' : 'exception', error),
    );
    worker.once('exit', () => end('exit'));
    return {
      post(requests) {
        batch = new AbortController();
        worker.postMessage(requests);
        const { signal } = batch;
        clock.sleep(limitMs, signal).then(
          () => {
            if (signal.aborted) return;
            end('unresponsive');
            void worker.terminate();
          },
          () => {},
        );
      },
      async close() {
        ended = true;
        batch.abort();
        await worker.terminate();
      },
    };
  };
}

/** A seat in this thread, a turn of the event loop for each request. For tests, and where no thread can be started. */
export function ownSeat(desk: () => ForecastDesk): OpenSeat {
  return ({ onReady, onAnswers }) => {
    const here = desk();
    let closed = false;
    setImmediate(onReady);
    return {
      post(batch) {
        const answers: ForecastAnswer[] = [];
        const next = () => {
          if (closed) return;
          answers.push(answerTimed(here, batch[answers.length]!));
          if (answers.length < batch.length) setImmediate(next);
          else onAnswers(answers);
        };
        setImmediate(next);
      },
      async close() {
        closed = true;
      },
    };
  };
}

/** The answer, with the time that it took where it is a forecast. */
export function answerTimed(desk: ForecastDesk, request: ForecastRequest): ForecastAnswer {
  const began = performance.now();
  const answer = desk.answer(request);
  return answer.kind === 'forecast' ? { ...answer, seconds: (performance.now() - began) / 1000 } : answer;
}

function ownThread(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? 'forecast-thread.ts' : 'forecast-thread.js', import.meta.url);
}
