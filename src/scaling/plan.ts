import type { Millis } from '../model/time.ts';
import { judgeCost } from './cost-cap.ts';
import { isWithin } from './cron-window.ts';
import { judgedError, obstacleOf, presentDemand, type Trust, trustBefore, trustIn, trustMemory } from './demotion.ts';
import type { Demotion, Plan, PlanInput, PlannerMemory, Reason, TargetReading } from './plan-types.ts';
import type { DeclaredEvent, DemandSpec, ScalingPolicy } from './policy.ts';
import { correctedHistory, type FloorHistory, type Ramp, reachable, timeToReach, withFloor } from './ramp.ts';
import { rampBack } from './ramp-back.ts';
import { respectPause } from './target-pause.ts';

/** Changes whenever the same input may give another plan. */
export const PLANNER_VERSION = '4';

/**
 * What the bounds should be now, and why. Pure: the same input always gives the same plan.
 *
 * The forecast is a floor under the reactive autoscaler: `max` stays what its owner set, and `min` moves between the
 * owner's own minimum and the policy's limits, no faster than the ramps.
 */
export function planReplicas(input: PlanInput): Plan {
  const history = historyOf(input);
  return respectPause(planUnpaused(input, history), input, history);
}

function planUnpaused(input: PlanInput, history: FloorHistory): Plan {
  const { now, policy, target, memory } = input;
  const maintenance = policy.maintenance.find((window) => isWithin(window, policy.timeZone, now, 0));
  if (maintenance !== undefined) return unchanged(input, history, { code: 'Maintenance', cron: maintenance.cron });
  if (policy.paused) {
    const way = { now, target, history, ramp: policy.ramp, immediately: false };
    return { planner: PLANNER_VERSION, ...rampBack('Paused', way) };
  }
  if (target.specReplicas === 0 && target.wakesFromZero !== true)
    return unchanged(input, history, { code: 'ScaledToZero' });

  const cost = costOf(input);
  const asked = ask(input, history);
  const demoted = demotionMemory(memory, asked.demotion, now);
  const open = limitsOf(input);
  const limits =
    cost.ceiling === null ? open : { low: open.low, high: Math.max(open.low, Math.min(open.high, cost.ceiling)) };
  const reasons = [...asked.reasons];

  const wanted = clamp(asked.replicas, limits.low, limits.high);
  if (asked.reasons.length > 0) {
    const uncapped = clamp(asked.replicas, open.low, open.high);
    reasons.push(...limitReasons(asked.replicas, uncapped, target.original.min));
  }

  const inForce = history.at(-1)!.floor;
  const until = now + policy.ramp.holdDownMs;
  const justDemoted = asked.demotion !== null && memory.demotedSince === undefined;
  const held = (memory.held ?? [])
    .filter((entry) => entry.until > now && entry.floor > limits.low)
    // After a clock was set back, or `holdDown` shortened, nothing is held for longer than from now on.
    .map(({ floor, until: before }) => ({ floor, until: Math.min(before, until) }));
  const holding = justDemoted ? keepHighest(held, { floor: inForce, until }) : held;
  const top = highestOf(holding);
  // To hold is to stay: it never raises the floor above what is in force.
  const kept = Math.max(wanted, Math.min(top.floor, inForce, limits.high));
  if (kept > wanted) reasons.push({ code: 'HoldDown', replicas: kept, until: top.until });

  const reach = reachable(history, policy.ramp, now);
  const ramped = clamp(kept, reach.low, reach.high);
  // What a person set as a limit holds at once, in both directions.
  const floor = clamp(ramped, open.low, open.high);
  if (floor < kept) reasons.push({ code: 'ScaleUpLimit', wanted: kept, replicas: floor });
  if (floor > kept) reasons.push({ code: 'ScaleDownLimit', wanted: kept, replicas: floor });

  reasons.unshift(...asked.returned);
  if (asked.demotion !== null) reasons.unshift({ code: 'Demoted', demotion: asked.demotion, replicas: floor });
  const limited = reasons.some(({ code }) => LIMITING.has(code));
  if (!limited) reasons.push({ code: 'DesiredWithinRange', replicas: floor });

  const max = Math.max(floor, Math.min(target.original.max, cost.ceiling ?? target.original.max));
  reasons.push(...cost.reasons({ wanted: clamp(asked.replicas, open.low, open.high), replicas: wanted, max }));
  const bounds = { min: floor, max };
  return {
    planner: PLANNER_VERSION,
    now,
    bounds,
    wanted: asked.trusted ? asked.replicas : null,
    changed: bounds.min !== target.min || bounds.max !== target.max,
    reasons,
    demotion: asked.demotion,
    memory: {
      recent: withFloor(history, floor, now),
      held: keepHighest(holding, { floor: Math.min(floor, wanted), until }),
      ...demoted,
      trust: asked.trust,
      ...(asked.eventPeaks !== null && { eventPeaks: asked.eventPeaks }),
      ...(cost.memory !== undefined && { cost: cost.memory }),
    },
  };
}

export interface ReleaseInput {
  readonly now: Millis;
  readonly target: TargetReading;
  readonly memory: PlannerMemory;
  /** The policy's, or `DEFAULT_RAMP` where the policy is gone. */
  readonly ramp: Ramp;
  /** Back in one step (`foresail release --now`). */
  readonly immediately?: boolean;
}

/** As a policy that says nothing about its ramp has it. */
export const DEFAULT_RAMP: Ramp = { upRatioPerMinute: 0.5, downRatioPerMinute: 0.1 };

/** The way back for a target whose policy is gone, or that was released. Done when the minimum is the original one. */
export function planRelease({ now, target, memory, ramp, immediately = false }: ReleaseInput): Plan {
  const history = correctedHistory(memory.recent, target.min, now);
  return { planner: PLANNER_VERSION, ...rampBack('Released', { now, target, history, ramp, immediately }) };
}

const LIMITING: ReadonlySet<Reason['code']> = new Set<Reason['code']>([
  'HoldDown',
  'ScaleUpLimit',
  'ScaleDownLimit',
  'TooFewReplicas',
  'TooManyReplicas',
  'OriginalMinimum',
]);

/**
 * The floors that ramps are measured from. In `observe` nothing comes into force, so the plan follows itself: it shows
 * what `enforce` would have done.
 */
function historyOf({ now, policy, target, memory }: PlanInput): FloorHistory {
  const imagined = memory.recent.at(-1);
  const inForce = policy.mode === 'observe' && imagined !== undefined ? imagined.floor : target.min;
  return correctedHistory(memory.recent, inForce, now);
}

function unchanged({ now, target, memory }: PlanInput, history: FloorHistory, reason: Reason): Plan {
  return {
    planner: PLANNER_VERSION,
    now,
    bounds: { min: target.min, max: target.max },
    wanted: null,
    changed: false,
    reasons: [reason],
    demotion: null,
    memory: { ...memory, recent: withFloor(history, history.at(-1)!.floor, now) },
  };
}

interface Asked {
  /** The most that anything asks for; 0 where nothing does. */
  readonly replicas: number;
  /** Whether at least one forecast stands behind it. */
  readonly trusted: boolean;
  readonly reasons: readonly Reason[];
  /** The first demand whose forecast is not trusted. */
  readonly demotion: Demotion | null;
  /** Forecasts that are trusted again from now on. */
  readonly returned: readonly Reason[];
  readonly trust: NonNullable<PlannerMemory['trust']>;
  readonly eventPeaks: NonNullable<PlannerMemory['eventPeaks']> | null;
}

/** Everything that asks for replicas, each with its reason. The largest need wins. */
function ask(input: PlanInput, history: FloorHistory): Asked {
  const { now, policy, demands, memory, leadTime } = input;
  const trusts = policy.demands.map((spec, i) => trustIn(spec, demands[i], policy, now, memory));
  const reasons: Reason[] = [];
  let replicas = 0;
  const add = (reason: Reason & { readonly replicas: number }) => {
    reasons.push(reason);
    replicas = Math.max(replicas, reason.replicas);
  };

  for (const [i, spec] of policy.demands.entries()) {
    const trust = trusts[i]!;
    if (trust.kind === 'demoted') continue;
    const { peak, quantile, windowMs, model } = trust;
    const { perReplica, learned } = trust.capacity;
    const capacity = {
      demand: spec.name,
      perReplica,
      fill: spec.fill,
      ...(learned && { capacity: 'learned' as const }),
    };
    const needed = replicasFor(peak, perReplica, spec);
    add({ code: 'ForecastPeak', ...capacity, peak, quantile, windowMs, replicas: needed, model });
    if (trust.share !== undefined) {
      const overMs = demands[i]?.shortSoFar?.overMs ?? null;
      reasons.push({ code: 'ObjectiveQuantile', demand: spec.name, quantile, share: trust.share, overMs });
    }
    // A fall that is only forecast lowers nothing: the demand of this moment is part of the largest one.
    const value = presentDemand(spec, demands[i], policy, now);
    if (value !== null && replicasFor(value, perReplica, spec) > needed) {
      add({ code: 'CurrentDemand', ...capacity, value, replicas: replicasFor(value, perReplica, spec) });
    }
    if (spec.utilization !== undefined && !learned) {
      reasons.push({ code: 'CapacityNotLearned', demand: spec.name, perReplica, why: obstacleOf(demands[i]) });
    }
  }

  const leadIn = (floor: number) => leadTime.ms + input.refreshMs + timeToReach(floor, history, policy.ramp, now);
  const peaks = eventPeaks(policy, trusts, memory, now);
  for (const event of policy.events) {
    const floor = event.floor ?? factorFloor(event, policy, trusts, memory, now);
    if (floor === null || now >= event.end || event.start > now + leadIn(floor)) continue;
    add({ code: 'DeclaredEvent', event: event.name, factor: event.demandFactor ?? null, replicas: floor });
  }
  for (const schedule of policy.schedules) {
    if (!isWithin(schedule, policy.timeZone, now, leadIn(schedule.min))) continue;
    add({ code: 'Schedule', cron: schedule.cron, replicas: schedule.min });
  }

  const first = trusts.find((trust) => trust.kind === 'demoted');
  return {
    replicas,
    trusted: trusts.some((trust) => trust.kind === 'trusted'),
    reasons,
    demotion: first?.kind === 'demoted' ? first.demotion : null,
    returned: returnedOf(input, trusts),
    trust: Object.fromEntries(
      policy.demands.map(({ name }, i) => [name, trustMemory(name, trusts[i]!, memory, now)] as const),
    ),
    eventPeaks: peaks,
  };
}

/** The first forecast that there is has not returned from anywhere. */
function returnedOf({ now, policy, demands, memory }: PlanInput, trusts: readonly Trust[]): readonly Reason[] {
  return policy.demands.flatMap(({ name }, i): Reason[] => {
    const before = trustBefore(name, memory);
    if (trusts[i]!.kind === 'demoted' || before === undefined || before.demotedBy === null) return [];
    const forecast = demands[i]?.forecast;
    const errorVsNaive = forecast?.kind === 'ready' ? judgedError(forecast) : null;
    const forMs = Math.max(0, now - before.since);
    return [{ code: 'ForecastTrusted', demand: name, demotedBy: before.demotedBy, forMs, errorVsNaive }];
  });
}

/** Rounded up, but not for the sake of noise: forecasts are exact to a millionth, since they remember in single precision. */
function replicasFor(demand: number, perReplica: number, { fill }: Pick<DemandSpec, 'fill'>): number {
  return Math.max(0, Math.ceil((demand / (perReplica * fill)) * (1 - 1e-6) - 1e-9));
}

/**
 * The floor of an event that multiplies the demand; null where no forecast is trusted.
 *
 * The forecast may have the factor in it, once its window reaches the event: what it would be without is multiplied,
 * never twice. Once the event runs, the factor applies to what was forecast just before it, so that the floor stays
 * whatever comes.
 */
function factorFloor(
  event: DeclaredEvent,
  policy: ScalingPolicy,
  trusts: readonly Trust[],
  memory: PlannerMemory,
  now: Millis,
): number | null {
  const before = now >= event.start ? memory.eventPeaks?.[event.name] : undefined;
  const factor = event.demandFactor ?? 1;
  let floor: number | null = null;
  for (const [i, spec] of policy.demands.entries()) {
    const trust = trusts[i]!;
    if (trust.kind === 'demoted') continue;
    const base = before?.[i] ?? trust.ordinaryPeak;
    floor = Math.max(floor ?? 0, replicasFor(base * factor, trust.capacity.perReplica, spec));
  }
  return floor;
}

function eventPeaks(
  { events }: ScalingPolicy,
  trusts: readonly Trust[],
  memory: PlannerMemory,
  now: Millis,
): Asked['eventPeaks'] {
  const kept: Record<string, readonly (number | null)[]> = {};
  for (const { name, start, end, demandFactor } of events) {
    if (demandFactor === undefined || now >= end) continue;
    const before = memory.eventPeaks?.[name];
    if (now < start)
      kept[name] = trusts.map((trust, i) => (trust.kind === 'trusted' ? trust.ordinaryPeak : (before?.[i] ?? null)));
    else if (before !== undefined) kept[name] = before;
  }
  return Object.keys(kept).length > 0 ? kept : null;
}

function demotionMemory(
  memory: PlannerMemory,
  demotion: Demotion | null,
  now: Millis,
): Pick<PlannerMemory, 'demotedSince' | 'demotedBy'> {
  if (demotion === null) return {};
  return { demotedSince: memory.demotedSince ?? now, demotedBy: demotion.code };
}

/** What a person set. The owner's own bounds win over the policy's where the two do not meet. */
function limitsOf({ policy, target }: Pick<PlanInput, 'policy' | 'target'>): {
  readonly low: number;
  readonly high: number;
} {
  // The owner's maximum, which a cost cap may have lowered since.
  const most = target.original.max;
  const original = Math.min(target.original.min, most);
  const high = Math.max(original, Math.min(policy.replicas.max, most));
  return { low: clamp(policy.replicas.min, original, high), high };
}

/** How the cost budget stands, what it limits, and what is said and remembered of it. */
function costOf({ now, policy, target, cost, memory }: PlanInput) {
  const { costBudget } = policy;
  const { low } = limitsOf({ policy, target });
  const wasCapped = memory.cost?.state === 'capped';
  const verdict = costBudget && judgeCost(costBudget, cost, now, { target, low, wasCapped });
  if (costBudget === undefined || verdict === undefined || verdict === null) {
    // A budget of which nothing is known at the moment stands as it stood, but cuts nothing.
    return { ceiling: null, memory: costBudget && memory.cost, reasons: (): readonly Reason[] => [] };
  }
  const { state, spent, projected, ceiling } = verdict;
  const { monthly, currency } = costBudget;
  return {
    ceiling,
    memory: { state, since: memory.cost?.state === state ? memory.cost.since : now },
    reasons(limited: { readonly wanted: number; readonly replicas: number; readonly max: number }): readonly Reason[] {
      if (state === 'within') return [];
      if (ceiling === null) return [{ code: 'CostBudget', state, spent, projected, monthly, currency }];
      return [{ code: 'CostCap', spent, projected, monthly, currency, ...limited }];
    },
  };
}

function limitReasons(wanted: number, replicas: number, originalMin: number): readonly Reason[] {
  if (wanted > replicas) return [{ code: 'TooManyReplicas', wanted, replicas }];
  if (wanted === replicas) return [];
  return [{ code: replicas === originalMin ? 'OriginalMinimum' : 'TooFewReplicas', wanted, replicas }];
}

type Held = NonNullable<PlannerMemory['held']>;

/** Leaves out what can never be the highest again: entries that are no higher and end no later. */
function keepHighest(held: Held, entry: Held[number]): Held {
  return [...held.filter(({ floor, until }) => floor > entry.floor || until > entry.until), entry];
}

function highestOf(held: Held): Held[number] {
  return held.reduce((top, entry) => (entry.floor > top.floor ? entry : top), { floor: 0, until: 0 });
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
