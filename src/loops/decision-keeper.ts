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

  function tell(kept: Decision | undefined): void {
    if (kept === undefined) return;
    telemetry.count('decisions', { occasion: kept.occasion });
    telemetry.log.info({ decision: kept.id, namespace: kept.namespace, policy: kept.policy }, kept.text.join(' '));
  }

  async function keepInOrder(ledger: DecisionLedger, tenant: TenantId, draft: DecisionDraft): Promise<void> {
    const key = keyOfDraft(tenant, draft);
    let writes = waiting.get(key)?.writes ?? [];
    try {
      for (; writes.length > 0; writes = writes.slice(1)) tell(await ledger.record(writes[0]!));
      tell(await ledger.record(draft));
      waiting.delete(key);
    } catch (error) {
      keepWaiting(tenant, draft, writes, error);
    }
  }

  /** @param before Earlier writes that are not recorded either. */
  function keepWaiting(tenant: TenantId, draft: DecisionDraft, before: readonly DecisionDraft[], error: unknown): void {
    const { namespace, policy, plan, act } = draft;
    telemetry.count('loopFailures', { loop: 'scale', reason: `record-${reasonOf(error)}` });
    telemetry.log.warn({ err: error, namespace, policy }, `cannot record a decision of ${namespace}/${policy} yet`);
    const writes = act.kind === 'applied' ? [...before, draft] : before;
    if (writes.length > MOST_WAITING) telemetry.count('loopSkips', { loop: 'scale', reason: 'decision-dropped' });
    waiting.set(keyOfDraft(tenant, draft), { memory: plan.memory, writes: writes.slice(-MOST_WAITING) });
  }

  return {
    keep(tenant, draft) {
      const ledger = ledgerOf(tenant);
      if (waiting.size > 0) return keepInOrder(ledger, tenant, draft);
      // As nearly always. To await costs more than to pass the promise on, for each policy in each pass.
      return ledger.record(draft).then(tell, (error) => keepWaiting(tenant, draft, [], error));
    },
    memoryOf(tenant, policy, released) {
      const unrecorded = waiting.size > 0 ? waiting.get(keyOf(tenant, policy, released)) : undefined;
      return unrecorded === undefined
        ? ledgerOf(tenant).memoryOf(policy, released)
        : Promise.resolve(unrecorded.memory);
    },
    async forget(tenant, policy, released) {
      waiting.delete(keyOf(tenant, policy, released));
      await ledgerOf(tenant).forget(policy, released);
    },
  };
}

function keyOfDraft(tenant: TenantId, { namespace, policy, mode, input }: DecisionDraft): string {
  const released = mode === 'release' ? targetKey(input.policy.target) : undefined;
  return keyOf(tenant, { namespace, name: policy }, released);
}

function keyOf(tenant: TenantId, { namespace, name }: PolicyName, released = ''): string {
  return `${tenant}/${namespace}/${name}/${released}`;
}
