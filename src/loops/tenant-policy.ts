import type { TenantId } from '../model/tenant.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';

/** A policy in force, and whose it is. */
export interface TenantPolicy {
  readonly tenant: TenantId;
  readonly policy: ScalingPolicy;
}

/** All policies in force, and where one may stand that cannot be read now: a line each. */
export interface TenantPolicies {
  readonly policies: readonly TenantPolicy[];
  readonly unreadable: readonly string[];
  /** Names of policies that are meant to be and cannot be read: `namespace/name`. */
  readonly broken?: readonly string[];
}
