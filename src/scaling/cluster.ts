import type { Millis } from '../model/time.ts';
import type { TargetPause } from './plan-types.ts';
import type { EventReason } from './told-reasons.ts';

/** Where bounds are read and changed: the Kubernetes API, or the demo's stand-in. */
export interface Cluster {
  read(target: TargetRef, signal?: AbortSignal): Promise<TargetState | TargetMissing>;
  /** One conditional write of both bounds and Foresail's annotations, or nothing. */
  apply(change: BoundsChange, signal?: AbortSignal): Promise<ApplyOutcome>;
  /** Every target that carries Foresail's annotations, whoever's policy it was. */
  listOwned(signal?: AbortSignal): Promise<readonly TargetState[]>;
  /** Tells people at the object itself. Best effort: a lost event changes nothing. */
  announce(target: TargetRef, event: Announcement, signal?: AbortSignal): Promise<void>;
}

export interface TargetRef {
  readonly kind: 'HorizontalPodAutoscaler' | 'ScaledObject';
  readonly namespace: string;
  readonly name: string;
}

/** A target's name within its namespace, for keys: an HPA and a ScaledObject may have the same one. */
export function targetKey({ kind, name }: Pick<TargetRef, 'kind' | 'name'>): string {
  return kind === 'HorizontalPodAutoscaler' ? name : `${kind}:${name}`;
}

export interface TargetMissing {
  readonly kind: 'missing';
  readonly message: string;
}

export interface TargetState {
  readonly kind: 'found';
  readonly ref: TargetRef;
  readonly uid: string;
  readonly resourceVersion: string;
  /** `spec.minReplicas` of an HPA, 1 where it is not set; `spec.minReplicaCount` of a ScaledObject, 0 where it is not. */
  readonly min: number;
  readonly max: number;
  /** Field managers that own these fields now; `foresail` is ours. Empty: nobody. */
  readonly minManagers: readonly string[];
  readonly maxManagers: readonly string[];
  /** The controller that owns the object and would set it back, such as a KEDA ScaledObject. */
  readonly controller: { readonly kind: string; readonly name: string } | null;
  /** `apiVersion` is left out where it is `apps/v1`. */
  readonly workload: { readonly kind: string; readonly name: string; readonly apiVersion?: string };
  readonly specReplicas: number;
  readonly statusReplicas: number;
  /** Foresail's own annotation, or null where the object carries none. */
  readonly ownership: Ownership | null;
  /** What a person has paused at the object itself. Left out where nothing is. */
  readonly pause?: TargetPause;
  /** Its autoscaler scales it from zero for a minimum above zero. Left out where it does not. */
  readonly wakesFromZero?: true;
}

/** What Foresail writes into the object's annotation, so that a take-over can be undone without a server. */
export interface Ownership {
  /** The policy, as `namespace/name`. */
  readonly policy: string;
  readonly original: { readonly min: number; readonly max: number };
  /** Who held `minReplicas` before, for the announcement and the release. */
  readonly takenFrom: readonly string[];
  /** The bounds that we wrote last: anything else in the object was written by somebody else. */
  readonly written: { readonly min: number; readonly max: number };
  /** When another manager set the field back, lately. Two within 30 minutes are a fight. */
  readonly setBackAt: readonly Millis[];
  /** A maximum that a cost cap had lowered was set back: it is left alone from then on. */
  readonly maxSetBack?: true | undefined;
  /** Set once the field was given up: who took it. Only a person ends this, here or in the policy: `decideOwnership`. */
  readonly givenUp: { readonly at: Millis; readonly manager: string } | null;
}

export interface BoundsChange {
  readonly ref: TargetRef;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly min: number;
  readonly max: number;
  /** Null removes the annotation and gives the fields up: a finished release. */
  readonly ownership: Ownership | null;
  /** Take the fields over from other managers. Only a take-over that was decided says true. */
  readonly force: boolean;
}

export type ApplyOutcome =
  | { readonly kind: 'applied'; readonly resourceVersion: string }
  /** Changed since it was read: read and decide again. */
  | { readonly kind: 'conflict'; readonly message: string }
  /** Another manager holds a field and `force` was not set. */
  | { readonly kind: 'owned'; readonly managers: readonly string[]; readonly message: string }
  | { readonly kind: 'refused'; readonly message: string };

export interface Announcement {
  readonly type: 'Normal' | 'Warning';
  /** CamelCase, as Kubernetes events have it. */
  readonly reason: EventReason;
  readonly message: string;
}
