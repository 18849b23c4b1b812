import { DAY, type Millis } from '../model/time.ts';
import type { Memory } from './memory.ts';
import { meanWith, type Recent, recentNumbers, remember } from './recent.ts';
import { bucketOf } from './usual-times.ts';

/** The mean day of a series, and how far the series is from it: its place among the numbers and among the cells. */
export interface DayShape {
  readonly at: number;
  readonly cellsAt: number;
}

/** Buckets of a quarter of an hour. */
const BUCKETS = 96;
const MIN_VISITS = 2;
/** Residuals whose mean is looked at. */
export const RESIDUALS = 12;
const DRIFT_RATE = 0.02;
const ERROR_RATE = 0.01;
/** An error counts as at most so many mean ones. */
const MOST_TIMES = 6;
/** Of a bucket's mean, for each sample: less with each day, down to this. */
const LEAST_RATE = 0.1;
const SAMPLE_SHARE = 0.35;
const MOST_VISITS = 200;

/** The last bucket, or -1. */
const BUCKET = 0;
/** How far the series lies beside its days of late. */
const DRIFT = 1;
/** Mean distance from the shape, and from the median. */
const FROM_SHAPE = 2;
const FROM_MEDIAN = 3;
const LAST = 4;
export const DAY_NUMBERS = LAST + recentNumbers(RESIDUALS);
/** Means, then the number of days in which a bucket had a sample. */
export const DAY_CELLS = 2 * BUCKETS;

export function beginDay({ numbers }: Memory, { at }: DayShape): void {
  numbers[at + BUCKET] = -1;
}

/** @param time Local. @returns What the days before had at this time. Undefined before there were two. */
export function shapeAt({ numbers, cells }: Memory, { at, cellsAt }: DayShape, time: Millis): number | undefined {
  const mean = cellsAt + bucketOf(time, DAY, BUCKETS);
  return cells[mean + BUCKETS]! < MIN_VISITS ? undefined : cells[mean]! + numbers[at + DRIFT]!;
}

/** The same at the level of the days before, whatever the level is now; 0 where it is not known. */
export function dayMeanAt({ cells }: Memory, { cellsAt }: DayShape, time: Millis): number {
  const mean = cellsAt + bucketOf(time, DAY, BUCKETS);
  return cells[mean + BUCKETS]! < MIN_VISITS ? 0 : cells[mean]!;
}

/** How much the series follows its days: 0 if no more than its median, 1 if it is half as far from them as from that. */
export function rhythmOf({ numbers }: Memory, { at }: DayShape): number {
  const fromMedian = numbers[at + FROM_MEDIAN]!;
  return fromMedian > 0 ? Math.min(1, Math.max(0, 2 * (1 - numbers[at + FROM_SHAPE]! / fromMedian))) : 0;
}

/** The mean of the last residuals if this were one more. */
export function meanResidual(memory: Memory, shape: DayShape, residual: number): number {
  return meanWith(memory, lastOf(shape), residual);
}

/** @param median Of the series until now. @param teaches Whether the days learn; else the residual is only followed. */
export function learnShape(
  memory: Memory,
  shape: DayShape,
  time: Millis,
  value: number,
  median: number,
  teaches: boolean,
): void {
  const { numbers, cells } = memory;
  const { at, cellsAt } = shape;
  const bucket = bucketOf(time, DAY, BUCKETS);
  const expected = shapeAt(memory, shape, time);
  if (expected !== undefined) {
    const residual = value - expected;
    remember(memory, lastOf(shape), residual);
    if (teaches) {
      follow(numbers, at + FROM_SHAPE, residual);
      follow(numbers, at + FROM_MEDIAN, value - median);
      numbers[at + DRIFT]! += DRIFT_RATE * residual;
    }
  }
  if (!teaches) return;
  const mean = cellsAt + bucket;
  const visits = cells[mean + BUCKETS]!;
  const rate = visits === 0 ? 1 : SAMPLE_SHARE * Math.max(LEAST_RATE, 1 / (visits + 1));
  cells[mean]! += rate * (value - (visits === 0 ? 0 : numbers[at + DRIFT]!) - cells[mean]!);
  if (bucket === numbers[at + BUCKET]) return;
  numbers[at + BUCKET] = bucket;
  cells[mean + BUCKETS] = Math.min(MOST_VISITS, visits + 1);
}

function lastOf({ at }: DayShape): Recent {
  return { at: at + LAST, kept: RESIDUALS };
}

function follow(numbers: Float64Array, at: number, distance: number): void {
  const mean = numbers[at]!;
  const error = Math.abs(distance);
  numbers[at] = mean + ERROR_RATE * ((mean > 0 ? Math.min(error, MOST_TIMES * mean) : error) - mean);
}
