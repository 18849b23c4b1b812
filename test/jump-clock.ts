import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '../src/model/clock.ts';
import type { Millis } from '../src/model/time.ts';

/** Time for a whole program that runs for real: it stands still but for jumps, at which all that sleeps wakes once. */
export interface JumpClock extends Clock {
  /**
   * Once nothing is under way, so much time passes; then `meanwhile` happens, and then all that slept before wakes that
   * was to wake by now. Resolves when it has settled.
   */
  jump(ms: number, meanwhile?: () => Promise<void>): Promise<void>;
  /** Resolves when the loops sleep, and nobody else: nothing is under way. */
  settled(): Promise<void>;
}

const PATIENCE_MS = 240_000;
/** Work that was only just asked for begins within so many looks. */
const LOOKS = 3;

/** Of the program, with neither points, tenants' rules nor an engine: all that sleep by its own signal. */
export const PROGRAM_LOOPS = 11;
/** Those of alerting that wait to be woken, and sleep meanwhile: who tells alerts, and who sends messages. */
const RESTING = 2;

/**
 * @param loops How many loops sleep while nothing is under way, and the signal that ends them, by which they are known
 *   from those who watch work in progress.
 */
export function jumpClock(start: Millis, loops: { readonly count: number; readonly signal: AbortSignal }): JumpClock {
  let now = start;
  const sleepers = new Set<{ readonly at: Millis; readonly isLoop: boolean; readonly wake: () => void }>();
  const sleeping = () => [...sleepers].filter(({ isLoop }) => isLoop).length;
  const isQuiet = () => sleeping() === loops.count && sleepers.size === loops.count + RESTING;

  async function settled(): Promise<void> {
    const until = performance.now() + PATIENCE_MS;
    // What is waited for is disks and threads: their real time is looked at, not counted on.
    for (let looks = 0; looks < LOOKS; looks = isQuiet() ? looks + 1 : 0) {
      if (performance.now() > until) {
        const seen = `${sleeping()} loops and ${sleepers.size - sleeping()} others`;
        throw new Error(`${seen} sleep, not ${loops.count} and ${RESTING}`);
      }
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
          isLoop: signal === loops.signal,
          wake: () => {
            sleepers.delete(sleeper);
            signal?.removeEventListener('abort', onAbort);
            resolve();
          },
        };
        sleepers.add(sleeper);
        signal?.addEventListener('abort', onAbort, { once: true });
      }),
    async jump(ms, meanwhile) {
      await settled();
      // Whoever begins to wait from here on waits from the new time.
      now += ms;
      const due = [...sleepers].filter(({ at }) => at <= now);
      await meanwhile?.();
      for (const { wake } of due) wake();
      await settled();
    },
    settled,
  };
}
