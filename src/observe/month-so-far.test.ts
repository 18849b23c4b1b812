import { expect, test } from 'vitest';
import { labelsOf, METRIC_NAME } from '../model/labels.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { HOUR, MINUTE, parseInstant } from '../model/time.ts';
import { memoryTenant } from '../testing/memory-storage.ts';
import { worldPolicy } from '../testing/scale-world.ts';
import { monthAround, openMonthReader } from './month-so-far.ts';

const NOW = parseInstant('2026-04-01T02:00:00Z');

test('openMonthReader() sums what is recorded of this month, and the mean of the last week', async () => {
  const storage = memoryTenant({ now: () => NOW });
  const times = Float64Array.from({ length: 240 }, (_, i) => NOW - (240 - i) * MINUTE);
  const state = { namespace: 'shop', policy: 'web', workload: 'web' };
  await storage.backfill([
    {
      labels: labelsOf({ [METRIC_NAME]: 'foresail_workload_replicas', ...state }),
      times,
      values: times.map((t) => (t < NOW - 2 * HOUR ? 8 : 4)),
    },
    // 100 a replica: half an hour of this month is more than four carry.
    {
      labels: labelsOf({ [METRIC_NAME]: 'rps' }),
      times,
      values: times.map((t) => (t >= NOW - 90 * MINUTE && t < NOW - 60 * MINUTE ? 401 : 400)),
    },
  ]);
  const reader = openMonthReader({
    storageOf: () => storage,
    demandLabels: () => labelsOf({ [METRIC_NAME]: 'rps' }),
  });
  const policy = worldPolicy('web', { mode: 'enforce' });
  const month = await reader.monthOf(DEFAULT_TENANT, policy, [100], NOW);
  expect(month).toMatchObject({
    start: parseInstant('2026-04-01T00:00:00Z'),
    end: parseInstant('2026-05-01T00:00:00Z'),
    overMs: { [policy.demands[0]!.name]: 30 * MINUTE },
  });
  // The last minute had no time to arrive.
  expect(month.knownMs).toBe(119 * MINUTE);
  expect(month.replicaHours).toBeCloseTo((119 * 4) / 60, 6);
  expect(month.meanReplicas).toBeCloseTo((119 * 4 + 120 * 8) / 239, 6);
  expect(await reader.monthOf(DEFAULT_TENANT, policy, [100], NOW + MINUTE)).toEqual(month);
});

test('monthAround() ends with the year', () => {
  const of = (text: string) => Object.values(monthAround(parseInstant(text)));
  expect(of('2026-12-31T23:59:59Z')).toEqual(['2026-12-01T00:00:00Z', '2027-01-01T00:00:00Z'].map(parseInstant));
});
