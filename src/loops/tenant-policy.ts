import type { TenantId } from '../model/tenant.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';

/** A policy in force, and whose it is. */
export interface TenantPolicy {
  readonly tenant: TenantId;
  readonly policy: ScalingPolicy;
}
