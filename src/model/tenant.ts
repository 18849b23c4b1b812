import { CodedError } from './errors.ts';

/** A checked tenant id: at most 150 bytes of `0-9A-Za-z!-_.*'()`, as Mimir has it. */
export type TenantId = string & { readonly __brand: 'TenantId' };

/** The tenant of everything while tenancy is off. */
export const DEFAULT_TENANT = 'default' as TenantId;

const ALLOWED = /^[0-9A-Za-z!\-_.*'()]{1,150}$/;
const RESERVED = new Set(['.', '..', '__mimir_cluster']);

export class InvalidTenantError extends CodedError {
  override readonly name = 'InvalidTenantError';
  readonly code = 'invalid_tenant';
}

/** @throws {InvalidTenantError} If the text cannot name a tenant. */
export function parseTenant(text: string): TenantId {
  if (ALLOWED.test(text) && !RESERVED.has(text)) return text as TenantId;
  throw new InvalidTenantError(
    `cannot use "${text.slice(0, 160)}" as a tenant: expected 1 to 150 characters of 0-9A-Za-z!-_.*'() other than . and ..`,
  );
}
