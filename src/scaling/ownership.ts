import { MINUTE, type Millis } from '../model/time.ts';
import type { Announcement, BoundsChange, Ownership, TargetState } from './cluster.ts';
import type { Plan } from './plan-types.ts';
import type { ScalingPolicy } from './policy.ts';
import { reasonText } from './reasons.ts';

/** What may be written to a target whose fields others hold too, and why. */
export interface OwnershipDecision {
  readonly kind: OwnershipVerdict;
  /** One sentence, without the full stop. */
  readonly message: string;
  /** Null: nothing is written. */
  readonly change: BoundsChange | null;
  /** What people are told at the object once the change is made. */
  readonly announcement: Announcement | null;
}

export type OwnershipVerdict =
  /** The policy only observes. */
  | 'observing'
  /** The bounds in force are the planned ones. */
  | 'unchanged'
  /** The field is ours, or nobody's. */
  | 'write'
  /** The field is taken from another manager. */
  | 'take-over'
  /** Somebody else's, and left to them. */
  | 'left'
  /** Given up just now; `given-up` from then on. */
  | 'give-up'
  | 'given-up'
  /** The originals are back, and the fields are handed back with them. */
  | 'hand-back';

/** The name under which Foresail holds fields. */
const OURS = 'foresail';
/** Two set-backs within this time are a fight, which is never fought. */
const FIGHT_WINDOW_MS = 30 * MINUTE;
const FIGHT_SET_BACKS = 2;

/**
 * Decides whether a plan may be written to its target. A field is taken over where the policy consents, its earlier
 * value and manager are written down, and who sets it back twice within 30 minutes keeps it.
 */
export function decideOwnership(
  found: TargetState,
  planned: Plan,
  policy: ScalingPolicy,
  now: Millis,
): OwnershipDecision {
  const state = withMaxSetBack(found);
  const plan = withMaxLeft(state, planned, policy);
  const name = `${policy.namespace}/${policy.name}`;
  const { controller, ownership } = state;
  if (policy.mode === 'observe') return nothing('observing', 'the policy only observes: nothing is written');
  if (controller !== null) {
    return nothing('left', controlledText(state, controller));
  }
  if (ownership !== null && ownership.policy !== name) {
    return nothing('left', `the policy ${ownership.policy} already scales it: one target has one policy`);
  }
  if (ownership !== null && ownership.givenUp !== null) return decideGivenUp(state, ownership, plan, policy, now);
  const still = plan.reasons.find(
    ({ code }) =>
      code === 'Maintenance' || code === 'ScaledToZero' || (code === 'TargetPaused' && plan.bounds.min === state.min),
  );
  if (still !== undefined) return nothing('unchanged', reasonText(still));
  if (ownership === null) return decideFirst(state, plan, policy);
  const setBack = state.min !== ownership.written.min;
  if (plan.reasons[0]?.code === 'Paused') return decidePaused(state, ownership, plan, setBack);
  return setBack ? decideSetBack(state, ownership, plan, policy, now) : decideHeld(state, ownership, plan, policy);
}

/** A maximum that a cost cap had lowered, and that somebody has set since, is left to them until the target is released. */
function withMaxSetBack(state: TargetState): TargetState {
  const { ownership, max } = state;
  if (ownership === null || max === ownership.written.max || ownership.written.max === ownership.original.max) {
    return state;
  }
  return { ...state, ownership: { ...ownership, maxSetBack: true } };
}

/** The plan with the maximum as it is, where that may not be lowered. */
function withMaxLeft({ ownership, max, maxManagers }: TargetState, plan: Plan, { takeOver }: ScalingPolicy): Plan {
  const isTheirs = takeOver === 'never' && maxManagers.some((manager) => manager !== OURS);
  if (plan.bounds.max >= max || !(isTheirs || ownership?.maxSetBack === true)) return plan;
  return { ...plan, bounds: { min: plan.bounds.min, max } };
}

/** Where a policy goes on for another one and has nothing else to change, its name is written at least. */
export function decideInherited(decision: OwnershipDecision, state: TargetState, from: string): OwnershipDecision {
  if (decision.kind !== 'unchanged' || state.ownership === null) return decision;
  const message = `it goes on where the policy ${from} was`;
  return { kind: 'write', message, change: changeOf(state, state, state.ownership, false), announcement: null };
}

/**
 * The field was given up, and stays so until a person says otherwise: by taking the annotation away, by pausing the
 * policy (or removing it, or letting it only observe: the loop then releases the target), or with `takeOver: once`
 * where `never` was why it was given up.
 */
function decideGivenUp(
  state: TargetState,
  ownership: Ownership,
  plan: Plan,
  policy: ScalingPolicy,
  now: Millis,
): OwnershipDecision {
  if (plan.reasons[0]?.code === 'Paused') {
    const left = `the policy is paused, and ${fieldOf(state)} was given up before: the annotation is removed`;
    return {
      kind: 'hand-back',
      message: left,
      change: changeOf(state, { min: state.min, max: state.max }, null, false),
      announcement: null,
    };
  }
  const fought = ownership.setBackAt.length >= FIGHT_SET_BACKS;
  if (!fought && policy.takeOver === 'once') {
    return decideOwnership({ ...state, ownership: { ...ownership, givenUp: null } }, plan, policy, now);
  }
  return nothing('given-up', givenUpText(state, ownership.givenUp?.manager ?? 'somebody'));
}

/** The target was never touched. It is not touched before there is something to change. */
function decideFirst(state: TargetState, plan: Plan, policy: ScalingPolicy): OwnershipDecision {
  if (isInForce(state, plan)) return nothing('unchanged', 'the bounds in force are the planned ones');
  const holders = othersOf(state);
  const ownership: Ownership = {
    policy: `${policy.namespace}/${policy.name}`,
    original: { min: state.min, max: state.max },
    takenFrom: holders,
    written: plan.bounds,
    setBackAt: [],
    givenUp: null,
  };
  if (holders.length === 0) {
    return {
      kind: 'write',
      message: `nobody else holds ${fieldOf(state)}`,
      change: changeOf(state, plan.bounds, ownership, false),
      announcement: null,
    };
  }
  if (policy.takeOver === 'never') {
    return nothing('left', `${listed(holders)} holds ${fieldOf(state)}, and the policy says takeOver: never`);
  }
  return takeOver(state, ownership, holders);
}

/** The minimum is not what we wrote: another manager has set it since. It is a new original. */
function decideSetBack(
  state: TargetState,
  ownership: Ownership,
  plan: Plan,
  policy: ScalingPolicy,
  now: Millis,
): OwnershipDecision {
  const holders = othersOf(state);
  const setBackAt = [...ownership.setBackAt.filter((at) => at > now - FIGHT_WINDOW_MS), now];
  const original = { min: state.min, max: originalOf(state, ownership).max };
  const bounds = { min: Math.max(plan.bounds.min, original.min), max: Math.max(plan.bounds.max, original.min) };
  const next: Ownership = { ...ownership, original, takenFrom: holders, written: bounds, setBackAt };
  if (setBackAt.length < FIGHT_SET_BACKS && policy.takeOver === 'once') return takeOver(state, next, holders);

  const manager = listed(holders);
  const message = givenUpText(state, manager);
  const givenUp: Ownership = { ...next, written: original, givenUp: { at: now, manager } };
  return {
    kind: 'give-up',
    message,
    change: changeOf(state, original, givenUp, false),
    announcement: { type: 'Warning', reason: 'GivenUp', message: `Foresail gave ${fieldOf(state)} up: ${message}` },
  };
}

/** On the way back nothing is taken over: a minimum that somebody else has set since is theirs already. */
function decidePaused(state: TargetState, ownership: Ownership, plan: Plan, setBack: boolean): OwnershipDecision {
  const original = originalOf(state, ownership);
  // What another manager has set since, be it to the very value that we wrote, is its own.
  const theirs = setBack || othersOf(state).length > 0;
  const back = { min: theirs ? state.min : Math.min(original.min, original.max), max: original.max };
  if (!theirs && plan.bounds.min !== back.min) {
    if (isInForce(state, plan)) return nothing('unchanged', 'the ramp allows no step yet');
    const next: Ownership = { ...ownership, original, written: plan.bounds };
    return {
      kind: 'write',
      message: `the policy is paused: ${fieldOf(state)} goes back by the ramp`,
      change: changeOf(state, plan.bounds, next, false),
      announcement: null,
    };
  }
  return {
    kind: 'hand-back',
    message: 'the policy is paused and the original bounds are back: the fields are handed back',
    change: changeOf(state, back, null, false),
    announcement: {
      type: 'Normal',
      reason: 'Released',
      message: `Foresail handed ${fieldOf(state)} back at ${back.min}`,
    },
  };
}

/** The minimum is what we wrote. */
function decideHeld(state: TargetState, ownership: Ownership, plan: Plan, policy: ScalingPolicy): OwnershipDecision {
  const original = originalOf(state, ownership);
  if (isInForce(state, plan)) return nothing('unchanged', 'the bounds in force are the planned ones');
  const holders = othersOf(state);
  const next: Ownership = { ...ownership, original, written: plan.bounds };
  if (holders.length === 0) {
    return {
      kind: 'write',
      message: `${fieldOf(state)} is ours`,
      change: changeOf(state, plan.bounds, next, false),
      announcement: null,
    };
  }
  // Another manager has set the very value that we wrote: no set-back, but the field is shared now.
  if (policy.takeOver === 'never') {
    return nothing('left', `${listed(holders)} holds ${fieldOf(state)} too, and the policy says takeOver: never`);
  }
  return takeOver(state, { ...next, takenFrom: [...new Set([...ownership.takenFrom, ...holders])] }, holders);
}

function takeOver(state: TargetState, ownership: Ownership, holders: readonly string[]): OwnershipDecision {
  const from = holders.length === 0 ? '' : ` from ${listed(holders)}`;
  const message = `${fieldOf(state)} is taken over${from}, which had it at ${ownership.original.min}`;
  return {
    kind: 'take-over',
    message,
    change: changeOf(state, ownership.written, ownership, holders.length > 0),
    announcement: { type: 'Normal', reason: 'TookOver', message: `Foresail: ${message}` },
  };
}

/** The owner's bounds as far as they are known: a maximum that we did not write is the owner's new one. */
function originalOf({ max }: TargetState, { original, written }: Ownership): Ownership['original'] {
  return { min: original.min, max: max === written.max ? original.max : max };
}

function changeOf(
  { ref, uid, resourceVersion, ...found }: TargetState,
  { min, max }: { readonly min: number; readonly max: number },
  ownership: Ownership | null,
  force: boolean,
): BoundsChange {
  // A cap that may lower is consent to take the maximum over, as `enforce` is for the minimum.
  const takesMax = max < found.max && found.maxManagers.some((manager) => manager !== OURS);
  return { ref, uid, resourceVersion, min, max, ownership, force: force || takesMax };
}

function nothing(kind: OwnershipVerdict, message: string): OwnershipDecision {
  return { kind, message, change: null, announcement: null };
}

function isInForce(state: TargetState, { bounds }: Plan): boolean {
  return state.min === bounds.min && state.max === bounds.max;
}

function othersOf({ minManagers }: TargetState): readonly string[] {
  return minManagers.filter((manager) => manager !== OURS);
}

function listed(managers: readonly string[]): string {
  return managers.length === 0 ? 'somebody' : managers.join(' and ');
}

function givenUpText(state: TargetState, manager: string): string {
  const field = fieldOf(state);
  return `${manager} set ${field} back and keeps it; to let Foresail have it, take ${field} out of what ${manager} applies, then pause the policy for a minute, or remove the annotation foresail.dev/ownership`;
}

/** KEDA has a way: its own object. Any other controller has to be asked itself. */
function controlledText({ ref }: TargetState, controller: NonNullable<TargetState['controller']>): string {
  const { kind, name } = controller;
  const left = `the ${kind} ${name} controls it and would set it back: it is left alone`;
  if (kind !== 'ScaledObject' || ref.kind === kind) return left;
  return `${left}; name the ScaledObject as the target of the policy: {kind: ScaledObject, name: ${name}}`;
}

/** The field that holds the minimum, as people know it. */
function fieldOf({ ref }: TargetState): string {
  return ref.kind === 'ScaledObject' ? 'minReplicaCount' : 'minReplicas';
}
