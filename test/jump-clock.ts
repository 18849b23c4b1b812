import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '../src/model/clock.ts';
import type { Millis } from '../src/model/time.ts';

/** Time for a whole program that runs for real: it stands still but for jumps, at which all that sleeps wakes once. */
export interface JumpClock extends Clock {
  /** Time passes, and nobody wakes yet. */
  pass(ms: number): void;
  /** Wakes whoever was to wake by now, and resolves when as many sleep as before. */
  wake(): Promise<void>;
  /** Resolves when exactly so many sleep. */
  settled(sleeping: number): Promise<void>;
}

const PATIENCE_MS = 30_000;

export function jumpClock(start: Millis): JumpClock {
  let now = start;
  const sleepers = new Set<{ readonly at: Millis; readonly wake: () => void }>();

  async function settled(sleeping: number): Promise<void> {
    const until = performance.now() + PATIENCE_MS;
    // What is waited for is disks and threads: their real time is looked at, not counted on.
    while (sleepers.size !== sleeping) {
      if (performance.now() > until) throw new Error(`${sleepers.size} sleep, not ${sleeping}`);
      await pause(1);
    }
  }

  return {
    now: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted === true) return reject(signal.reason);
        const onAbort = () => {
          sleepers.delete(sleeper);
          reject(signal?.reason);
        };
        const sleeper = {
          at: now + Math.max(1, ms),
          wake: () => {
            sleepers.delete(sleeper);
            signal?.removeEventListener('abort', onAbort);
            resolve();
          },
        };
        sleepers.add(sleeper);
        signal?.addEventListener('abort', onAbort, { once: true });
      }),
    pass(ms) {
      now += ms;
    },
    async wake() {
      const sleeping = sleepers.size;
      for (const { at, wake } of [...sleepers]) if (at <= now) wake();
      await settled(sleeping);
    },
    settled,
  };
}
