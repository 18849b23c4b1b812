import { Worker } from 'node:worker_threads';
import type { ForecastAnswer, ForecastDesk, ForecastRequest } from '../forecast/desk.ts';
import type { OwnModel } from '../forecast/regressor/model-version.ts';
import type { Clock } from '../model/clock.ts';
import { MINUTE } from '../model/time.ts';
import type { TenantModels } from './tenant-models.ts';

/** Where batches of requests are worked on, one batch at a time. */
export interface Seat {
  post(batch: readonly ForecastRequest[]): void;
  /** What learns from now on learns with this network. Not asked of a seat that has none. */
  takeUp?(change: NetworkChange): void;
  /** Ends it, whatever it does. */
  close(): Promise<void>;
}

/** A tenant's network in force; without one of its own it has the shipped one. */
export interface NetworkChange {
  readonly tenant: string;
  readonly own: OwnModel | undefined;
}

export interface SeatEvents {
  /** The first batch may be posted. */
  onReady(): void;
  /** One answer for each request of the batch, in its order. */
  onAnswers(answers: readonly ForecastAnswer[]): void;
  /** It has to do without the network of `models/`, or with a slower backend. */
  onNote?(note: ThreadNote): void;
  /** It ended unasked, and answers nothing any more. `index`: the request of the batch that it was at. */
  onEnd(end: { readonly reason: EndReason; readonly error?: Error; readonly index?: number }): void;
}

/** What a thread has to say of its network. */
export interface ThreadNote {
  /** A short stable word; `note` where the network works all the same. */
  readonly code: string;
  readonly message: string;
}

/** What a thread posts: that it can be asked, what its owner should know, or the answers of a batch. */
export type ThreadMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'note'; readonly note: ThreadNote }
  | { readonly kind: 'answers'; readonly answers: readonly ForecastAnswer[] };

export type EndReason = 'exit' | 'exception' | 'out-of-memory' | 'unresponsive';

export type OpenSeat = (events: SeatEvents) => Seat;

/** What a thread is started with. */
export interface ForecastThreadData {
  /** 32 bits: the index of the request that is being worked on, -1 between batches. */
  readonly progress: SharedArrayBuffer;
  /** The networks to forecast with; none where it is left out. */
  readonly models?: TenantModels;
}

export interface ThreadSeatOptions {
  /** The thread's entry file. Default: the program's own, compiled or not as this file is. */
  readonly file?: URL;
  readonly clock: Clock;
  /** A batch without an answer for so long is one that never ends: the thread is ended. Default one minute. */
  readonly limitMs?: number;
  /** The networks to forecast with. */
  readonly models?: TenantModels;
}

/** Typed arrays do not count: they hold nearly all that forecasters know. */
const HEAP_MIB = 1024;

/** A seat in a thread of its own. */
export function threadSeat({ file = ownThread(), clock, limitMs = MINUTE, models }: ThreadSeatOptions): OpenSeat {
  return ({ onReady, onAnswers, onEnd, onNote }) => {
    const progress = new Int32Array(new SharedArrayBuffer(4)).fill(-1);
    const workerData: ForecastThreadData = { progress: progress.buffer, ...(models && { models }) };
    const worker = new Worker(file, {
      workerData,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB, maxYoungGenerationSizeMb: 8 },
    });
    let ended = false;
    let batch = new AbortController();

    function end(reason: EndReason, error?: Error): void {
      if (ended) return;
      ended = true;
      batch.abort();
      const index = Atomics.load(progress, 0);
      onEnd({ reason, ...(error !== undefined && { error }), ...(index >= 0 && { index }) });
    }

    worker.on('message', (message: ThreadMessage) => {
      if (ended) return;
      switch (message.kind) {
        case 'ready':
          return onReady();
        case 'note':
          return onNote?.(message.note);
        case 'answers':
          batch.abort();
          return onAnswers(message.answers);
      }
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
      takeUp: (change) => worker.postMessage(change),
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
