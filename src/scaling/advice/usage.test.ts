import { describe, expect, test } from 'vitest';
import { DAY, HOUR, MINUTE } from '../../model/time.ts';
import { newUsageTally } from './usage.ts';

const START = 20_000 * DAY;

/** Pods that begin three hours apart, looked at every minute: CPU with a daily season, memory that grows by the day. */
function tallyOf(days: number, pods: number) {
  const tally = newUsageTally();
  for (let p = 0; p < pods; p++) {
    const start = START + p * 3 * HOUR;
    for (let t = start; t < START + days * DAY; t += MINUTE) {
      const m = (t - START) / MINUTE;
      const cores = 0.25 + 0.05 * p + 0.2 * Math.sin((2 * Math.PI * m) / 1440) + (0.04 * ((m * 7919) % 101)) / 101;
      const noise = (2e8 * ((m * 104_729) % 1009)) / 1009;
      tally.addCpu('app', `web-${p}`, t, cores);
      tally.addMemory('app', `web-${p}`, t, 3e8 + 1e8 * p + noise + 5e7 * Math.floor((t - start) / DAY));
    }
  }
  return tally;
}

describe('newUsageTally()', () => {
  // From a program of its own in Python 3.11: bucket edges as sums of widths, weights as lists, quantiles by sorting.
  test.each([
    {
      ...{ days: 1, pods: 1 },
      cpu: { target: 0.548, lower: 0.27, upper: 1.096 },
      memory: { target: 587_804_717, lower: 586_630_054, upper: 1_176_017_915 },
    },
    {
      ...{ days: 3, pods: 2 },
      cpu: { target: 0.548, lower: 0.295, upper: 0.782 },
      memory: { target: 813_749_082, lower: 716_233_506, upper: 1_085_061_579 },
    },
    {
      ...{ days: 8, pods: 3 },
      cpu: { target: 0.587, lower: 0.322, upper: 0.705 },
      memory: { target: 1_238_659_775, lower: 1_038_423_888, upper: 1_393_505_688 },
    },
  ])('$days days of $pods pods as the recommender has them', ({ days, pods, cpu, memory }) => {
    const [estimate] = tallyOf(days, pods).estimates();
    expect(estimate).toMatchObject({ container: 'app', cpu, memory });
  });

  test('never less than 25 millicores and 250 MiB for a pod, which its containers share', () => {
    const tally = newUsageTally();
    for (const container of ['app', 'proxy']) {
      for (let i = 0; i < 60; i++) {
        tally.addCpu(container, 'web-0', START + i * MINUTE, 0.001);
        tally.addMemory(container, 'web-0', START + i * MINUTE, 1e6);
      }
    }
    const least = { cpu: { target: 0.012 }, memory: { target: 131_072_000 } };
    expect(tally.estimates()).toMatchObject([
      { container: 'app', ...least },
      { container: 'proxy', ...least },
    ]);
  });

  test('one sample says nothing of an upper bound, and memory alone nothing of CPU', () => {
    const tally = newUsageTally();
    tally.addCpu('app', 'web-0', START, 0.2);
    tally.addMemory('db', 'web-0', START, 4e8);
    expect(tally.estimates()).toMatchObject([
      { container: 'app', cpu: { lower: 0.012, upper: null }, memory: null, samples: 1, spanMs: 0 },
      { container: 'db', cpu: null, memory: { upper: null } },
    ]);
  });

  test('what is not a number, negative or not newer is left out', () => {
    const tally = newUsageTally();
    for (const cores of [0.2, Number.NaN, -1]) tally.addCpu(null, 'web-0', START, cores);
    tally.addCpu(null, 'web-0', START, 50);
    expect(tally.estimates()).toMatchObject([{ container: null, samples: 1 }]);
    expect(newUsageTally().estimates()).toEqual([]);
  });
});
