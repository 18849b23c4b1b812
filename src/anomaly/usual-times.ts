import { DAY, type Millis, WEEK } from '../model/time.ts';

/** How striking a series usually is at a time of the day and of the week. Plain data, whose size does not grow. */
export interface UsualTimes {
  readonly ofDay: Recurring;
  readonly ofWeek: Recurring;
}

interface Recurring {
  readonly means: Float32Array;
  /** The bucket of now, or -1, and the most that it has had this time. */
  now: number;
  most: number;
}

/** Buckets of a quarter of an hour. */
const DAY_BUCKETS = 96;
const WEEK_BUCKETS = 168;
/** Of a mean that is renewed once a day or week: what comes once alone hardly counts, what comes each time does. */
const KEPT = 0.92;

export function usualTimes(): UsualTimes {
  return {
    ofDay: { means: new Float32Array(DAY_BUCKETS), now: -1, most: 0 },
    ofWeek: { means: new Float32Array(WEEK_BUCKETS), now: -1, most: 0 },
  };
}

/** What is usual at this time and a bucket of the day beside it. */
export function usualAt({ ofDay, ofWeek }: UsualTimes, time: Millis): number {
  const bucket = bucketOf(time, DAY, DAY_BUCKETS);
  const means = ofDay.means;
  const before = means[(bucket + DAY_BUCKETS - 1) % DAY_BUCKETS]!;
  const after = means[(bucket + 1) % DAY_BUCKETS]!;
  return Math.max(means[bucket]!, before, after, ofWeek.means[bucketOf(time, WEEK, WEEK_BUCKETS)]!);
}

/** @param strikes How striking the series is at this time. */
export function learnTime({ ofDay, ofWeek }: UsualTimes, time: Millis, strikes: number): void {
  learn(ofDay, bucketOf(time, DAY, DAY_BUCKETS), strikes);
  learn(ofWeek, bucketOf(time, WEEK, WEEK_BUCKETS), strikes);
}

function learn(recurring: Recurring, bucket: number, strikes: number): void {
  const { now, means } = recurring;
  if (bucket !== now) {
    if (now >= 0) means[now] = KEPT * means[now]! + (1 - KEPT) * recurring.most;
    recurring.now = bucket;
    recurring.most = 0;
  }
  recurring.most = Math.max(recurring.most, strikes);
}

/** Which part of a period a time is in, from 0 on. */
export function bucketOf(time: Millis, period: Millis, buckets: number): number {
  return Math.floor((((time % period) + period) % period) / (period / buckets));
}
