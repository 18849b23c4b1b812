import { OUTCOME } from '../storage/write.ts';

/** Why something was refused for good: a constant for counters, and words for the sender. */
export interface Refusal {
  readonly reason: string;
  readonly why: string;
}

const REFUSALS: Readonly<Record<number, Refusal>> = {
  [OUTCOME.outOfOrder]: {
    reason: 'out_of_order',
    why: 'older than the out-of-order window (err-mimir-sample-out-of-order)',
  },
  [OUTCOME.conflict]: {
    reason: 'conflict',
    why: 'another value is stored at this time (err-mimir-sample-duplicate-timestamp)',
  },
  [OUTCOME.tooFarInFuture]: {
    reason: 'too_far_in_future',
    why: 'too far in the future (err-mimir-too-far-in-future)',
  },
  [OUTCOME.tooOld]: { reason: 'too_old', why: 'before the retention (err-mimir-sample-timestamp-too-old)' },
  [OUTCOME.tooLong]: { reason: 'too_long', why: 'it takes more bytes than the store keeps of one' },
  [OUTCOME.unsupported]: { reason: 'unsupported', why: 'the engine that keeps the samples takes none of this kind' },
};

/** Undefined where it was not refused for good. */
export function refusalOf(outcome: number): Refusal | undefined {
  return REFUSALS[outcome];
}

/** Why something is to be sent again later. */
export function deferralOf(outcome: number): string {
  return outcome === OUTCOME.gone ? 'series_gone' : 'storage_full';
}
