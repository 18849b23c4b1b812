import { expect, test } from 'vitest';
import { labelsOf, METRIC_NAME } from '../model/labels.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import { memoryTenant } from '../testing/memory-storage.ts';
import { parsedPolicy } from '../testing/policy.ts';
import { openCapacityLearner } from './capacity-learner.ts';

const T0 = 20_000 * DAY;
const policy = parsedPolicy('web', {
  target: { name: 'web' },
  demand: { name: 'rps', query: 'x', capacity: { utilization: { query: 'busy', target: 0.9 } } },
  replicas: { min: 1, max: 9 },
});
const demandLabels = () => labelsOf({ [METRIC_NAME]: 'rps' });

/** Twelve hours of demand, replicas and the utilization that two pods report: 0.01 for each of demand. */
async function stored() {
  const storage = memoryTenant({ now: () => T0 + DAY });
  const times = Float64Array.from({ length: 720 }, (_, i) => T0 - (720 - i) * MINUTE);
  const replicas = times.map((t) => 4 + Math.floor((t - T0) / HOUR / 2) + 6);
  const demand = times.map((_, i) => 300 + 150 * Math.sin(i / 100));
  const busy = times.map((_, i) => (0.01 * demand[i]!) / replicas[i]!);
  const state = { namespace: 'shop', policy: 'web', workload: 'web' };
  await storage.backfill([
    { labels: labelsOf({ [METRIC_NAME]: 'rps' }), times, values: demand },
    { labels: labelsOf({ [METRIC_NAME]: 'foresail_workload_replicas', ...state }), times, values: replicas },
    { labels: labelsOf({ [METRIC_NAME]: 'busy', pod: 'a' }), times, values: busy.map((value) => value * 0.8) },
    { labels: labelsOf({ [METRIC_NAME]: 'busy', pod: 'b' }), times, values: busy.map((value) => value * 1.2) },
  ]);
  return storage;
}

test('openCapacityLearner() learns from what is stored, asks again after ten minutes, and keeps what it knows in an outage', async () => {
  const storage = await stored();
  let asked = 0;
  let down = false;
  const learner = openCapacityLearner({
    demandLabels,
    storageOf: () => ({
      select: storage.select,
      range: (...query) => {
        asked++;
        if (down) throw new TypeError('the store is down');
        return storage.range(...query);
      },
    }),
  });
  const at = (now: number) => learner.capacityOf(DEFAULT_TENANT, policy, policy.demands[0]!, now);
  const first = await at(T0);
  expect(first).toMatchObject({ kind: 'learned', perReplica: expect.closeTo(90, -0.5) });
  const before = asked;
  expect(await at(T0 + 9 * MINUTE)).toBe(first);
  expect(asked).toBe(before);
  await at(T0 + 10 * MINUTE);
  // What was asked for already is not asked for again.
  expect(asked).toBe(before + 1);
  down = true;
  expect(await at(T0 + 30 * MINUTE)).toMatchObject({ kind: 'learned' });
});

test('openCapacityLearner() says why nothing is learned', async () => {
  const failing = openCapacityLearner({
    demandLabels,
    storageOf: () => ({
      select: async () => [],
      range: async () => {
        throw new TypeError('the store is down');
      },
    }),
  });
  const why = { code: 'unreadable', message: 'the store is down' };
  expect(await failing.capacityOf(DEFAULT_TENANT, policy, policy.demands[0]!, T0)).toMatchObject({ why });
});
