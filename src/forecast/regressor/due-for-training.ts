import type { Millis } from '../../model/time.ts';

export interface TrainingClock {
  readonly now: Millis;
  /** When training was last tried, whatever became of it; undefined for never. */
  readonly triedAt: Millis | undefined;
  /** Time between two tries. */
  readonly everyMs: number;
  /** Demands, and how many of them were fitted anew because of drift since the last try. */
  readonly demands: number;
  readonly drifted: number;
}

export type TrainingDue =
  | { readonly kind: 'due'; readonly reason: 'never-trained' | 'schedule' | 'drift' }
  | { readonly kind: 'not-due'; readonly at: Millis };

/** A change that a third of the demands went through is no accident of one of them. */
const DRIFTED_SHARE = 1 / 3;
const LEAST_DRIFTED = 3;
/** Drift brings the next try forward, but no nearer than this share of the schedule. */
const SOONEST_SHARE = 1 / 7;

/** Whether it is time to train again: by the schedule, or sooner where many demands drifted. */
export function dueForTraining({ now, triedAt, everyMs, demands, drifted }: TrainingClock): TrainingDue {
  if (triedAt === undefined) return { kind: 'due', reason: 'never-trained' };
  if (now - triedAt >= everyMs) return { kind: 'due', reason: 'schedule' };
  const isDrift = drifted >= LEAST_DRIFTED && drifted >= DRIFTED_SHARE * demands;
  if (isDrift && now - triedAt >= SOONEST_SHARE * everyMs) return { kind: 'due', reason: 'drift' };
  return { kind: 'not-due', at: triedAt + everyMs };
}
