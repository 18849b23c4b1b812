import type { TenantId } from '../model/tenant.ts';
import type { CostCeiling } from '../scaling/cost-cap.ts';

/** Maxima that cost budgets ask for now: the budgets write them, the planner's input reads them. */
export interface CostCeilings {
  set(tenant: TenantId, byPolicy: ReadonlyMap<string, readonly CostCeiling[]>): void;
  of(tenant: TenantId, policy: { readonly namespace: string; readonly name: string }): readonly CostCeiling[];
}

export function openCostCeilings(): CostCeilings {
  const all = new Map<TenantId, ReadonlyMap<string, readonly CostCeiling[]>>();
  return {
    set(tenant, byPolicy) {
      all.set(tenant, byPolicy);
    },
    of: (tenant, { namespace, name }) => all.get(tenant)?.get(`${namespace}/${name}`) ?? [],
  };
}
