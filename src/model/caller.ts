import type { TenantId } from './tenant.ts';

/** What a credential allows: `reader` asks, `writer` sends samples and asks, `operator` changes policies as well. */
export const ROLES = ['reader', 'writer', 'operator'] as const;
export type Role = (typeof ROLES)[number];

/** Who sent a request, and on whose data it works. */
export interface Caller {
  readonly tenant: TenantId;
  readonly role: Role;
  /** Of the credential, where there is one. */
  readonly name?: string;
}

/** True where `role` includes `needed`. */
export function allows(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}
