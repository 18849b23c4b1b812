import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE, WEEK } from '../model/time.ts';
import { DEMO_WORKLOADS, RequestCounter, SCRAPE_MS } from './workloads.ts';

/** 2026-11-18, a Wednesday. */
const WEDNESDAY = Date.UTC(2026, 10, 18);
const [checkout, reports, feed] = DEMO_WORKLOADS as [
  (typeof DEMO_WORKLOADS)[0],
  (typeof DEMO_WORKLOADS)[0],
  (typeof DEMO_WORKLOADS)[0],
];

function mean(workload: typeof checkout, from: number, hours = 1): number {
  const count = hours * 60;
  let sum = 0;
  for (let i = 0; i < count; i++) sum += workload.demandRps(from + i * MINUTE, WEDNESDAY);
  return sum / count;
}

describe('demandRps()', () => {
  test.each([
    {
      name: 'checkout is busiest in the evening',
      busy: mean(checkout, WEDNESDAY + 19.5 * HOUR),
      calm: mean(checkout, WEDNESDAY + 3 * HOUR),
      atLeast: 3,
    },
    {
      name: 'checkout is busier on Saturday',
      busy: mean(checkout, WEDNESDAY + 3 * DAY, 24),
      calm: mean(checkout, WEDNESDAY, 24),
      atLeast: 1.2,
    },
    {
      name: 'reports dips at lunch',
      busy: mean(reports, WEDNESDAY + 10 * HOUR),
      calm: mean(reports, WEDNESDAY + 12.1 * HOUR),
      atLeast: 1.4,
    },
    {
      name: 'reports sleeps at weekends',
      busy: mean(reports, WEDNESDAY + 10 * HOUR),
      calm: mean(reports, WEDNESDAY + 4 * DAY + 10 * HOUR),
      atLeast: 5,
    },
    { name: 'feed grows', busy: mean(feed, WEDNESDAY, 24), calm: mean(feed, WEDNESDAY - 3 * WEEK, 24), atLeast: 1.2 },
    {
      name: 'feed had an event nine days ago',
      busy: mean(feed, WEDNESDAY - 9 * DAY + 20.5 * HOUR),
      calm: mean(feed, WEDNESDAY - 8 * DAY + 20.5 * HOUR),
      atLeast: 1.8,
    },
  ])('$name', ({ busy, calm, atLeast }) => {
    expect(busy / calm).toBeGreaterThan(atLeast);
  });

  test('needs fewer replicas than its HPA allows, at all times, and is never negative', () => {
    for (const workload of DEMO_WORKLOADS) {
      for (let t = WEDNESDAY - 4 * WEEK; t < WEDNESDAY + WEEK; t += 10 * MINUTE) {
        const rps = workload.demandRps(t, WEDNESDAY);
        expect(rps).toBeGreaterThan(0);
        expect(rps / (workload.perReplica * workload.hpa.targetUtilization)).toBeLessThan(workload.hpa.max);
      }
    }
  });
});

describe('RequestCounter', () => {
  const instant = fc.integer({ min: 0, max: (4 * DAY) / SCRAPE_MS }).map((slot) => WEDNESDAY + slot * SCRAPE_MS);

  test('the counts at an instant do not depend on what was read before', () => {
    const reused = new RequestCounter(checkout, WEDNESDAY);
    fc.assert(
      fc.property(instant, (t) => {
        expect(reused.at(t)).toEqual(new RequestCounter(checkout, WEDNESDAY).at(t));
      }),
      { numRuns: 40 },
    );
  });

  test('a counter goes on with the demand and starts again at the nightly deploy', () => {
    const counter = new RequestCounter(checkout, WEDNESDAY);
    const before = counter.at(WEDNESDAY + HOUR);
    const after = counter.at(WEDNESDAY + HOUR + 10 * MINUTE);
    expect((after.ok + after.failed - before.ok - before.failed) / 600).toBeCloseTo(
      mean(checkout, WEDNESDAY + HOUR, 1 / 6),
      -1,
    );
    expect(counter.at(WEDNESDAY + 3 * HOUR)).toEqual({ ok: 0, failed: 0 });
  });
});
