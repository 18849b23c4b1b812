import { DAY, type Millis, WEEK } from '../model/time.ts';
import type { Memory } from './memory.ts';

/** How striking a series usually is at a time of the day and of the week: its place among the numbers and among the cells. */
export interface UsualTimes {
  readonly at: number;
  readonly cellsAt: number;
}

/** Buckets of a quarter of an hour, and of an hour. */
const DAY_BUCKETS = 96;
const WEEK_BUCKETS = 168;
/** Of a mean that is renewed once a day or week: what comes once alone hardly counts, what comes each time does. */
const KEPT = 0.83;

/** Of the day, then of the week: the bucket of now, or -1, and the most that it has had this time. */
export const USUAL_NUMBERS = 4;
const OF_WEEK = 2;
export const USUAL_CELLS = DAY_BUCKETS + WEEK_BUCKETS;

export function beginUsual({ numbers }: Memory, { at }: UsualTimes): void {
  numbers[at] = -1;
  numbers[at + OF_WEEK] = -1;
}

/**
 * What is usual at this time and a bucket of the day beside it, or at this time of the week.
 * @param time Local. @param dayWeight How often the first counts. @param weekWeight How often the second.
 */
export function usualAt(
  { cells }: Memory,
  { cellsAt }: UsualTimes,
  time: Millis,
  dayWeight: number,
  weekWeight: number,
): number {
  const bucket = bucketOf(time, DAY, DAY_BUCKETS);
  const before = cells[cellsAt + ((bucket + DAY_BUCKETS - 1) % DAY_BUCKETS)]!;
  const after = cells[cellsAt + ((bucket + 1) % DAY_BUCKETS)]!;
  const ofWeek = cells[cellsAt + DAY_BUCKETS + bucketOf(time, WEEK, WEEK_BUCKETS)]!;
  return Math.max(dayWeight * Math.max(cells[cellsAt + bucket]!, before, after), weekWeight * ofWeek);
}

/** @param time Local. @param strikes How striking the series is at this time. */
export function learnTime(memory: Memory, { at, cellsAt }: UsualTimes, time: Millis, strikes: number): void {
  learn(memory, at, cellsAt, bucketOf(time, DAY, DAY_BUCKETS), strikes);
  learn(memory, at + OF_WEEK, cellsAt + DAY_BUCKETS, bucketOf(time, WEEK, WEEK_BUCKETS), strikes);
}

function learn({ numbers, cells }: Memory, at: number, cellsAt: number, bucket: number, strikes: number): void {
  const now = numbers[at]!;
  if (bucket !== now) {
    if (now >= 0) cells[cellsAt + now] = KEPT * cells[cellsAt + now]! + (1 - KEPT) * numbers[at + 1]!;
    numbers[at] = bucket;
    numbers[at + 1] = 0;
  }
  numbers[at + 1] = Math.max(numbers[at + 1]!, strikes);
}

/** Which part of a period a time is in, from 0 on. */
export function bucketOf(time: Millis, period: Millis, buckets: number): number {
  return Math.floor((((time % period) + period) % period) / (period / buckets));
}
