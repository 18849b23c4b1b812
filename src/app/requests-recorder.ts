import type { ByResource } from '../cost/prices.ts';
import { inParallel } from '../loops/in-parallel.ts';
import { reasonOf } from '../loops/telemetry.ts';
import type { TenantPolicy } from '../loops/tenant-policy.ts';
import { labelsOf, METRIC_NAME } from '../model/labels.ts';
import { MINUTE, type Millis } from '../model/time.ts';
import { targetOf } from '../observe/observe.ts';
import { appendSeries } from '../storage/append-series.ts';
import type { Parts } from './parts.ts';

const METRIC = 'foresail_workload_requests';
const EVERY_MS = 10 * MINUTE;
const AT_ONCE = 4;
const GIB = 1024 ** 3;

/**
 * Records what one replica of each policy's workload requests, as the API server says: cores and GiB. Where there is no
 * price book, nothing needs it.
 */
export function openRequestsRecorder({ settings, target, samples, clock, telemetry }: Parts) {
  let recordedAt = Number.NEGATIVE_INFINITY;

  async function record({ tenant, policy }: TenantPolicy, now: Millis, signal: AbortSignal): Promise<void> {
    const ref = targetOf(policy);
    const state = await target.cluster.read(ref, signal);
    if (state.kind === 'missing') return;
    const reading = await target.readPodRequests!({ namespace: policy.namespace, ...state.workload }, signal);
    if (reading.kind === 'unknown') return telemetry.count('loopSkips', { loop: 'cost', reason: 'requests-unknown' });
    const { containers } = reading;
    const requests: ByResource = {
      cpu: containers.reduce((sum, { cpu }) => sum + (cpu ?? 0), 0),
      memory: containers.reduce((sum, { memory }) => sum + (memory ?? 0), 0) / GIB,
    };
    const series = Object.entries(requests).map(([resource, value]) => ({
      labels: labelsOf({
        [METRIC_NAME]: METRIC,
        namespace: policy.namespace,
        policy: policy.name,
        workload: ref.name,
        resource,
      }),
      times: Float64Array.of(now),
      values: Float64Array.of(value),
    }));
    await appendSeries(samples.own(tenant), series);
  }

  return {
    async pass(policies: readonly TenantPolicy[], signal: AbortSignal): Promise<void> {
      const now = clock.now();
      if (settings.cost.priceBook === undefined || target.readPodRequests === undefined) return;
      if (Math.abs(now - recordedAt) < EVERY_MS) return;
      recordedAt = now;
      const due = policies.filter(({ policy }) => policy.costBudget === undefined);
      await inParallel(due, AT_ONCE, async (each) => {
        try {
          await record(each, now, signal);
        } catch (error) {
          if (signal.aborted) return;
          telemetry.count('loopFailures', { loop: 'cost', reason: `requests-${reasonOf(error)}` });
        }
      });
    },
  };
}
