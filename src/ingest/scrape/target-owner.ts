import { type Labels, labelValue } from '../../model/labels.ts';
import type { TenantId } from '../../model/tenant.ts';
import { type TenantRule, tenantOfSeries } from '../tenant-of-series.ts';

/** Whose a target's samples are, and the labels that they get. */
export interface TargetOwner {
  readonly tenant: TenantId;
  readonly labels: Labels;
  /** Why nobody may have them: then every scrape of the target fails. */
  readonly fault: string | undefined;
}

/** By the target's label, as relabelling left it, where the settings name one; of targets without it the job's. */
export function ownerOfTarget(labels: Labels, tenant: TenantId, rule: TenantRule | undefined): TargetOwner {
  if (rule === undefined) return { tenant, labels, fault: undefined };
  const whose = tenantOfSeries(labelValue(labels, rule.label), rule, { tenant, anyTenant: true });
  const kept = rule.keep ? labels : labels.filter(([name]) => name !== rule.label);
  if (whose.kind === 'tenant') return { tenant: whose.tenant, labels: kept, fault: undefined };
  return { tenant, labels: kept, fault: whose.message };
}
