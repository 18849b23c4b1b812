import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type BucketSize, chargeTokens, fullBucket, takeTokens, waitForAny } from './token-bucket.ts';

const SIZE: BucketSize = { rate: 10, burst: 100 };

describe('takeTokens()', () => {
  test.each([
    { name: 'takes what is there', takes: [[0, 100]], want: [0] },
    {
      name: 'takes all or none',
      takes: [
        [0, 60],
        [0, 60],
        [0, 40],
      ],
      want: [0, 2_000, 0],
    },
    {
      name: 'fills at its rate',
      takes: [
        [0, 100],
        [1_000, 10],
        [1_000, 1],
      ],
      want: [0, 0, 100],
    },
    { name: 'fills no further than its burst', takes: [[60_000, 101]], want: [Number.POSITIVE_INFINITY] },
    {
      name: 'never gives more than the burst',
      takes: [
        [0, 101],
        [0, 100],
      ],
      want: [Number.POSITIVE_INFINITY, 0],
    },
    {
      name: 'is not moved by a clock that goes back',
      takes: [
        [5_000, 100],
        [0, 1],
        [100, 1],
      ],
      want: [0, 100, 0],
    },
  ])('$name', ({ takes, want }) => {
    const bucket = fullBucket(SIZE, 0);
    expect(takes.map(([at, count]) => takeTokens(bucket, SIZE, count!, at!))).toEqual(want);
  });

  test('gives everything where there is no rate', () => {
    const size = { rate: 0, burst: 0 };
    const bucket = fullBucket(size, 0);
    expect([takeTokens(bucket, size, 1e9, 0), waitForAny(bucket, size, 0)]).toEqual([0, 0]);
  });

  test('never lets through more than the burst and what its rate gives in the time', () => {
    const step = fc.record({ pauseMs: fc.integer({ min: 0, max: 500 }), count: fc.integer({ min: 1, max: 120 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const bucket = fullBucket(SIZE, 0);
        let now = 0;
        let taken = 0;
        for (const { pauseMs, count } of steps) {
          now += pauseMs;
          if (takeTokens(bucket, SIZE, count, now) === 0) taken += count;
          expect(taken).toBeLessThanOrEqual(SIZE.burst + (now * SIZE.rate) / 1_000 + 1e-6);
        }
      }),
    );
  });

  test('has what it told somebody to wait for', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 100 }), (first, second) => {
        const bucket = fullBucket(SIZE, 0);
        takeTokens(bucket, SIZE, first, 0);
        const waitMs = takeTokens(bucket, SIZE, second, 0);
        if (waitMs > 0) expect(takeTokens(bucket, SIZE, second, waitMs + 1e-6)).toBe(0);
      }),
    );
  });
});

describe('waitForAny()', () => {
  test('waits for a debt to be paid', () => {
    const bucket = fullBucket(SIZE, 0);
    chargeTokens(bucket, SIZE, 149, 0);
    expect([waitForAny(bucket, SIZE, 0), waitForAny(bucket, SIZE, 5_000)]).toEqual([5_000, 0]);
  });

  test('holds the bucket for whoever was told to wait, unless that can never be', () => {
    const bucket = fullBucket(SIZE, 0);
    takeTokens(bucket, SIZE, 60, 0);
    takeTokens(bucket, SIZE, 60, 0);
    expect([waitForAny(bucket, SIZE, 0), waitForAny(bucket, SIZE, 2_000)]).toEqual([2_000, 0]);
    const other = fullBucket(SIZE, 0);
    takeTokens(other, SIZE, 101, 0);
    expect(waitForAny(other, SIZE, 0)).toBe(0);
  });
});
