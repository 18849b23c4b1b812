import type { Millis } from './time.ts';

/** Time for loops. Core functions take `now` as a number instead. */
export interface Clock {
  now(): Millis;
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
