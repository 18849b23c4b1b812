import type { StoredPolicy } from '../config/policy-store.ts';
import { degradation } from '../scaling/policy-status.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { WorkloadPasses } from './workload-passes.ts';

/** Tells of each policy that this process acts on what keeps it from its work, and whether it is over its budget. */
export function updatePolicyGauges(
  metrics: Pick<Metrics, 'policyDegraded' | 'policyCostState'>,
  passes: Pick<WorkloadPasses, 'draftOf' | 'notesOf'>,
  inForce: readonly Pick<StoredPolicy, 'tenant' | 'policy'>[],
): void {
  metrics.policyDegraded.reset();
  metrics.policyCostState.reset();
  for (const { tenant, policy } of inForce) {
    const labels = { namespace: policy.namespace, policy: policy.name };
    const last = passes.draftOf(tenant, policy);
    const { status, reason } = degradation(last, passes.notesOf(tenant, policy));
    if (status === 'True') metrics.policyDegraded.set({ ...labels, reason }, 1);
    const state = last?.plan.memory.cost?.state ?? 'within';
    if (state !== 'within') metrics.policyCostState.set({ ...labels, state }, 1);
  }
}
