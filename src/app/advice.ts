import type { TenantId } from '../model/tenant.ts';
import { readAdviceInput } from '../observe/advice.ts';
import type { Advice } from '../scaling/advice/types.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import type { Parts } from './parts.ts';

/** Makes right-sizing advice: what it needs is read here, and replayed in a thread. */
export function openAdviser(parts: Parts) {
  const { storage, forecasts, target, clock, settings } = parts;
  return async (tenant: TenantId, policy: ScalingPolicy, judgedMs: number, signal: AbortSignal): Promise<Advice> => {
    const input = await readAdviceInput(
      policy,
      { now: clock.now(), judgedMs },
      {
        storage: storage.tenant(tenant),
        maxSamples: settings.limits.querySamples,
        readTarget: target.cluster.read,
        readAutoscaler: target.readAutoscaler,
        readPodRequests: target.readPodRequests,
        latestForecast: forecasts.tenant(tenant).latest,
        leadTimeOf: (...of) => parts.leadTimes.leadTimeOf(tenant, ...of),
        capacityOf: (...of) => parts.capacities.capacityOf(tenant, ...of),
      },
      signal,
    );
    const { history } = input;
    const times = history.kind === 'read' ? history.rows.times : undefined;
    const [start = 0, end = 0] = [times?.[0], times?.at(-1)];
    const calendar = await parts.strictCalendarOf(policy, { start, end });
    return await parts.jobs.run({ kind: 'advice', input, calendar }, { signal, own: parts.networks.ownOf(tenant) });
  };
}
