import type { BoardChange } from '../external-metrics/board-values.ts';
import type { ExternalMetricsTelemetry } from '../external-metrics/open-external-metrics.ts';
import type { Clock } from '../model/clock.ts';
import { SECOND } from '../model/time.ts';
import type { EndReason } from '../workers/forecast-seat.ts';
import { type KeptThread, keepThread } from '../workers/thread-keeper.ts';
import { type FromServer, startError, type ToServer } from './external-metrics-messages.ts';
import type { RunningServer, ServerOptions } from './external-metrics-server.ts';

export interface InThreadDeps {
  /** The thread's entry file. Default: the program's own, which has to be compiled. */
  readonly file?: URL;
  readonly clock: Clock;
  readonly telemetry: ExternalMetricsTelemetry;
  /** What a thread that knows nothing has to be told. */
  readonly everything: () => readonly BoardChange[];
  /** The thread ended unasked, or did not start again. Another is started. */
  readonly onEnd: (reason: EndReason | 'cannot-start', error: Error | undefined) => void;
  /** It serves again. */
  readonly onRestart: () => void;
  /** What the thread took since this was called last: CPU time, and time in which it was ready and waited for a core. */
  readonly onCpu: (cpuSeconds: number, waitSeconds: number) => void;
}

/** The thread cannot be started at all: the server has to be where it is called. */
export interface NoThread {
  readonly kind: 'no-thread';
  readonly reason: EndReason;
  readonly error: Error | undefined;
}

/** It holds about a kilobyte for each policy, and sockets: what takes more than this is a leak. */
const HEAP_MIB = 512;
/** Changes of one message: while it takes one up, the thread answers nobody. */
const CHANGES_AT_ONCE = 256;
/** A thread that does not so much as say that it is there within so many rounds is stuck. A process that was frozen wakes in one. */
const ROUNDS = 6;
const ROUND_MS = 10 * SECOND;

/**
 * Starts the server in a thread of its own, which answers from what it was told. Dead or stuck, it is started again at the
 * same port and told everything.
 *
 * @throws {CodedError} If the server cannot start, as `startServer` does.
 */
export async function startInThread(options: ServerOptions, deps: InThreadDeps): Promise<RunningServer | NoThread> {
  const { clock, telemetry } = deps;
  const { listen } = options.settings;
  let { port } = listen;
  let url = '';
  let isServing = false;
  let refusal: Error | undefined;
  let soFar = { cpuSeconds: 0, waitSeconds: 0 };
  /** Wake who waits for the thread to say that it is there, and that it refreshed. Called at its end too. */
  let onAlive = () => {};
  let onRefreshed = () => {};
  let changes: BoardChange[] = [];
  let last = Promise.resolve();

  return await new Promise<RunningServer | NoThread>((resolve, reject) => {
    let thread: KeptThread<ToServer>;
    let started = false;

    function hear(message: FromServer): void {
      switch (message.kind) {
        case 'serving':
          ({ port, url } = message);
          isServing = true;
          thread.well();
          if (started) {
            deps.onRestart();
            void refresh();
          }
          started = true;
          // Nobody listens any more but at the first time.
          resolve(running);
          break;
        case 'cannot-start':
          refusal = startError(message.failure, `${listen.host}:${port}`);
          thread.replace();
          break;
        case 'alive':
          onAlive();
          break;
        case 'refreshed':
          onRefreshed();
          break;
        case 'answers':
          for (const [i, outcome] of message.outcomes.entries()) telemetry.onAnswer(outcome, message.seconds[i]!);
          deps.onCpu(message.cpuSeconds - soFar.cpuSeconds, message.waitSeconds - soFar.waitSeconds);
          soFar = message;
          break;
        case 'error':
          telemetry.onError(message.error);
          break;
        case 'problem':
          telemetry.onProblem(message.what, message.problem);
          break;
        case 'failure':
          telemetry.onFailure(message.what);
          break;
        case 'certificate':
          telemetry.onCertificate(message.expiresAt);
          break;
      }
    }

    function ended(reason: EndReason, error: Error | undefined): void {
      isServing = false;
      soFar = { cpuSeconds: 0, waitSeconds: 0 };
      onAlive();
      onRefreshed();
      const why = refusal;
      refusal = undefined;
      if (started) {
        deps.onEnd(why === undefined ? reason : 'cannot-start', why ?? error);
        return;
      }
      void thread.close({ kind: 'close' });
      if (why === undefined) resolve({ kind: 'no-thread', reason, error });
      else reject(why);
    }

    async function refreshOnce(): Promise<void> {
      if (!isServing) return;
      const alive = new Promise<void>((done) => {
        onAlive = done;
      });
      const refreshed = new Promise<void>((done) => {
        onRefreshed = done;
      });
      thread.post({ kind: 'refresh' });
      if (await isHeard(alive, clock)) await refreshed;
      else thread.replace();
    }

    function refresh(): Promise<void> {
      last = last.then(refreshOnce);
      return last;
    }

    function flush(): void {
      const telling = changes;
      changes = [];
      for (let i = 0; i < telling.length; i += CHANGES_AT_ONCE) {
        thread.post({ kind: 'changes', changes: telling.slice(i, i + CHANGES_AT_ONCE) });
      }
    }

    const running: RunningServer = {
      get url() {
        return url;
      },
      get port() {
        return port;
      },
      apply(more) {
        if (changes.length === 0) setImmediate(flush);
        changes.push(...more);
      },
      refresh,
      close: () => thread.close({ kind: 'close' }),
    };
    thread = keepThread<ToServer, FromServer>({
      file: deps.file ?? new URL('external-metrics-thread.js', import.meta.url),
      data: () =>
        ({ ...options, settings: { ...options.settings, listen: { ...listen, port } } }) satisfies ServerOptions,
      greet() {
        const all = deps.everything();
        return Array.from({ length: Math.ceil(all.length / CHANGES_AT_ONCE) }, (_, i) => ({
          kind: 'changes',
          changes: all.slice(i * CHANGES_AT_ONCE, (i + 1) * CHANGES_AT_ONCE),
        }));
      },
      clock,
      onMessage: hear,
      onEnd: ended,
      heapMib: HEAP_MIB,
    });
  });
}

/** Whether it resolves while this process has had its time: one long sleep would not tell a stuck thread from a frozen process. */
async function isHeard(alive: Promise<void>, clock: Clock): Promise<boolean> {
  const stop = new AbortController();
  let heard = false;
  const hears = alive.then(() => {
    heard = true;
  });
  for (let round = 0; round < ROUNDS && !heard; round++) {
    await Promise.race([hears, clock.sleep(ROUND_MS, stop.signal).catch(() => {})]);
  }
  stop.abort();
  return heard;
}
