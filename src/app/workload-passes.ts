import type { StoredPolicy } from '../config/policy-store.ts';
import { workloadView } from '../http/views.ts';
import type { PassNotes } from '../loops/scale-loop.ts';
import type { TenantId } from '../model/tenant.ts';
import type { DecisionDraft } from '../scaling/decision-types.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';

export type WorkloadPasses = ReturnType<typeof openWorkloadPasses>;

/** What the last pass over each policy decided and noted: what the page, the status and the gauges tell of it. */
export function openWorkloadPasses(policies: () => Promise<readonly StoredPolicy[]>) {
  const drafts = new Map<string, DecisionDraft>();
  const notes = new Map<string, PassNotes & { readonly of: ScalingPolicy }>();
  return {
    decided(tenant: TenantId, draft: DecisionDraft): void {
      if (draft.mode !== 'release') drafts.set(nameOf(tenant, draft.namespace, draft.policy), draft);
    },
    noted(tenant: TenantId, policy: ScalingPolicy, passNotes: PassNotes): void {
      notes.set(nameOf(tenant, policy.namespace, policy.name), { ...passNotes, of: policy });
    },
    /** Another replica acts on it now, and has its passes. */
    left(tenant: TenantId, { namespace, name }: ScalingPolicy): void {
      for (const memory of [drafts, notes]) memory.delete(nameOf(tenant, namespace, name));
    },
    async views(tenant: TenantId) {
      const stored = (await policies()).filter((each) => each.tenant === tenant);
      return stored.map((each) => {
        const name = nameOf(tenant, each.policy.namespace, each.policy.name);
        return workloadView(each, drafts.get(name), notes.get(name));
      });
    },
    /** The last decision on a policy. */
    draftOf: (tenant: TenantId, { namespace, name }: ScalingPolicy) => drafts.get(nameOf(tenant, namespace, name)),
    /** What the last pass over it could not do; undefined until a pass has seen the policy as it is now. */
    notesOf(tenant: TenantId, policy: ScalingPolicy): PassNotes | undefined {
      const found = notes.get(nameOf(tenant, policy.namespace, policy.name));
      return found?.of === policy ? found : undefined;
    },
    /** What the last pass over the policy could not do, be it in an earlier form. */
    lastNotesOf: (tenant: TenantId, { namespace, name }: ScalingPolicy): PassNotes | undefined =>
      notes.get(nameOf(tenant, namespace, name)),
    drafts: (): readonly DecisionDraft[] => [...drafts.values()],
    /** Forgets policies that are no longer. */
    keepOnly(inForce: readonly StoredPolicy[]): void {
      const names = new Set(inForce.map(({ tenant, policy }) => nameOf(tenant, policy.namespace, policy.name)));
      for (const memory of [drafts, notes]) {
        for (const name of memory.keys()) if (!names.has(name)) memory.delete(name);
      }
    },
  };
}

function nameOf(tenant: TenantId, namespace: string, policy: string): string {
  return `${tenant}/${namespace}/${policy}`;
}
