import { InvalidTenantError, parseTenant, type TenantId } from '../model/tenant.ts';

/** How the tenant of a series is told, where senders cannot set a header. */
export interface TenantRule {
  readonly label: string;
  readonly keep: boolean;
  /** The tenants of the label's values, which are namespaces. Undefined: the value is the tenant. */
  readonly namespaces: ReadonlyMap<string, TenantId> | undefined;
}

/** Who sends: the tenant of its header or credential, where it has one, and whether it may write to others. */
export interface Sender {
  readonly tenant: TenantId | undefined;
  readonly anyTenant: boolean;
}

export type SeriesTenant =
  | { readonly kind: 'tenant'; readonly tenant: TenantId }
  | { readonly kind: 'refused'; readonly reason: string; readonly message: string };

/** Whose a series is, by its label's value: of series without the label the sender's. Every way in asks this. */
export function tenantOfSeries(value: string, { label, namespaces }: TenantRule, sender: Sender): SeriesTenant {
  if (value === '') {
    if (sender.tenant !== undefined) return { kind: 'tenant', tenant: sender.tenant };
    const message = `the label ${label} is missing, and the sender names no tenant (err-foresail-missing-tenant-label)`;
    return { kind: 'refused', reason: 'missing_tenant_label', message };
  }
  const tenant = namespaces === undefined ? tenantNamed(value) : namespaces.get(value);
  if (tenant === undefined) {
    const why = namespaces === undefined ? 'cannot be a tenant' : 'is a namespace of no tenant';
    const message = `${label}=${JSON.stringify(value.slice(0, 160))} ${why} (err-foresail-invalid-tenant-label)`;
    return { kind: 'refused', reason: 'invalid_tenant_label', message };
  }
  if (sender.anyTenant || tenant === sender.tenant) return { kind: 'tenant', tenant };
  const message = `the credential may not write to the tenant of ${label}=${JSON.stringify(value)} (err-foresail-other-tenant)`;
  return { kind: 'refused', reason: 'other_tenant', message };
}

function tenantNamed(value: string): TenantId | undefined {
  try {
    return parseTenant(value);
  } catch (error) {
    if (error instanceof InvalidTenantError) return undefined;
    throw error;
  }
}
