import { type TargetState, targetKey } from '../scaling/cluster.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import type { TenantPolicies } from './tenant-policy.ts';

/** Who may hold which target, by the policies in force. */
export interface Claims {
  /** What is to become of a target that carries an annotation. */
  of(state: TargetState): Claim;
  /** The target as a policy sees it that goes on where another one is gone. */
  inherited<T extends TargetState>(state: T, heir: ScalingPolicy): T;
  /** Changes whenever a target may have to be let go of, or none has to be any more. */
  readonly fingerprint: string;
}

export type Claim =
  /** Its policy enforces. */
  | 'held'
  /** Its policy does not hold it any more, and another one that enforces has the same target: a new name, for one. */
  | 'inherited'
  /** Its policy only observes now, has another target, or is gone. */
  | 'released'
  /** Its policy may be one of those that cannot be read. */
  | 'unknown';

export function claimsOf({ policies, unreadable, broken = [] }: TenantPolicies): Claims {
  const names = new Set(policies.map(({ policy }) => nameOf(policy)));
  const enforcing = policies.map(({ policy }) => policy).filter(({ mode }) => mode === 'enforce');
  const held = new Set(enforcing.map((policy) => `${nameOf(policy)} ${targetOf(policy)}`));
  const targets = new Set(enforcing.map(targetOf));
  const claimOf = ({ ref, ownership }: TargetState): Claim => {
    const target = `${ref.namespace}/${targetKey(ref)}`;
    const policy = ownership?.policy ?? '';
    if (held.has(`${policy} ${target}`)) return 'held';
    if (!names.has(policy) && (unreadable.length > 0 || broken.includes(policy))) return 'unknown';
    return targets.has(target) ? 'inherited' : 'released';
  };
  return {
    of: claimOf,
    inherited(state, heir) {
      if (state.ownership === null || heir.mode !== 'enforce' || claimOf(state) !== 'inherited') return state;
      return { ...state, ownership: { ...state.ownership, policy: nameOf(heir) } };
    },
    fingerprint: [...held].sort().join(),
  };
}

function nameOf({ namespace, name }: ScalingPolicy): string {
  return `${namespace}/${name}`;
}

function targetOf({ namespace, target }: ScalingPolicy): string {
  return `${namespace}/${targetKey(target)}`;
}
