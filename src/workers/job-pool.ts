import { Worker } from 'node:worker_threads';
import type { ModelBytes } from '../forecast/regressor/model-file.ts';
import { type Job, type JobResult, jobDoer } from './jobs.ts';

/** Does jobs in threads of its own, as many at once as it has threads; the others wait in order. */
export interface JobPool extends AsyncDisposable {
  /**
   * @param signal Ends the job, the thread that does it included.
   * @throws What the job threw; an error if its thread ended early; the signal's reason.
   */
  run<J extends Job>(job: J, signal?: AbortSignal): Promise<JobResult<J>>;
}

/** What a job thread is started with. */
export interface JobThreadData {
  readonly model: ModelBytes | undefined;
}

interface Waiting {
  readonly job: Job;
  readonly resolve: (result: never) => void;
  readonly reject: (error: unknown) => void;
}

interface Thread {
  readonly worker: Worker;
  /** What it works on. Undefined while it is idle. */
  current: Waiting | undefined;
  idleTimer: NodeJS.Timeout | undefined;
}

/** An idle thread is let go after this long: it holds tens of megabytes. */
const IDLE_MS = 30_000;

/**
 * @param most So many threads at most; they start when there is something to do. None: jobs are done here and now, as
 *   they are where the program runs uncompiled, since a thread could not read TypeScript.
 * @param model The network that forecasts are made with, checked; none: they are made without.
 */
export function openJobPool(most: number, model?: ModelBytes): JobPool {
  // Compiled or not, the thread's file is of the same kind as this one.
  if (most === 0 || import.meta.url.endsWith('.ts')) return inThisThread(model);
  const file = new URL('job-thread.js', import.meta.url);
  const threads = new Set<Thread>();
  const queue: Waiting[] = [];

  function next(): void {
    while (queue.length > 0) {
      const thread = [...threads].find(({ current }) => current === undefined) ?? (threads.size < most && start());
      if (thread === false) return;
      clearTimeout(thread.idleTimer);
      thread.current = queue.shift()!;
      thread.worker.ref();
      thread.worker.postMessage(thread.current.job);
    }
  }

  function start(): Thread {
    const thread: Thread = {
      worker: new Worker(file, { workerData: { model } satisfies JobThreadData }),
      current: undefined,
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
  }

  function drop(thread: Thread, reason: unknown): void {
    if (!threads.delete(thread)) return;
    clearTimeout(thread.idleTimer);
    thread.current?.reject(reason);
    void thread.worker.terminate();
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

  return {
    run: async (job, signal) => {
      signal?.throwIfAborted();
      let stop = () => {};
      try {
        return await new Promise((resolve, reject) => {
          const waiting = { job, resolve, reject };
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

function inThisThread(model: ModelBytes | undefined): JobPool {
  const doJob = jobDoer(model);
  return {
    async run(job, signal) {
      // Whatever waits for its turn gets it first: a loop over thousands of jobs must not hold the thread.
      await new Promise((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
      return await doJob(job);
    },
    async [Symbol.asyncDispose]() {},
  };
}
