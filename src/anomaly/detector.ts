import type { Millis } from '../model/time.ts';
import { DAY } from '../model/time.ts';
import { appendSorted, quantileSorted, type SortedWindow, sortedWindow } from '../numeric/quantile.ts';

/** What a detector thinks of one sample, from the samples before it alone. */
export interface Verdict {
  readonly expected: number;
  readonly lower: number;
  readonly upper: number;
  /** 0 to 1; 0 while learning. An anomaly from `ANOMALY_SCORE` on. */
  readonly score: number;
  readonly anomaly: boolean;
}

/** Where the band ends, in scores. */
const ANOMALY_SCORE = 0.6;
/** Samples before the first score. */
const LEARNING = 60;
/** Buckets of the time of day. */
const BUCKETS = 96;
/** The band reaches this far beyond what one sample in two hundred exceeds. */
const BEYOND = 1.5;
const USUAL_QUANTILE = 0.995;
const WINDOW = 500;
const LEVEL_RATE = 0.25;
const DRIFT_RATE = 0.02;
const PROFILE_RATE = 0.2;
const SCALE_RATE = 0.02;
/** A residual moves the state as if it were at most this many scales large: an outlier is not learnt at once. */
const CLIP = 6;

/** Everything known about one series after some samples. Plain data; its size does not grow. */
export interface DetectorState {
  samples: number;
  lastTime: Millis;
  level: number;
  /** Mean of each time of day, and the distance of the present to it. */
  readonly profile: Float64Array;
  readonly visits: Uint32Array;
  drift: number;
  /** Mean absolute residuals of both ways to expect, and of their blend. */
  levelError: number;
  profileError: number;
  scale: number;
  /** Past residuals over the scale of their time. */
  readonly ratios: SortedWindow;
}

export function createDetector(): DetectorState {
  return {
    samples: 0,
    lastTime: Number.NEGATIVE_INFINITY,
    level: Number.NaN,
    profile: new Float64Array(BUCKETS),
    visits: new Uint32Array(BUCKETS),
    drift: 0,
    levelError: 0,
    profileError: 0,
    scale: 0,
    ratios: sortedWindow(WINDOW),
  };
}

/**
 * Judges a sample, then learns from it. A sample that is not newer than the last one is judged and not learnt from; one
 * that is not finite is neither. Depends on earlier calls alone: no later sample can change a verdict.
 */
export function judge(state: DetectorState, time: Millis, value: number): Verdict {
  const bucket = bucketOf(time);
  const fromLevel = Number.isNaN(state.level) ? value : state.level;
  const fromProfile = state.visits[bucket]! >= 2 ? state.profile[bucket]! + state.drift : Number.NaN;
  const expected = blend(state, fromLevel, fromProfile);
  if (!Number.isFinite(value)) return { expected, lower: expected, upper: expected, score: 0, anomaly: false };

  const verdict = verdictOf(state, expected, value);
  if (time > state.lastTime) {
    state.lastTime = time;
    learn(state, bucket, value, { fromLevel, fromProfile, expected });
  }
  return verdict;
}

function verdictOf(state: DetectorState, expected: number, value: number): Verdict {
  const usual = quantileSorted(state.ratios.sorted, state.ratios.count, USUAL_QUANTILE) * state.scale;
  const half = BEYOND * (Number.isNaN(usual) ? 0 : usual);
  const off = Math.abs(value - expected);
  if (state.samples < LEARNING)
    return { expected, lower: expected - half, upper: expected + half, score: 0, anomaly: false };
  // A residual as large as one in two hundred scores 0.5, one at the band's edge 0.6; towards 1 it only gets nearer.
  const score = off === 0 ? 0 : usual > 0 ? off / (off + usual) : 1;
  return { expected, lower: expected - half, upper: expected + half, score, anomaly: score >= ANOMALY_SCORE };
}

interface Expectations {
  readonly fromLevel: number;
  readonly fromProfile: number;
  readonly expected: number;
}

function learn(
  state: DetectorState,
  bucket: number,
  value: number,
  { fromLevel, fromProfile, expected }: Expectations,
): void {
  const off = Math.abs(value - expected);
  if (state.samples > 0) {
    const ratio = state.scale > 0 ? off / state.scale : off > 0 ? CLIP : 0;
    appendSorted(state.ratios, Math.min(ratio, 1e6));
    const rate = Math.max(SCALE_RATE, 1 / state.samples);
    const limit = state.samples < LEARNING || state.scale === 0 ? off : Math.min(off, CLIP * state.scale);
    state.scale += rate * (limit - state.scale);
    state.levelError += rate * (Math.abs(value - fromLevel) - state.levelError);
    if (!Number.isNaN(fromProfile)) state.profileError += rate * (Math.abs(value - fromProfile) - state.profileError);
  }
  state.samples++;
  state.level = Number.isNaN(state.level) ? value : state.level + LEVEL_RATE * (value - state.level);
  const visits = state.visits[bucket]!;
  if (!Number.isNaN(fromProfile)) state.drift += DRIFT_RATE * (value - fromProfile);
  const target = value - (visits > 0 ? state.drift : 0);
  state.profile[bucket] =
    visits === 0 ? target : state.profile[bucket]! + PROFILE_RATE * (target - state.profile[bucket]!);
  state.visits[bucket] = visits + 1;
}

/** Weights by inverse squared error, so that a series without a daily shape hardly hears its profile. */
function blend({ levelError, profileError }: DetectorState, fromLevel: number, fromProfile: number): number {
  if (Number.isNaN(fromProfile)) return fromLevel;
  const a = profileError * profileError;
  const b = levelError * levelError;
  return a + b > 0 ? (a * fromLevel + b * fromProfile) / (a + b) : fromLevel;
}

function bucketOf(time: Millis): number {
  return Math.floor((((time % DAY) + DAY) % DAY) / (DAY / BUCKETS));
}
