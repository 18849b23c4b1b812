import type { Millis } from '../model/time.ts';

/** Fills at `rate` a second up to `burst`. */
export interface BucketSize {
  /** 0: no bound. */
  readonly rate: number;
  readonly burst: number;
}

/** What is left in a bucket as of an instant. Below zero, more was taken than there was. */
export interface Bucket {
  tokens: number;
  at: Millis;
  /** Until then nothing is given: somebody was told to wait for what is in it. */
  heldUntil: Millis;
}

export function fullBucket({ burst }: BucketSize, now: Millis): Bucket {
  return { tokens: burst, at: now, heldUntil: now };
}

/**
 * Takes `count` tokens, all or none, as golang.org/x/time/rate's `AllowN` does.
 * @returns 0 if they were taken, else the milliseconds until they will be there; infinite where they never can be.
 */
export function takeTokens(bucket: Bucket, size: BucketSize, count: number, now: Millis): number {
  if (size.rate === 0) return 0;
  refill(bucket, size, now);
  const missing = count - bucket.tokens;
  if (missing <= 0) {
    bucket.tokens -= count;
    return 0;
  }
  if (count > size.burst) return Number.POSITIVE_INFINITY;
  const waitMs = (missing / size.rate) * 1_000;
  // Smaller requests would else take, one by one, what a larger one was told to wait for.
  bucket.heldUntil = Math.max(bucket.heldUntil, now + waitMs);
  return waitMs;
}

/** Takes what was used already, into debt where there is less. */
export function chargeTokens(bucket: Bucket, size: BucketSize, count: number, now: Millis): void {
  if (size.rate === 0) return;
  refill(bucket, size, now);
  bucket.tokens -= count;
}

/** Milliseconds until anything can be had: 0 where something is there now. */
export function waitForAny(bucket: Bucket, size: BucketSize, now: Millis): number {
  if (size.rate === 0) return 0;
  refill(bucket, size, now);
  const debtMs = bucket.tokens >= 1 ? 0 : ((1 - bucket.tokens) / size.rate) * 1_000;
  return Math.max(debtMs, bucket.heldUntil - now, 0);
}

/** Whether it is as good as a new one. */
export function isFull(bucket: Bucket, size: BucketSize, now: Millis): boolean {
  if (size.rate === 0) return true;
  refill(bucket, size, now);
  return bucket.tokens >= size.burst && bucket.heldUntil <= now;
}

function refill(bucket: Bucket, { rate, burst }: BucketSize, now: Millis): void {
  // A clock that goes back gives nothing, and takes nothing.
  const passedMs = Math.max(0, now - bucket.at);
  bucket.tokens = Math.min(burst, bucket.tokens + (passedMs * rate) / 1_000);
  bucket.at = now;
}
