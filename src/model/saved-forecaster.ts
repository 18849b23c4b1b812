import type { Millis, TimeRange } from './time.ts';

/** What one demand's forecaster had learnt, as it is kept over a restart. */
export interface SavedForecaster extends Learnt {
  /** What the fit depended on: a state of another fingerprint is of no use. */
  readonly fingerprint: string;
  /** The time of the last value that it had taken in. */
  readonly end: Millis;
  /** Times that it was not taught, up to its end, both ends included. Left out: none. */
  readonly leftOut?: readonly TimeRange[];
  readonly state: Uint8Array;
}

/** How fresh a forecaster's knowledge is. */
export interface Learnt {
  /** When everything was last fitted anew. */
  readonly fittedAt: Millis;
  /** When it last learnt, be it from what had come since alone. */
  readonly learntAt: Millis;
  /** Length of the history of that fit, gaps included. */
  readonly historyMs: number;
}
