import type { TenantId } from '../model/tenant.ts';
import type { Millis } from '../model/time.ts';
import { currentDemand, type ObserveDeps } from '../observe/observe.ts';
import type { DecisionDraft } from '../scaling/decision-types.ts';
import { planReplicas } from '../scaling/plan.ts';
import { inParallel } from './in-parallel.ts';
import type { TenantPolicy } from './tenant-policy.ts';

/** Demands that are asked for at the same time. */
const AT_ONCE = 8;
/** Policies that are looked at in one look; the others have their turn in the next ones. About 0.2 s of a core. */
const MOST = 2000;

/** Demands that outgrew the floor since the last pass, told without asking the cluster. */
export interface Surges {
  /** What the last pass planned. */
  planned(draft: DecisionDraft): void;
  /** Those of the policies whose demand of this moment asks for more than the floor that was planned. */
  find(policies: readonly TenantPolicy[], now: Millis, signal: AbortSignal): Promise<readonly TenantPolicy[]>;
}

/**
 * The last plan of each policy is made again with the demand of this moment: where that raises the floor, a pass for
 * this one policy is due at once. All else about the input is some seconds old, so it decides nothing.
 */
export function openSurges(instantOf: (tenant: TenantId) => ObserveDeps['instant']): Surges {
  let last = new Map<string, DecisionDraft>();
  let next = 0;

  async function surged(each: TenantPolicy, now: Millis, signal: AbortSignal): Promise<boolean> {
    const draft = last.get(keyOf(each.tenant, each.policy));
    if (draft === undefined) return false;
    const { input, plan } = draft;
    let grew = false;
    const demands = [...input.demands];
    for (const [i, spec] of input.policy.demands.entries()) {
      const reading = demands[i]!;
      const value = await currentDemand(spec, now, { instant: instantOf(each.tenant) }, [], signal);
      if (value === null || value <= (reading.current.value ?? 0)) continue;
      demands[i] = { ...reading, current: { time: now, value } };
      grew = true;
    }
    if (!grew) return false;
    const target = { ...input.target, min: plan.bounds.min, max: plan.bounds.max };
    return planReplicas({ ...input, now, demands, target, memory: plan.memory }).bounds.min > plan.bounds.min;
  }

  return {
    planned(draft) {
      if (draft.mode === 'enforce') last.set(keyOf(draft.tenant, draft.input.policy), draft);
    },
    async find(policies, now, signal) {
      const enforcing = policies.filter(({ policy }) => policy.mode === 'enforce' && !policy.paused);
      const names = new Set(enforcing.map(({ tenant, policy }) => keyOf(tenant, policy)));
      if (last.size > names.size) last = new Map([...last].filter(([name]) => names.has(name)));
      if (next >= enforcing.length) next = 0;
      const looked = enforcing.slice(next, next + MOST);
      next += MOST;
      const found: TenantPolicy[] = [];
      await inParallel(looked, AT_ONCE, async (each) => {
        if (!signal.aborted && (await surged(each, now, signal))) found.push(each);
      });
      return found;
    },
  };
}

function keyOf(tenant: string, { namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${tenant}/${namespace}/${name}`;
}
