import { Worker } from 'node:worker_threads';
import type { Clock } from '../model/clock.ts';
import { MINUTE, SECOND } from '../model/time.ts';
import type { EndReason } from './forecast-seat.ts';

/** A thread that is there for as long as the program is: one that ends unasked is started again, after a rest. */
export interface KeptThread<In> {
  /** What is posted while there is no thread is lost: `greet` tells the next one what it has to know. */
  post(message: In): void;
  /** It is well: whatever ends it later, it is started again soon. */
  well(): void;
  /** It answers nothing any more: ends it, whatever it does, and starts it again. */
  replace(): void;
  /** Posts its last message, which it should end at; one that does not is ended. */
  close(last: In): Promise<void>;
}

export interface KeptThreadOptions<In, Out> {
  readonly file: URL;
  /** What each start of it is given. */
  readonly data: () => unknown;
  /** The first messages of each start. */
  readonly greet: () => readonly In[];
  readonly clock: Clock;
  readonly onMessage: (message: Out) => void;
  /** It ended unasked. */
  readonly onEnd: (reason: EndReason, error: Error | undefined) => void;
  /** Of its heap, MiB. */
  readonly heapMib: number;
  /** For it to end at its last message. Default 5 s. */
  readonly closeMs?: number;
}

const FIRST_REST_MS = SECOND / 4;
const LONGEST_REST_MS = MINUTE;

export function keepThread<In, Out>(options: KeptThreadOptions<In, Out>): KeptThread<In> {
  const { file, data, greet, clock, onMessage, onEnd, heapMib, closeMs = 5 * SECOND } = options;
  const stop = new AbortController();
  let worker: Worker | undefined;
  let failures = 0;

  function start(): void {
    const workerData = data();
    let started: Worker;
    try {
      started = new Worker(file, { workerData, resourceLimits: { maxOldGenerationSizeMb: heapMib } });
    } catch (error) {
      rest('exception', error as Error);
      return;
    }
    worker = started;
    started.on('message', (message: Out) => {
      if (worker === started) onMessage(message);
    });
    started.once('error', (error: NodeJS.ErrnoException) =>
      ended(started, error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'out-of-memory' : 'exception', error),
    );
    started.once('exit', () => ended(started, 'exit'));
    for (const message of greet()) started.postMessage(message);
  }

  function ended(which: Worker, reason: EndReason, error?: Error): void {
    if (worker !== which) return;
    worker = undefined;
    rest(reason, error);
  }

  function rest(reason: EndReason, error?: Error): void {
    const restMs = Math.min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** failures++);
    // Who is told may close it.
    onEnd(reason, error);
    clock.sleep(restMs, stop.signal).then(
      () => {
        if (!stop.signal.aborted) start();
      },
      () => {},
    );
  }

  start();
  return {
    post: (message) => worker?.postMessage(message),
    well() {
      failures = 0;
    },
    replace() {
      const stuck = worker;
      if (stuck === undefined) return;
      ended(stuck, 'unresponsive');
      void stuck.terminate();
    },
    async close(last) {
      stop.abort();
      const closing = worker;
      worker = undefined;
      if (closing === undefined) return;
      const late = new AbortController();
      const exited = new Promise<void>((resolve) => void closing.once('exit', () => resolve()));
      closing.postMessage(last);
      await Promise.race([exited, clock.sleep(closeMs, late.signal).catch(() => {})]);
      late.abort();
      await closing.terminate();
    },
  };
}
