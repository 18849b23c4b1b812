import { DAY, MINUTE, type Millis } from '../../model/time.ts';

export interface TrainingClock {
  readonly now: Millis;
  /** When training was last tried, whatever became of it; undefined for never. */
  readonly triedAt: Millis | undefined;
  /** Time between two tries. */
  readonly everyMs: number;
  /** Demands, and how many of them were fitted anew because of drift since the last try. */
  readonly demands: number;
  readonly drifted: number;
  /** Tries in a row, the last one included, of which no version came. Default none. */
  readonly inVain?: number;
}

export type TrainingOccasion = 'never-trained' | 'schedule' | 'drift' | 'retry';

export type TrainingDue =
  | { readonly kind: 'due'; readonly reason: TrainingOccasion }
  | { readonly kind: 'not-due'; readonly at: Millis };

/** A change that a third of the demands went through is no accident of one of them. */
const DRIFTED_SHARE = 1 / 3;
const LEAST_DRIFTED = 3;
/** Drift brings the next try forward, but no nearer than this share of the schedule. */
const SOONEST_SHARE = 1 / 7;
/** A try of which nothing came is made again after this, then after twice as long, up to the longest. */
const FIRST_RETRY_MS = 10 * MINUTE;
const LONGEST_RETRY_MS = DAY;

/** Whether it is time to train again: by the schedule, sooner where many demands drifted, or since the last try failed. */
export function dueForTraining(clock: TrainingClock): TrainingDue {
  const { now, triedAt, everyMs, demands, drifted, inVain = 0 } = clock;
  if (triedAt === undefined) return { kind: 'due', reason: 'never-trained' };
  const sinceMs = now - triedAt;
  if (inVain > 0) {
    const waitMs = Math.min(everyMs, LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (inVain - 1));
    return Math.abs(sinceMs) >= waitMs ? { kind: 'due', reason: 'retry' } : { kind: 'not-due', at: triedAt + waitMs };
  }
  // A clock that was ahead, and is set right, must not put training off until it is there again.
  if (Math.abs(sinceMs) >= everyMs) return { kind: 'due', reason: 'schedule' };
  const isDrift = drifted >= LEAST_DRIFTED && drifted >= DRIFTED_SHARE * demands;
  if (isDrift && sinceMs >= SOONEST_SHARE * everyMs) return { kind: 'due', reason: 'drift' };
  return { kind: 'not-due', at: triedAt + everyMs };
}
