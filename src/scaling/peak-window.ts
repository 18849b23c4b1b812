import { MINUTE } from '../model/time.ts';
import type { Ramp } from './ramp.ts';

export interface PeakWindow {
  readonly leadTimeMs: number;
  /** Time between two forecasts. */
  readonly refreshMs: number;
  /** How old the last sample of a forecast may be when a plan reads it. */
  readonly sampleAgeMs: number;
  readonly ramp: Pick<Ramp, 'upRatioPerMinute'>;
}

/** A ramp slower than this is meant to be slow: looking further ahead for its sake would only cost replicas. */
const LONGEST_RAMP_MINUTES = 10;

/**
 * How far ahead of its last sample a forecast's peak must reach: from then until replicas are ready that were asked for
 * at the next forecast, and the time in which the ramp doubles a floor, so that the ramp does not eat the lead.
 */
export function peakWindowMs({ leadTimeMs, refreshMs, sampleAgeMs, ramp }: PeakWindow): number {
  const doubling = Math.ceil(Math.log(2) / Math.log1p(ramp.upRatioPerMinute) - 1e-9);
  return leadTimeMs + refreshMs + sampleAgeMs + Math.min(doubling, LONGEST_RAMP_MINUTES) * MINUTE;
}
