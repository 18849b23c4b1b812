import type { Clock } from '../model/clock.ts';
import type { Millis } from '../model/time.ts';

export interface SimClock extends Clock {
  /** Moves time on to each wake-up in turn, and lets whoever wakes run until all sleep again. */
  advance(ms: number): Promise<void>;
  /** Somebody sets the clock: no time passes, and whoever sleeps sleeps for as long as before. */
  set(byMs: number): void;
}

interface Sleeper {
  at: Millis;
  readonly wake: () => void;
}

/** Time that passes only when a test says so: a day in milliseconds. */
export function simClock(start: Millis): SimClock {
  let now = start;
  let until = start;
  const sleepers = new Set<Sleeper>();
  return {
    now: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted === true) return reject(signal.reason);
        const sleeper: Sleeper = {
          at: now + Math.max(0, ms),
          wake: () => {
            signal?.removeEventListener('abort', onAbort);
            resolve();
          },
        };
        const onAbort = () => {
          sleepers.delete(sleeper);
          reject(signal?.reason);
        };
        signal?.addEventListener('abort', onAbort, { once: true });
        sleepers.add(sleeper);
      }),
    set(byMs) {
      now += byMs;
      for (const sleeper of sleepers) sleeper.at += byMs;
      until += byMs;
    },
    async advance(ms) {
      until = now + ms;
      await settle();
      for (;;) {
        const next = [...sleepers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        now = Math.max(now, next.at);
        sleepers.delete(next);
        next.wake();
        await settle();
      }
      now = until;
    },
  };
}

/** Lets promises that wait for nothing but each other run; a few turns, since each `await` may need one. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}
