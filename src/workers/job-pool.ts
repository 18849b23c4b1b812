import { Worker } from 'node:worker_threads';
import type { ModelBytes } from '../forecast/regressor/model-file.ts';
import type { OwnModel } from '../forecast/regressor/model-version.ts';
import { type Job, type JobResult, jobDoer } from './jobs.ts';
import type { ThreadShare } from './thread-share.ts';

/** Does jobs in threads of its own, as many at once as it has threads; the others wait in order. */
export interface JobPool extends AsyncDisposable {
  /** @throws What the job threw; an error if its thread ended early; the signal's reason. */
  run<J extends Job>(job: J, options?: RunOptions): Promise<JobResult<J>>;
}

export interface RunOptions {
  /** Ends the job, the thread that does it included. */
  readonly signal?: AbortSignal;
  /** The tenant's own network; forecasts are made with the shipped one where it is left out, or cannot be used. */
  readonly own?: OwnModel | undefined;
}

/** What a job thread is started with. */
export interface JobThreadData {
  readonly shipped: ModelBytes | undefined;
  /** To the process's other threads. */
  readonly givesWay: boolean;
}

export interface JobMessage {
  readonly job: Job;
  readonly own: OwnModel | undefined;
}

interface Waiting {
  readonly message: JobMessage;
  readonly resolve: (result: never) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  /** What it works on. Undefined while it is idle. */
  current: Waiting | undefined;
  /** Of its share. */
  end: (() => void) | undefined;
  idleTimer: NodeJS.Timeout | undefined;
}

/** An idle thread is let go after this long: it holds tens of megabytes. */
const IDLE_MS = 30_000;

/**
 * @param most So many threads at most; they start when there is something to do. None: jobs are done here and now, as
 *   they are where the program runs uncompiled, since a thread could not read TypeScript.
 * @param shipped The network that forecasts are made with, checked; none: they are made without.
 * @param share What jobs share with other threads of this process, and give way to; none: they have all cores.
 */
export function openJobPool(most: number, shipped?: ModelBytes, share?: ThreadShare): JobPool {
  // Compiled or not, the thread's file is of the same kind as this one.
  if (most === 0 || import.meta.url.endsWith('.ts')) return inThisThread(shipped);
  const file = new URL('job-thread.js', import.meta.url);
  const threads = new Set<Thread>();
  const queue: Waiting[] = [];

  function next(): void {
    while (queue.length > 0) {
      const idle = [...threads].find(({ current }) => current === undefined);
      if (idle === undefined && threads.size >= most) return;
      const end = share?.beginJob();
      if (share !== undefined && end === undefined) return;
      const thread = idle ?? start();
      clearTimeout(thread.idleTimer);
      thread.end = end;
      thread.current = queue.shift()!;
      thread.worker.ref();
      thread.worker.postMessage(thread.current.message);
    }
  }

  function start(): Thread {
    const thread: Thread = {
      worker: new Worker(file, {
        workerData: { shipped, givesWay: share !== undefined } satisfies JobThreadData,
      }),
      current: undefined,
      end: undefined,
      idleTimer: undefined,
    };
    threads.add(thread);
    thread.worker.on('message', (answer: { readonly result?: never; readonly error?: unknown }) => {
      const { current } = thread;
      rest(thread);
      if ('error' in answer) current?.reject(answer.error);
      else current?.resolve(answer.result!);
      next();
    });
    thread.worker.on('error', (error) => drop(thread, error));
    thread.worker.on('exit', (code) => drop(thread, new Error(`cannot finish: its thread ended early (code ${code})`)));
    return thread;
  }

  /** It may wait for work, for a while, without keeping the program alive. */
  function rest(thread: Thread): void {
    thread.current = undefined;
    thread.worker.unref();
    thread.idleTimer = setTimeout(() => drop(thread, undefined), IDLE_MS);
    thread.idleTimer.unref();
    freed(thread);
  }

  /** Whoever waits for room begins at once. */
  function freed(thread: Thread): void {
    const { end } = thread;
    thread.end = undefined;
    end?.();
  }

  function drop(thread: Thread, reason: unknown): void {
    if (!threads.delete(thread)) return;
    clearTimeout(thread.idleTimer);
    thread.current?.reject(reason);
    void thread.worker.terminate();
    freed(thread);
    next();
  }

  function cancel(waiting: Waiting, reason: unknown): void {
    const at = queue.indexOf(waiting);
    if (at !== -1) {
      queue.splice(at, 1);
      waiting.reject(reason);
      return;
    }
    for (const thread of threads) if (thread.current === waiting) drop(thread, reason);
  }

  share?.onFree(next);
  return {
    run: async (job, { signal, own } = {}) => {
      signal?.throwIfAborted();
      let stop = () => {};
      try {
        return await new Promise((resolve, reject) => {
          const waiting = { message: { job, own }, resolve, reject };
          stop = () => cancel(waiting, signal?.reason);
          signal?.addEventListener('abort', stop);
          queue.push(waiting);
          next();
        });
      } finally {
        signal?.removeEventListener('abort', stop);
      }
    },
    async [Symbol.asyncDispose]() {
      const closed = new Error('cannot do a job: the pool is closed');
      for (const { reject } of queue.splice(0)) reject(closed);
      const ending = [...threads].map(({ worker }) => worker.terminate());
      for (const thread of threads) drop(thread, closed);
      await Promise.all(ending);
    },
  };
}

function inThisThread(shipped: ModelBytes | undefined): JobPool {
  const doJob = jobDoer(shipped);
  return {
    async run(job, { signal, own } = {}) {
      // Whatever waits for its turn gets it first: a loop over thousands of jobs must not hold the thread.
      await new Promise((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
      return await doJob(job, own);
    },
    async [Symbol.asyncDispose]() {},
  };
}
