import type { TenantId } from '../model/tenant.ts';
import { targetKey } from '../scaling/cluster.ts';
import type { Decision, DecisionDraft } from '../scaling/decision-types.ts';
import type { PlannerMemory } from '../scaling/plan-types.ts';
import { type LoopTelemetry, reasonOf } from './telemetry.ts';

/** One tenant's part of the ledger, as far as the loop needs it. */
export interface DecisionLedger {
  record(draft: DecisionDraft): Promise<Decision | undefined>;
  list(query: {
    readonly namespace: string;
    readonly policy: string;
    readonly limit: number;
  }): Promise<readonly Decision[]>;
  memoryOf(policy: PolicyName, released?: string): Promise<PlannerMemory>;
  forget(policy: PolicyName, released?: string): Promise<void>;
}

export interface PolicyName {
  readonly namespace: string;
  readonly name: string;
}

/** Keeps decisions, and what the planner remembers of a policy, or of a target by its name that the policy lets go of. */
export interface DecisionKeeper {
  keep(tenant: TenantId, draft: DecisionDraft): Promise<void>;
  memoryOf(tenant: TenantId, policy: PolicyName, released?: string): Promise<PlannerMemory>;
  forget(tenant: TenantId, policy: PolicyName, released?: string): Promise<void>;
}

/** Writes that wait to be recorded, for each policy: enough for some minutes of ramps. Older ones are dropped, counted. */
const MOST_WAITING = 20;

/**
 * Keeps decisions in the ledger. While it takes nothing, because a disk is full, memory is kept here and writes to the
 * cluster wait to be recorded: neither ramps nor acts depend on the store, and a record is late rather than lost.
 */
export function openDecisionKeeper(
  ledgerOf: (tenant: TenantId) => DecisionLedger,
  telemetry: LoopTelemetry,
): DecisionKeeper {
  const waiting = new Map<string, { readonly memory: PlannerMemory; readonly writes: readonly DecisionDraft[] }>();

  async function record(tenant: TenantId, draft: DecisionDraft): Promise<void> {
    const kept = await ledgerOf(tenant).record(draft);
    if (kept === undefined) return;
    telemetry.count('decisions', { occasion: kept.occasion });
    telemetry.log.info({ decision: kept.id, namespace: kept.namespace, policy: kept.policy }, kept.text.join(' '));
  }

  return {
    async keep(tenant, draft) {
      const { namespace, policy, mode, input, plan, act } = draft;
      const released = mode === 'release' ? targetKey(input.policy.target) : undefined;
      const key = keyOf(tenant, { namespace, name: policy }, released);
      let writes = waiting.get(key)?.writes ?? [];
      try {
        for (; writes.length > 0; writes = writes.slice(1)) await record(tenant, writes[0]!);
        await record(tenant, draft);
        waiting.delete(key);
      } catch (error) {
        telemetry.count('loopFailures', { loop: 'scale', reason: `record-${reasonOf(error)}` });
        telemetry.log.warn({ err: error, namespace, policy }, `cannot record a decision of ${namespace}/${policy} yet`);
        if (act.kind === 'applied') writes = [...writes, draft];
        if (writes.length > MOST_WAITING) telemetry.count('loopSkips', { loop: 'scale', reason: 'decision-dropped' });
        waiting.set(key, { memory: plan.memory, writes: writes.slice(-MOST_WAITING) });
      }
    },
    memoryOf: async (tenant, policy, released) =>
      waiting.get(keyOf(tenant, policy, released))?.memory ?? (await ledgerOf(tenant).memoryOf(policy, released)),
    async forget(tenant, policy, released) {
      waiting.delete(keyOf(tenant, policy, released));
      await ledgerOf(tenant).forget(policy, released);
    },
  };
}

function keyOf(tenant: TenantId, { namespace, name }: PolicyName, released = ''): string {
  return `${tenant}/${namespace}/${name}/${released}`;
}
