import { type Millis, SECOND } from '../model/time.ts';

/** Tests of one receiver at once. */
const AT_ONCE = 3;
/** One more may be made after that. */
const EVERY_MS = 10 * SECOND;

/**
 * How often a receiver may be tested: whoever may ask for tests is not to flood it, past what its messages a minute are
 * bounded by.
 * @returns Of a key milliseconds until it may be, or undefined: it may be now, and counts.
 */
export function openTestPace(now: () => Millis): (key: string) => Millis | undefined {
  /** When it has had as many as if it had none, for each key. */
  const restedAt = new Map<string, Millis>();
  return (key) => {
    const at = now();
    // A clock that was set back keeps nobody waiting for long.
    const rested = Math.min(Math.max(restedAt.get(key) ?? at, at), at + AT_ONCE * EVERY_MS);
    const waitMs = rested + EVERY_MS - (at + AT_ONCE * EVERY_MS);
    if (waitMs > 0) return waitMs;
    for (const [other, when] of restedAt) if (when <= at) restedAt.delete(other);
    restedAt.set(key, rested + EVERY_MS);
    return undefined;
  };
}
