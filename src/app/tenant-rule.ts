import type { Settings } from '../config/load.ts';
import type { TenantRule } from '../ingest/tenant-of-series.ts';

/** How the tenant of a series is told where a label does. */
export function tenantRuleOf({ label, namespaces }: Settings['tenancy']): TenantRule | undefined {
  if (label === undefined) return undefined;
  return { label: label.label, keep: label.keep, namespaces: label.value === 'namespace' ? namespaces : undefined };
}
