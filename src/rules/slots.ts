import type { Millis } from '../model/time.ts';
import { hashOfLabels } from '../promql/labels-hash.ts';

const NANOS = 1_000_000n;

/** When a group is evaluated: a moment of its own within its interval, so that not all groups come at once. */
export interface Slots {
  /** The newest one that is not after `now`. */
  at(now: Millis): Millis;
  /** The one `count` after another that `at` gave. */
  after(slot: Millis, count?: number): Millis;
}

/**
 * Prometheus's slots, to the millisecond: the hash of a group's file and name says where in the interval they lie, so
 * they are the same after a restart, and for every replica that has the file at the same path.
 * @param intervalMs 1 or more.
 */
export function slotsOf(file: string, group: string, intervalMs: number): Slots {
  const interval = BigInt(intervalMs) * NANOS;
  const offset =
    hashOfLabels([
      ['file', file],
      ['name', group],
    ]) % interval;
  const number = (now: Millis): bigint => (BigInt(Math.floor(now)) * NANOS - offset) / interval;
  // A slot lies between two milliseconds, of which samples have the first.
  const slot = (n: bigint): Millis => Number((n * interval + offset) / NANOS);
  return {
    at(now) {
      const n = number(now);
      // The division leaves the rest of the offset's millisecond out.
      return slot(n + 1n) <= now ? slot(n + 1n) : slot(n);
    },
    after: (at, count = 1) => slot(number(at + 1) + BigInt(count)),
  };
}
