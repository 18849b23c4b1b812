import { planMaxAgeMs } from '../external-metrics/metrics.ts';
import type { TenantId } from '../model/tenant.ts';
import { leadTimeOf } from '../observe/lead-time.ts';
import { targetOf } from '../observe/observe.ts';
import { type PublishedPlan, publishedSeries, readPublished } from '../observe/published-plan.ts';
import type { DecisionDraft } from '../scaling/decision-types.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import type { ExternalMetrics } from './external-metrics.ts';
import type { Parts } from './parts.ts';

/** What the processes that share an engine tell each other through it: the last pass over each policy. */
export interface SharedPlans {
  /** A pass of this process, for the others. */
  publish(draft: DecisionDraft): void;
  /** Takes in what the others published, for the policies that this process does not act on. */
  refresh(signal: AbortSignal): Promise<void>;
  /** As learned here, or by the process that acts on the policy. */
  learnedLeadMs(tenant: TenantId, policy: ScalingPolicy): number | undefined;
}

export function openSharedPlans(
  {
    samples,
    coordination,
    policies,
    storage,
    forecasts,
    leadTimes,
    clock,
    settings,
  }: Pick<
    Parts,
    'samples' | 'coordination' | 'policies' | 'storage' | 'forecasts' | 'leadTimes' | 'clock' | 'settings'
  >,
  board: Pick<ExternalMetrics['board'], 'plannedElsewhere' | 'watching'>,
): SharedPlans {
  const { engine } = samples;
  const { membership } = coordination;
  /** Lead times of policies that others act on, and as it was when this process took one over. */
  const leads = new Map<string, number>();
  const isElsewhere = (policy: ScalingPolicy) =>
    membership !== undefined && membership.tenureOf(targetOf(policy)) === undefined;

  async function take(tenant: TenantId, policy: ScalingPolicy, published: PublishedPlan): Promise<void> {
    const { learnedLeadMs, at, floor, demands } = published;
    if (learnedLeadMs !== undefined) leads.set(nameOf(tenant, policy), learnedLeadMs);
    const { latest } = board.watching(tenant, forecasts.tenant(tenant));
    for (const { name } of policy.demands) {
      await latest({ namespace: policy.namespace, policy: policy.name, demand: name });
    }
    board.plannedElsewhere({
      ...{ tenant, namespace: policy.namespace, policy: policy.name, quantile: policy.quantile },
      workload: policy.target.name,
      maxForecastAgeMs: policy.safety.maxForecastAgeMs,
      leadMs: learnedLeadMs ?? leadTimeOf(policy).ms,
      ...{ plannedAt: at, floor },
      demands: policy.demands.map(({ name }) => ({ name, time: at, value: demands.get(name) ?? null })),
    });
  }

  return {
    publish(draft) {
      if (engine === undefined || draft.mode === 'release') return;
      engine.outbox.put(draft.tenant as TenantId, publishedSeries(draft));
    },
    async refresh(signal) {
      const inForce = await policies.list();
      const known = new Set(inForce.map(({ tenant, policy }) => nameOf(tenant, policy)));
      for (const name of leads.keys()) if (!known.has(name)) leads.delete(name);
      const elsewhere = inForce.filter(({ policy }) => isElsewhere(policy));
      for (const tenant of new Set(elsewhere.map((each) => each.tenant))) {
        const maxAgeMs = planMaxAgeMs(settings.loops.scaleMs);
        const published = await readPublished(storage.tenant(tenant), clock.now(), maxAgeMs, signal);
        const byName = new Map(published.map((each) => [`${each.namespace}/${each.policy}`, each]));
        for (const { policy } of elsewhere.filter((each) => each.tenant === tenant)) {
          const found = byName.get(`${policy.namespace}/${policy.name}`);
          if (found !== undefined) await take(tenant, policy, found);
        }
      }
    },
    learnedLeadMs(tenant, policy) {
      if (policy.leadTime.kind === 'given') return undefined;
      const shared = leads.get(nameOf(tenant, policy));
      return isElsewhere(policy)
        ? (shared ?? leadTimes.learnedMs(tenant, policy))
        : (leadTimes.learnedMs(tenant, policy) ?? shared);
    },
  };
}

function nameOf(tenant: TenantId, { namespace, name }: ScalingPolicy): string {
  return `${tenant}/${namespace}/${name}`;
}
