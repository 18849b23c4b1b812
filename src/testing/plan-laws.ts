import { MINUTE, type Millis } from '../model/time.ts';
import { targetReading } from '../observe/observe.ts';
import type { TargetState } from '../scaling/cluster.ts';
import type { OwnershipDecision } from '../scaling/ownership.ts';
import { planRelease } from '../scaling/plan.ts';
import type { DemandReading, Plan, PlanInput, PlannerMemory } from '../scaling/plan-types.ts';
import type { DemandSpec, ScalingPolicy } from '../scaling/policy.ts';
import { highestAfterMinute, lowestAfterMinute, type Ramp } from '../scaling/ramp.ts';
import { replayDecision } from '../scaling/replay.ts';

/*
 * The laws of architecture 3.4, each told apart from the code that keeps it:
 *
 * | architecture | law here |
 * |---|---|
 * | 1 a floor, `min <= max`, within the absolute limits | `brokenBounds`: law 1, three of them |
 * | 2 no jumps, up or down, lost writes or not | `brokenRamp`: law 2, by what was in force within the last minute |
 * | 3 `max` lowered by a declared cap alone, never under what runs, announced; the floor never above it | `brokenBounds`: law 3, and law 1 |
 * | 4 nothing by a forecast that is stale, short, not finite or worse than naive; held, released slowly, said | `brokenTrust`: law 4; slowly is law 2 |
 * | 5 no fight: others' objects left alone, one announced take-over, a set-back is a new original, two are the end | `brokenOwnership`: law 5 |
 * | 6 the way back by the ramp to the originals, for a pause (law 2) and a release | `brokenRelease`: law 6; that a stop releases nothing is a law of `scale-torture` |
 * | records: a replay of the JSON gives the same plan | `brokenReplay` |
 */

export type InForce = readonly { readonly at: Millis; readonly floor: number }[];

/** The first law that a plan breaks, or undefined. */
export function brokenBy(input: PlanInput, plan: Plan, inForce: InForce): string | undefined {
  const { target } = input;
  const { min, max } = plan.bounds;
  if (!(Number.isInteger(min) && Number.isInteger(max) && min >= 1 && min <= max)) return 'law 1: whole and ordered';
  if (plan.reasons.length === 0) return 'a plan has a reason';
  const still = plan.reasons[0]!.code === 'Maintenance' || plan.reasons[0]!.code === 'ScaledToZero';
  if (still) return min === target.min && max === target.max ? undefined : 'nothing is changed';
  return brokenBounds(input, plan) ?? brokenTrust(input, plan) ?? brokenRamp(input, plan, inForce);
}

function brokenBounds({ policy, target, ceilings }: PlanInput, { bounds, reasons }: Plan): string | undefined {
  const { original } = target;
  const { min, max } = bounds;
  const running = Math.max(target.specReplicas, target.statusReplicas);
  if (max > original.max) return "law 3: never above the owner's maximum";
  if (max < original.max) {
    if (policy.costBudget?.onCap !== 'lower' && ceilings === undefined)
      return 'law 3: only a declared cap lowers the maximum';
    if (max < Math.min(running, original.max)) return 'law 3: what runs is not cut';
    if (!reasons.some(({ code }) => code === 'CostCap')) return 'law 3: a lowered maximum is announced';
  }
  if (min < Math.min(original.min, max)) return "law 1: never under the owner's minimum";
  if (policy.paused) return undefined;
  if (min < Math.min(policy.replicas.min, original.max)) return "law 1: never under the policy's minimum";
  if (min > Math.max(policy.replicas.max, original.min)) return "law 1: never above the policy's maximum";
  return undefined;
}

function brokenTrust({ policy, target, demands, memory, now, ceilings }: PlanInput, plan: Plan): string | undefined {
  if (policy.paused) return undefined;
  const { reasons, demotion, wanted } = plan;
  const bad = policy.demands.filter((spec, i) => isBad(spec, demands[i]!, policy, now));
  if (reasons.some((reason) => 'demand' in reason && 'replicas' in reason && bad.some((d) => d.name === reason.demand)))
    return 'law 4: no reason by a forecast that is stale, too short, not a number or worse than naive';
  if (bad.length > 0 && (demotion === null || reasons.every(({ code }) => code !== 'Demoted')))
    return 'law 4: a forecast that is not trusted is said';
  const before = policy.mode === 'observe' ? (memory.recent.at(-1)?.floor ?? target.min) : target.min;
  const { low, high } = limitsOf(policy, target);
  const isAsked = policy.events.length > 0 || policy.schedules.length > 0;
  if (bad.length === policy.demands.length) {
    if (wanted !== null) return 'law 4: nothing is wanted without a forecast';
    if (!isAsked && plan.bounds.min > Math.max(before, low)) return 'law 4: nothing is raised without a forecast';
  }
  // A cap that may lower is the one thing above it.
  const isFirst = demotion !== null && memory.demotedSince === undefined;
  if (
    isFirst &&
    policy.ramp.holdDownMs > 0 &&
    policy.costBudget === undefined &&
    ceilings === undefined &&
    plan.bounds.min < Math.min(before, high)
  )
    return 'law 4: the floor is held when its forecast is lost';
  return undefined;
}

/** As the policy's `safety` has it, and no more: what the planner distrusts beyond that is its own affair. */
function isBad(spec: DemandSpec, { forecast }: DemandReading, { safety }: ScalingPolicy, now: Millis): boolean {
  if (forecast.kind !== 'ready') return true;
  const { historyMs, issuedAt, windowMs, peak, maeVsLast, live } = forecast;
  const maxAgeMs = Math.min(safety.maxForecastAgeMs, Math.max(windowMs, 5 * spec.stepMs));
  return (
    historyMs < safety.minHistoryMs ||
    Math.abs(now - issuedAt) > maxAgeMs ||
    peak === null ||
    !Number.isFinite(peak) ||
    (maeVsLast !== null && Number.isFinite(maeVsLast) && maeVsLast > safety.maxErrorVsNaive) ||
    (live?.errorVsNaive ?? 0) > safety.maxErrorVsNaive ||
    live?.coverageBroken === true
  );
}

function brokenRamp({ policy, target }: PlanInput, { bounds: { min } }: Plan, inForce: InForce): string | undefined {
  if (policy.mode === 'observe') return undefined;
  const { low } = limitsOf(policy, target);
  const jump = policy.paused ? target.original.min : low;
  const { highest, lowest } = extremesOf(inForce);
  if (min > target.min && min > Math.max(highestAfterMinute(lowest, policy.ramp), jump)) return 'law 2: no jump up';
  const limit = policy.paused ? target.original.max : Math.max(policy.replicas.max, target.original.min);
  const least = Math.min(lowestAfterMinute(highest, policy.ramp), limit);
  return min < target.min && min < least ? 'law 2: no jump down' : undefined;
}

/** What a person set: it holds at once. */
function limitsOf({ replicas }: ScalingPolicy, { original }: PlanInput['target']) {
  const low = Math.max(original.min, Math.min(replicas.min, original.max));
  return { low, high: Math.max(original.min, Math.min(replicas.max, original.max)) };
}

function extremesOf(inForce: InForce): { readonly lowest: number; readonly highest: number } {
  let lowest = Number.POSITIVE_INFINITY;
  let highest = 0;
  for (const { floor } of inForce) {
    lowest = Math.min(lowest, floor);
    highest = Math.max(highest, floor);
  }
  return { lowest, highest };
}

/** Two set-backs within it are a fight. */
const FIGHT_MS = 30 * MINUTE;

/**
 * @param setBacks When others had set the minimum back, this time included, since the object was last free.
 */
export function brokenOwnership(
  state: TargetState,
  { policy, now }: Pick<PlanInput, 'policy' | 'now'>,
  { change, kind, announcement }: OwnershipDecision,
  setBacks: readonly Millis[],
): string | undefined {
  if (change === null) return undefined;
  const others = state.minManagers.filter((manager) => manager !== 'foresail');
  const moves = change.min !== state.min;
  if (policy.mode === 'observe') return 'law 5: to observe is to write nothing';
  if (state.controller !== null) return 'law 5: what another controller owns is left alone';
  if (change.uid !== state.uid || change.resourceVersion !== state.resourceVersion)
    return 'law 5: a write is conditional on what was read';
  if (change.min > change.max) return 'law 1: whole and ordered';
  if (moves && others.length > 0 && policy.takeOver === 'never') return 'law 5: takeOver never takes nothing';
  if (moves && others.length > 0 && !(kind === 'take-over' && change.force && announcement !== null))
    return 'law 5: what others hold is taken over, announced';
  if (kind === 'take-over' && others.some((name) => !announcement!.message.includes(name)))
    return 'law 5: a take-over names whom it takes from';
  if (kind === 'take-over' && others.some((name) => !change.ownership!.takenFrom.includes(name)))
    return 'law 5: a take-over is written down';
  if (policy.paused) return undefined;
  if (
    state.ownership === null &&
    (change.ownership?.original.min !== state.min || change.ownership.original.max !== state.max)
  )
    return 'law 5: the earlier value is written down';
  const isBack = state.ownership !== null && state.min !== state.ownership.written.min;
  if (isBack && change.min < Math.min(state.min, change.max)) return 'law 5: a set-back is a new original';
  const isFight = setBacks.filter((at) => at > now - FIGHT_MS).length >= 2;
  if (isFight && isBack && moves) return 'law 5: who sets it back twice keeps it';
  if (state.ownership?.givenUp && moves && setBacks.length >= 2) return 'law 5: given up is given up';
  return undefined;
}

/** The way back to the originals, a pass a minute: by the ramp, to their very values, and then no further. */
export function brokenRelease(
  found: TargetState,
  from: { readonly now: Millis; readonly memory: PlannerMemory; readonly ramp: Ramp; readonly inForce: InForce },
): string | undefined {
  const { ramp } = from;
  let { now, memory, inForce } = from;
  let state = found;
  const { original } = targetReading(state, { lettingGo: true });
  const least = Math.min(original.min, original.max);
  for (let i = 0; i <= 200; i++, now += MINUTE) {
    const plan = planRelease({ now, target: targetReading(state, { lettingGo: true }), memory, ramp });
    const { min, max } = plan.bounds;
    const { highest } = extremesOf(inForce);
    if (max !== original.max) return "law 6: the owner's maximum comes back at once";
    if (min < least) return "law 6: no lower than the owner's minimum";
    if (min < state.min && min < Math.min(lowestAfterMinute(highest, ramp), original.max)) return 'law 6: by the ramp';
    if (min === least)
      return planRelease({
        now,
        target: { ...targetReading(state, { lettingGo: true }), min, max },
        memory: plan.memory,
        ramp,
      }).changed
        ? 'law 6: and then no further'
        : undefined;
    state = { ...state, min, max, ownership: state.ownership && { ...state.ownership, written: { min, max } } };
    ({ memory } = plan);
    inForce = [{ at: now, floor: min }];
  }
  return 'law 6: in the end';
}

export function brokenReplay(input: PlanInput, plan: Plan): string | undefined {
  const record = JSON.parse(JSON.stringify({ input, plan })) as { input: PlanInput; plan: Plan };
  return JSON.stringify(replayDecision(record)) === JSON.stringify(plan) ? undefined : 'a replay gives the same plan';
}
