import { expect, test } from 'vitest';
import type { WorkloadHour } from '../cost/workload-hour.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { HOUR } from '../model/time.ts';
import { openOpenCost } from '../testing/opencost.ts';
import { openCostPrices } from './cost-prices.ts';
import type { Parts } from './parts.ts';

const HOUR_AT = Date.UTC(2026, 5, 1);

test('where OpenCost does not answer, all that nobody counted is estimated as in the day before, whatever its kind', async () => {
  await using openCost = await openOpenCost({ podsIn: () => [], idleIn: () => 0 });
  openCost.manner = 'error';
  let now = HOUR_AT + HOUR;
  const before = ['web', 'job:etl', 'counted', 'gone'].flatMap((workload) =>
    [2, 1].map(
      (ago): WorkloadHour => ({
        ...{ hour: HOUR_AT - ago * HOUR, namespace: 'shop', workload, policy: undefined, region: '', labels: {} },
        ...{ plan: 'on-demand', replicaHours: 1, quantities: { replica: 1 }, recorded: { replica: ago } },
        ...{ estimated: {}, idle: undefined },
      }),
    ),
  );
  const parts = {
    settings: {
      cost: { openCost: { url: openCost.url, tokenFile: undefined, timeoutMs: 5000 }, region: '', plan: 'on-demand' },
      tenancy: { on: false },
    },
    ...{ metrics: { costOpenCost: { inc: () => {} } }, log: { warn: () => {} }, clock: { now: () => now } },
  } as unknown as Parts;
  const prices = openCostPrices(
    parts,
    () => undefined,
    async () => before,
  );
  const beside = { made: new Set(['shop/counted']), counted: new Set(['shop/counted', 'shop/gone']) };
  const others = () => prices.othersOf(DEFAULT_TENANT, HOUR_AT, beside, new AbortController().signal);
  await expect(others()).rejects.toThrow();
  now += 6 * HOUR;
  expect((await others()).map(({ workload, recorded, estimated }) => ({ workload, recorded, estimated }))).toEqual([
    { workload: 'web', recorded: { replica: 0 }, estimated: { replica: 1.5 } },
    { workload: 'job:etl', recorded: { replica: 0 }, estimated: { replica: 1.5 } },
  ]);
});
