import { expect, test } from 'vitest';
import type { Place } from '../cost/workload-hour.ts';
import type { SampledSeries } from '../model/series.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { HOUR, MINUTE } from '../model/time.ts';
import { memoryKeyValue } from '../testing/memory-key-value.ts';
import { openSpendLoop } from './spend-loop.ts';

const START = Date.UTC(2026, 5, 1);

test('replicas on nodes of two plans that have one price are one amount, and none of it is lost', async () => {
  const place = (plan: Place['plan']): Place => ({
    ...{ region: 'eu', plan, share: 0.5, requests: undefined, used: undefined },
  });
  const kept: SampledSeries[] = [];
  const loop = openSpendLoop({
    ...{ now: () => START + HOUR + 11 * MINUTE, keyValue: memoryKeyValue(), lookBackMs: HOUR },
    defaultPlace: { region: 'eu', plan: 'on-demand' },
    readWhatRan: async () => ({
      heard: { cluster: new Uint8Array(60).fill(1), own: new Uint8Array(60) },
      rows: [
        {
          ...{ namespace: 'shop', workload: 'web', policy: undefined, source: 'cluster', labels: {} },
          replicas: new Float64Array(60).fill(4),
          places: [[place('on-demand'), place('spot')]],
        },
      ],
    }),
    backfillOf: () => ({
      async backfill(series) {
        kept.push(...series);
        return { accepted: 0, conflicts: 0, outOfBounds: 0 } as never;
      },
    }),
    priceOf: async () => ({ prices: { replica: 0.5 }, plan: 'on-demand' }),
  });
  await loop.pass(DEFAULT_TENANT, [], new AbortController().signal);
  const amounts = kept.flatMap(({ labels, times, values }) =>
    labels.some(([, value]) => value === 'foresail_spend_hourly') && labels.some(([, value]) => value === 'recorded')
      ? [...values].map((value, i) => [times[i], value])
      : [],
  );
  expect(amounts).toEqual([[START + HOUR, 2]]);
});

test('hours of which too much ran to be read at once are read in halves, and none is left out', async () => {
  const readings: number[] = [];
  const halved: number[] = [];
  const kept = new Set<number>();
  const loop = openSpendLoop({
    ...{ now: () => START + 30 * HOUR + 11 * MINUTE, keyValue: memoryKeyValue(), lookBackMs: 30 * HOUR },
    defaultPlace: { region: 'eu', plan: 'on-demand' },
    async readWhatRan(_, start, hours) {
      if (hours > 7) throw Object.assign(new Error('too many'), { code: 'too_many_samples' });
      readings.push(hours);
      return {
        heard: { cluster: new Uint8Array(hours * 60).fill(1), own: new Uint8Array(hours * 60) },
        rows: [
          {
            ...{ namespace: 'shop', workload: 'web', policy: undefined, source: 'cluster', labels: {} },
            replicas: new Float64Array(hours * 60).fill(start >= START ? 1 : Number.NaN),
            places: [],
          },
        ],
      };
    },
    backfillOf: () => ({
      async backfill(series) {
        for (const { times } of series) for (const time of times) kept.add(time);
        return { accepted: 0, conflicts: 0, outOfBounds: 0 } as never;
      },
    }),
    priceOf: async () => ({ prices: { replica: 0.5 }, plan: 'on-demand' }),
    onHalved: (_, hours) => void halved.push(hours),
  });
  await loop.pass(DEFAULT_TENANT, [], new AbortController().signal);
  expect(halved).toEqual([24, 12]);
  expect(readings).toEqual([6, 6, 6, 6, 6]);
  expect([...kept]).toEqual(Array.from({ length: 30 }, (_, i) => START + (i + 1) * HOUR));
});

test('what has its replicas counted is named with each hour, for a day after it is gone', async () => {
  let now = START + HOUR + 11 * MINUTE;
  const counted: boolean[] = [];
  const loop = openSpendLoop({
    ...{ now: () => now, keyValue: memoryKeyValue(), lookBackMs: HOUR },
    defaultPlace: { region: 'eu', plan: 'on-demand' },
    readWhatRan: async (_, start, hours) => ({
      heard: { cluster: new Uint8Array(hours * 60).fill(1), own: new Uint8Array(hours * 60) },
      rows:
        start > START
          ? []
          : [
              {
                ...{ namespace: 'shop', workload: 'web', policy: undefined, source: 'cluster', labels: {} },
                ...{ replicas: new Float64Array(hours * 60).fill(1), places: [] },
              },
            ],
    }),
    backfillOf: () => ({ backfill: async () => ({ accepted: 0, conflicts: 0, outOfBounds: 0 }) as never }),
    priceOf: async () => ({ prices: { replica: 1 }, plan: 'on-demand' }),
    async othersOf(_, __, beside) {
      counted.push(beside.counted.has('shop/web'));
      return [];
    },
  });
  for (let hour = 0; hour < 30; hour++, now += HOUR) {
    await loop.pass(DEFAULT_TENANT, [], new AbortController().signal);
  }
  // It is gone in the second hour: from the end of that on, a day.
  expect(counted.lastIndexOf(true)).toBe(25);
  expect(counted.indexOf(false)).toBe(26);
});
