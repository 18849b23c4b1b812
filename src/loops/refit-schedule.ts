import type { Learnt } from '../model/saved-forecaster.ts';
import { DAY, HOUR, type Millis, WEEK } from '../model/time.ts';

export interface RefitDue {
  /** `cold`: everything anew on the whole history; `incremental`: from what came since. */
  readonly how: 'cold' | 'incremental';
  readonly reason: 'daily' | 'weekly' | 'longer-history';
}

/** A history this much longer than that of the last cold fit is worth another: a young series learns its first seasons so. */
const GROWTH = 0.25;
/** A history of nearly the policy's length grows no more. */
const WHOLE = 0.95;

/**
 * Whether a forecaster should learn now: once a day from what is new, once a week all over again, and all over again
 * while its history still grows. Each series has its own minute of the day and of the week, drawn by its id, so that
 * thousands do not all learn at once.
 *
 * @param wantedMs Length of history that the policy asks for.
 */
export function refitDue(id: string, learnt: Learnt, wantedMs: number, now: Millis): RefitDue | undefined {
  const { fittedAt, learntAt, historyMs } = learnt;
  if (historyMs < WHOLE * wantedMs && now - fittedAt >= Math.max(HOUR, GROWTH * historyMs)) {
    return { how: 'cold', reason: 'longer-history' };
  }
  if (isDue(id, fittedAt, WEEK, now)) return { how: 'cold', reason: 'weekly' };
  if (isDue(id, learntAt, DAY, now)) return { how: 'incremental', reason: 'daily' };
  return undefined;
}

function isDue(id: string, last: Millis, periodMs: number, now: Millis): boolean {
  // A clock that was ahead, and is set right, must not put learning off until it is there again.
  if (last > now + periodMs) return true;
  const slot = shareOf(id) * periodMs;
  // At least half a period lies between two: the first one after a fit would else come at any time.
  return Math.floor((now - slot) / periodMs) * periodMs + slot >= last + periodMs / 2;
}

/** FNV-1a with a last mixing step, so that the high bits differ too. 0 to 1. */
function shareOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32;
}
