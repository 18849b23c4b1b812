import type { Leases } from '../kube/leases.ts';
import { type Membership, openMembership } from '../kube/membership.ts';
import { SECOND } from '../model/time.ts';
import { simClock } from './sim-clock.ts';

/** Processes that share targets by leases in memory, on a simulated clock. */
export interface LeaseWorld {
  /** Starts a process; its number is its place in `processes`. */
  start(): SimProcess;
  readonly processes: readonly SimProcess[];
  advance(ms: number): Promise<void>;
  /** Lets each process that begins be stopped, and waits for it. */
  end(): Promise<void>;
  /** Names of the leases that the API server has. */
  leases(): readonly string[];
}

export interface SimProcess {
  readonly name: string;
  readonly membership: Membership;
  /** It does nothing for so long, and then goes on where it was, as after SIGSTOP and SIGCONT. */
  freeze(ms: number): void;
  /** Its calls to the API server fail for so long, each after its timeout, though half of them arrive. */
  cutOff(ms: number): void;
  /** Its calls take so long each way from now on. */
  slow(ms: number): void;
  /** Somebody sets its machine's clock. */
  setWall(byMs: number): void;
  /** It ends at once, and gives nothing back. */
  kill(): void;
  /** It ends as it is asked to. */
  stop(): Promise<void>;
}

export const LEASE_MS = 15 * SECOND;
const TIMEOUT_MS = 3 * SECOND;

export function leaseWorld(): LeaseWorld {
  const clock = simClock(0);
  const records = new Map<string, number>();
  const processes: SimProcess[] = [];
  const runs: Promise<void>[] = [];
  const stops: AbortController[] = [];
  let version = 0;

  function start(): SimProcess {
    const name = `process-${processes.length}`;
    const stop = new AbortController();
    let frozenUntil = 0;
    let cutUntil = 0;
    let latency = 5;
    let calls = 0;
    let wall = 1_000_000_000 * (processes.length + 1);
    const thawed = async () => {
      while (clock.now() < frozenUntil) await clock.sleep(frozenUntil - clock.now(), stop.signal);
    };
    /** What arrives takes effect half way. */
    const call = async <T>(effect: () => T): Promise<T> => {
      await thawed();
      stop.signal.throwIfAborted();
      const cut = clock.now() < cutUntil;
      const arrives = !cut || calls++ % 2 === 0;
      await clock.sleep(Math.min(latency, TIMEOUT_MS), stop.signal);
      const answer = arrives && latency < TIMEOUT_MS ? effect() : undefined;
      await clock.sleep(cut ? TIMEOUT_MS : Math.min(latency, TIMEOUT_MS), stop.signal);
      await thawed();
      stop.signal.throwIfAborted();
      if (cut || latency >= TIMEOUT_MS) throw new Error('no answer');
      return answer as T;
    };
    const leases: Leases = {
      own: name,
      renew: () => call(() => void records.set(name, ++version)),
      list: () =>
        call(() => [...records].map(([each, at]) => ({ name: each, version: `${at}`, durationMs: LEASE_MS }))),
      remove: async ({ name: gone }) => void records.delete(gone),
    };
    const membership = openMembership({
      leases,
      clock: {
        now: () => clock.now() + wall,
        sleep: async (ms, signal) => {
          await clock.sleep(ms, signal);
          await thawed();
        },
      },
      monotonic: clock.now,
      durationMs: LEASE_MS,
      onFailure: () => {},
    });
    const running = membership.run(stop.signal);
    runs.push(running);
    stops.push(stop);
    const process: SimProcess = {
      name,
      membership,
      freeze: (ms) => {
        frozenUntil = Math.max(frozenUntil, clock.now() + ms);
      },
      cutOff: (ms) => {
        cutUntil = Math.max(cutUntil, clock.now() + ms);
      },
      slow: (ms) => {
        latency = ms;
      },
      setWall: (byMs) => {
        wall += byMs;
      },
      kill: () => stop.abort(),
      async stop() {
        stop.abort();
        await running;
        await membership.leave();
      },
    };
    processes.push(process);
    return process;
  }

  return {
    start,
    processes,
    advance: clock.advance,
    leases: () => [...records.keys()],
    async end() {
      for (const stop of stops) stop.abort();
      await clock.advance(10 * SECOND);
      await Promise.all(runs);
    },
  };
}
