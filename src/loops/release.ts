import type { Millis } from '../model/time.ts';
import { leadTimeOf, refreshMsOf } from '../observe/lead-time.ts';
import { targetReading } from '../observe/observe.ts';
import type { BoundsChange, TargetState } from '../scaling/cluster.ts';
import { planRelease } from '../scaling/plan.ts';
import type { Plan, PlanInput, PlannerMemory } from '../scaling/plan-types.ts';
import { parsePolicy, type ScalingPolicy, ScalingPolicyDocument } from '../scaling/policy.ts';

/** One step of the way back to the bounds before Foresail. */
export interface ReleaseStep {
  readonly plan: Plan;
  readonly change: BoundsChange | null;
  /** Whether the change lets go of the object: the originals are back, or somebody else has taken the fields. */
  readonly last: boolean;
}

/**
 * The next step of releasing a target: down by the ramp, and once the originals are back, the fields and the annotation
 * are let go of. A field that somebody else has set since is theirs: it is let go of as it is.
 *
 * @param immediately In one step, as `foresail release --now` asks.
 */
export function releaseStep(state: TargetState, input: PlanInput, immediately = false): ReleaseStep {
  const { now, target, memory, policy } = input;
  const plan = planRelease({ now, target, memory, ramp: policy.ramp, immediately });
  const { ref, uid, resourceVersion, ownership } = state;
  if (ownership === null) return { plan, change: null, last: true };
  const { min, max } = target.original;
  const original = { min: Math.min(min, max, target.max), max };
  const done = plan.bounds.min === original.min;
  const bounds = done ? original : plan.bounds;
  const write = { ref, uid, resourceVersion, ...bounds, force: false };
  if (done) return { plan, change: { ...write, ownership: null }, last: true };
  if (!plan.changed) return { plan, change: null, last: false };
  return {
    plan,
    change: { ...write, ownership: { ...ownership, original: target.original, written: bounds } },
    last: false,
  };
}

/** What a release is planned and recorded from: the policy as it last was, and the target that it lets go of. */
export function releaseInput(state: TargetState, policy: ScalingPolicy, memory: PlannerMemory, now: Millis): PlanInput {
  return {
    now,
    policy: { ...policy, target: { kind: state.ref.kind, name: state.ref.name } },
    demands: [],
    target: targetReading(state, { lettingGo: true }),
    leadTime: leadTimeOf(policy),
    refreshMs: refreshMsOf(policy),
    memory,
  };
}

/**
 * The policy that the annotation names. A policy scales targets of its own namespace only, so an annotation that says
 * otherwise was copied or edited: the object's own names then stand for it.
 */
export function policyNameOf({ ref, ownership }: TargetState): { readonly namespace: string; readonly name: string } {
  const [namespace, name, ...rest] = (ownership?.policy ?? '').split('/');
  const isName = rest.length === 0 && ScalingPolicyDocument.shape.metadata.shape.name.safeParse(name).success;
  return { namespace: ref.namespace, name: isName && namespace === ref.namespace ? name! : ref.name };
}

/** A policy of which nothing but its name is left, in the annotation: its ramps are the defaults. */
export function forgottenPolicy({ ref }: TargetState, namespace: string, name: string): ScalingPolicy {
  return parsePolicy({
    apiVersion: 'foresail.dev/v1alpha1',
    kind: 'ScalingPolicy',
    metadata: { name, namespace },
    spec: {
      mode: 'enforce',
      target: { kind: ref.kind, name: ref.name },
      // Never asked: a release looks at no demand.
      demand: { query: 'absent(up)', capacity: { perReplica: 1 } },
      replicas: { min: 1, max: 100_000 },
    },
  });
}
