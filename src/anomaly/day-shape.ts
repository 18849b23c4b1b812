import { DAY, type Millis } from '../model/time.ts';
import { bucketOf } from './usual-times.ts';

/** The mean day of a series, and how far the series is from it. Plain data, whose size does not grow. */
export interface DayShape {
  readonly means: Float32Array;
  /** Days in which a bucket had a sample. */
  readonly visits: Uint8Array;
  bucket: number;
  /** How far the series lies beside its days of late. */
  drift: number;
  /** The last residuals, their number since the first, and the sum of those that are kept. */
  readonly ring: Float64Array;
  residuals: number;
  sum: number;
  /** Mean distance from the shape, and from the median. */
  fromShape: number;
  fromMedian: number;
}

/** Buckets of a quarter of an hour. */
const BUCKETS = 96;
const MIN_VISITS = 2;
/** Residuals whose mean is looked at. */
const RESIDUALS = 12;
const DRIFT_RATE = 0.02;
const ERROR_RATE = 0.01;
/** An error counts as at most so many mean ones. */
const MOST_TIMES = 6;
/** Of a bucket's mean, for each sample: less with each day, down to this. */
const LEAST_RATE = 0.1;
const SAMPLE_SHARE = 0.35;
const MOST_VISITS = 200;

export function dayShape(): DayShape {
  return {
    means: new Float32Array(BUCKETS),
    visits: new Uint8Array(BUCKETS),
    bucket: -1,
    drift: 0,
    ring: new Float64Array(RESIDUALS),
    residuals: 0,
    sum: 0,
    fromShape: 0,
    fromMedian: 0,
  };
}

/** What the days before had at this time. Undefined before there were two. */
export function shapeAt(shape: DayShape, time: Millis): number | undefined {
  const bucket = bucketOf(time, DAY, BUCKETS);
  return shape.visits[bucket]! < MIN_VISITS ? undefined : shape.means[bucket]! + shape.drift;
}

/** How much the series follows its days: 0 if no more than its median, 1 if it is half as far from them as from that. */
export function rhythmOf({ fromShape, fromMedian }: DayShape): number {
  return fromMedian > 0 ? Math.min(1, Math.max(0, 2 * (1 - fromShape / fromMedian))) : 0;
}

/** The mean of the last residuals if this were one more. */
export function meanResidual({ ring, residuals, sum }: DayShape, residual: number): number {
  const leaves = residuals >= RESIDUALS ? ring[residuals % RESIDUALS]! : 0;
  return (sum + residual - leaves) / Math.min(residuals + 1, RESIDUALS);
}

/** @param median Of the series until now. */
export function learnShape(shape: DayShape, time: Millis, value: number, median: number): void {
  const bucket = bucketOf(time, DAY, BUCKETS);
  const visits = shape.visits[bucket]!;
  const expected = shapeAt(shape, time);
  if (expected !== undefined) {
    const residual = value - expected;
    const slot = shape.residuals % RESIDUALS;
    shape.sum += residual - (shape.residuals >= RESIDUALS ? shape.ring[slot]! : 0);
    shape.ring[slot] = residual;
    shape.residuals++;
    shape.fromShape += ERROR_RATE * (bounded(Math.abs(residual), shape.fromShape) - shape.fromShape);
    shape.fromMedian += ERROR_RATE * (bounded(Math.abs(value - median), shape.fromMedian) - shape.fromMedian);
    shape.drift += DRIFT_RATE * residual;
  }
  const rate = visits === 0 ? 1 : SAMPLE_SHARE * Math.max(LEAST_RATE, 1 / (visits + 1));
  const target = value - (visits === 0 ? 0 : shape.drift);
  shape.means[bucket]! += rate * (target - shape.means[bucket]!);
  if (bucket === shape.bucket) return;
  shape.bucket = bucket;
  shape.visits[bucket] = Math.min(MOST_VISITS, visits + 1);
}

function bounded(error: number, mean: number): number {
  return mean > 0 ? Math.min(error, MOST_TIMES * mean) : error;
}
