import { expect, test } from 'vitest';
import { labelsOf } from '../model/labels.ts';
import { MINUTE, SECOND } from '../model/time.ts';
import { appendSeries } from '../storage/append-series.ts';
import { memoryTenant } from '../testing/memory-storage.ts';
import { readPublished } from './published-plan.ts';

const NOW = 1_800_000_000_000;
const of = (policy: string, workload = policy) => ({ namespace: 'shop', policy, workload });
const sample = (name: string, labels: Record<string, string>, at: number, value: number) => ({
  labels: labelsOf({ __name__: name, ...labels }),
  times: Float64Array.of(at),
  values: Float64Array.of(value),
});

test('readPublished() reads the newest pass of each policy, and what belongs to that pass alone', async () => {
  const storage = memoryTenant();
  await appendSeries(storage, [
    sample('foresail_desired_replicas', of('web'), NOW - 30 * SECOND, 3),
    sample('foresail_plan_lead_time_seconds', of('web'), NOW - 30 * SECOND, 90),
    sample('foresail_demand_now', { ...of('web'), demand: 'rps' }, NOW - 30 * SECOND, 250.5),
    sample('foresail_demand_now', { ...of('web'), demand: 'queue' }, NOW - 45 * SECOND, 7),
    // It has another target now.
    sample('foresail_desired_replicas', of('moved', 'old'), NOW - 50 * SECOND, 9),
    sample('foresail_desired_replicas', of('moved', 'new'), NOW - 20 * SECOND, 4),
    // Its process is gone.
    sample('foresail_desired_replicas', of('gone'), NOW - 2 * MINUTE, 5),
    sample('foresail_desired_replicas', of('ahead'), NOW + SECOND, 5),
  ]);
  const common = { namespace: 'shop' };
  expect(await readPublished(storage, NOW, MINUTE)).toEqual([
    { ...common, policy: 'moved', at: NOW - 20 * SECOND, floor: 4, learnedLeadMs: undefined, demands: new Map() },
    {
      ...{ ...common, policy: 'web', at: NOW - 30 * SECOND, floor: 3 },
      learnedLeadMs: 90_000,
      demands: new Map([['rps', 250.5]]),
    },
  ]);
});
