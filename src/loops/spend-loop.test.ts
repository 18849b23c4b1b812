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
