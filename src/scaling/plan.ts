import { MINUTE, type Millis } from '../model/time.ts';
import { judgeCost, lowestCeiling } from './cost-cap.ts';
import { isWithin } from './cron-window.ts';
import { judgedError, obstacleOf, presentDemand, type Trust, trustBefore, trustIn, trustMemory } from './demotion.ts';
import type { Demotion, Plan, PlanInput, PlannerMemory, Reason, TargetReading, TrustMemory } from './plan-types.ts';
import type { DeclaredEvent, DemandSpec, ScalingPolicy } from './policy.ts';
import { correctedHistory, type FloorHistory, type Ramp, reachable, timeToReach, withFloor } from './ramp.ts';
import { rampBack } from './ramp-back.ts';
import { respectPause } from './target-pause.ts';

/** Changes whenever the same input may give another plan. */
export const PLANNER_VERSION = '5';

/** A forecast that is gone for a moment must not cost the floor that a peak needs: it is held so long at least. */
const LEAST_DEMOTED_HOLD_MS = 10 * MINUTE;

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
  const open = limitsOf(input);
  const limits =
    cost.ceiling === null ? open : { low: open.low, high: Math.max(open.low, Math.min(open.high, cost.ceiling)) };
  const { reasons } = asked;

  const wanted = clamp(asked.replicas, limits.low, limits.high);
  if (reasons.length > 0) {
    const uncapped = clamp(asked.replicas, open.low, open.high);
    const limit = limitReason(asked.replicas, uncapped, target.original.min);
    if (limit !== null) reasons.push(limit);
  }

  const inForce = history.at(-1)!.floor;
  const until = now + policy.ramp.holdDownMs;
  const untilReleased = Math.max(until, now + LEAST_DEMOTED_HOLD_MS);
  const justDemoted = asked.demotion !== null && memory.demotedSince === undefined;
  const held = stillHeld(memory.held ?? NOTHING_HELD, now, limits.low, untilReleased);
  const holding = justDemoted ? keepHighest(held, { floor: inForce, until: untilReleased }) : held;
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

  if (asked.returned.length > 0) reasons.unshift(...asked.returned);
  if (asked.demotion !== null) reasons.unshift({ code: 'Demoted', demotion: asked.demotion, replicas: floor });
  const limited = reasons.some(({ code }) => LIMITING.has(code));
  if (!limited) reasons.push({ code: 'DesiredWithinRange', replicas: floor });

  const max = Math.max(floor, Math.min(target.original.max, cost.ceiling ?? target.original.max));
  const costReason = cost.reason(clamp(asked.replicas, open.low, open.high), wanted, max);
  if (costReason !== null) reasons.push(costReason);
  const bounds = { min: floor, max };
  const remembered: PlannerMemory = {
    recent: withFloor(history, floor, now),
    held: keepHighest(holding, { floor: Math.min(floor, wanted), until }),
    trust: asked.trust,
  };
  return {
    planner: PLANNER_VERSION,
    now,
    bounds,
    wanted: asked.trusted ? asked.replicas : null,
    changed: bounds.min !== target.min || bounds.max !== target.max,
    reasons,
    demotion: asked.demotion,
    memory:
      asked.demotion === null && asked.eventPeaks === null && cost.memory === undefined
        ? remembered
        : {
            ...remembered,
            ...demotionMemory(memory, asked.demotion, now),
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
export const DEFAULT_RAMP: Ramp = { upRatioPerMinute: 1, downRatioPerMinute: 0.25 };

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
  /** To be added to. */
  readonly reasons: Reason[];
  /** The first demand whose forecast is not trusted. */
  readonly demotion: Demotion | null;
  /** Forecasts that are trusted again from now on. */
  readonly returned: readonly Reason[];
  readonly trust: NonNullable<PlannerMemory['trust']>;
  readonly eventPeaks: NonNullable<PlannerMemory['eventPeaks']> | null;
}

/** Everything that asks for replicas, each with its reason. The largest need wins. */
function ask(input: PlanInput, history: FloorHistory): Asked {
  const { now, policy, demands, memory } = input;
  const trusts = policy.demands.map((spec, i) => trustIn(spec, demands[i], policy, now, memory));
  const reasons: Reason[] = [];
  let trust: Readonly<Record<string, TrustMemory>> | undefined;
  let replicas = 0;
  let first: Demotion | null = null;
  let trusted = false;

  for (let i = 0; i < trusts.length; i++) {
    const spec = policy.demands[i]!;
    const verdict = trusts[i]!;
    const remembered = trustMemory(spec.name, verdict, memory, now);
    trust = trust === undefined ? { [spec.name]: remembered } : { ...trust, [spec.name]: remembered };
    if (verdict.kind === 'demoted') {
      first ??= verdict.demotion;
      continue;
    }
    trusted = true;
    const { peak, quantile, windowMs, model } = verdict;
    const { perReplica, learned } = verdict.capacity;
    const { name: demand, fill } = spec;
    const needed = replicasFor(peak, perReplica, spec);
    const asking = {
      code: 'ForecastPeak',
      demand,
      peak,
      quantile,
      windowMs,
      perReplica,
      fill,
      replicas: needed,
      model,
    } as const;
    reasons.push(learned ? { ...asking, capacity: 'learned' } : asking);
    replicas = Math.max(replicas, needed);
    if (verdict.share !== undefined) {
      const overMs = demands[i]?.shortSoFar?.overMs ?? null;
      reasons.push({ code: 'ObjectiveQuantile', demand, quantile, share: verdict.share, overMs });
    }
    // A fall that is only forecast lowers nothing: the demand of this moment is part of the largest one.
    const value = presentDemand(spec, demands[i], policy, now);
    const present = value === null ? 0 : replicasFor(value, perReplica, spec);
    if (value !== null && present > needed) {
      const shown = { code: 'CurrentDemand', demand, value, perReplica, fill, replicas: present } as const;
      reasons.push(learned ? { ...shown, capacity: 'learned' } : shown);
      replicas = Math.max(replicas, present);
    }
    if (spec.utilization !== undefined && !learned) {
      reasons.push({ code: 'CapacityNotLearned', demand, perReplica, why: obstacleOf(demands[i]) });
    }
  }

  const isDeclared = policy.events.length > 0 || policy.schedules.length > 0;
  for (const reason of isDeclared ? declared(input, history, trusts) : NOTHING_DECLARED) {
    reasons.push(reason);
    replicas = Math.max(replicas, reason.replicas);
  }

  const peaks = eventPeaks(policy, trusts, memory, now);
  const returned = returnedOf(input, trusts);
  return { replicas, trusted, reasons, demotion: first, returned, trust: trust ?? {}, eventPeaks: peaks };
}

const NOTHING_DECLARED: readonly never[] = [];

/** What people declared, as early as the floor takes to be ready. */
function declared(
  { now, policy, memory, leadTime, refreshMs }: PlanInput,
  history: FloorHistory,
  trusts: readonly Trust[],
): readonly Extract<Reason, { code: 'DeclaredEvent' | 'Schedule' }>[] {
  const reasons: Extract<Reason, { code: 'DeclaredEvent' | 'Schedule' }>[] = [];
  const leadIn = (floor: number) => leadTime.ms + refreshMs + timeToReach(floor, history, policy.ramp, now);
  for (const event of policy.events) {
    const floor = event.floor ?? factorFloor(event, policy, trusts, memory, now);
    if (floor === null || now >= event.end || event.start > now + leadIn(floor)) continue;
    reasons.push({
      code: 'DeclaredEvent',
      event: event.name,
      factor: event.demandFactor ?? null,
      replicas: floor,
    });
  }
  for (const schedule of policy.schedules) {
    if (!isWithin(schedule, policy.timeZone, now, leadIn(schedule.min))) continue;
    reasons.push({ code: 'Schedule', cron: schedule.cron, replicas: schedule.min });
  }
  return reasons;
}

/** The first forecast that there is has not returned from anywhere. */
function returnedOf({ now, policy, demands, memory }: PlanInput, trusts: readonly Trust[]): readonly Reason[] {
  const returned: Reason[] = [];
  for (let i = 0; i < trusts.length; i++) {
    const demand = policy.demands[i]!.name;
    const before = trustBefore(demand, memory);
    if (trusts[i]!.kind === 'demoted' || before === undefined || before.demotedBy === null) continue;
    const forecast = demands[i]?.forecast;
    const errorVsNaive = forecast?.kind === 'ready' ? judgedError(forecast) : null;
    const forMs = Math.max(0, now - before.since);
    returned.push({ code: 'ForecastTrusted', demand, demotedBy: before.demotedBy, forMs, errorVsNaive });
  }
  return returned;
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
  if (events.length === 0) return null;
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

interface Cost {
  /** No maximum above this; null where no cap binds. */
  readonly ceiling: number | null;
  /** What is remembered of it; undefined where there is no budget, or nothing was ever known. */
  readonly memory: PlannerMemory['cost'];
  /** What is said of a plan that wanted so many replicas, and has so many and a maximum. */
  readonly reason: (wanted: number, replicas: number, max: number) => Reason | null;
}

const NO_BUDGET: Cost = { ceiling: null, memory: undefined, reason: () => null };

/** How cost budgets stand, what they limit, and what is said and remembered of them: the lowest ceiling counts. */
function costOf(input: PlanInput): Cost {
  const own = ownCostOf(input);
  const { policy, target, ceilings = [] } = input;
  const lowest = lowestCeiling(ceilings, { target, low: limitsOf({ policy, target }).low });
  // One that is no lower than what a person set limits nothing.
  const most = Math.min(own.ceiling ?? target.original.max, target.original.max);
  if (lowest === undefined || lowest.replicas >= most) return own;
  const { budget: name, period, replicas: ceiling, spent, projected, amount: monthly, currency } = lowest;
  return {
    ...{ ceiling, memory: own.memory },
    reason: (wanted, replicas, max) => ({
      ...{ code: 'CostCap', budget: { name, period }, spent, projected, monthly, currency, wanted, replicas, max },
    }),
  };
}

/** Of the policy's own budget. */
function ownCostOf({ now, policy, target, cost, memory }: PlanInput): Cost {
  const { costBudget } = policy;
  if (costBudget === undefined) return NO_BUDGET;
  const { low } = limitsOf({ policy, target });
  const wasCapped = memory.cost?.state === 'capped';
  const verdict = judgeCost(costBudget, cost, now, { target, low, wasCapped });
  // A budget of which nothing is known at the moment stands as it stood, but cuts nothing.
  if (verdict === null) return { ...NO_BUDGET, memory: memory.cost };
  const { state, spent, projected, ceiling } = verdict;
  const { monthly, currency } = costBudget;
  return {
    ceiling,
    memory: { state, since: memory.cost?.state === state ? memory.cost.since : now },
    reason(wanted, replicas, max) {
      if (state === 'within') return null;
      if (ceiling === null) return { code: 'CostBudget', state, spent, projected, monthly, currency };
      return { code: 'CostCap', spent, projected, monthly, currency, wanted, replicas, max };
    },
  };
}

function limitReason(wanted: number, replicas: number, originalMin: number): Reason | null {
  if (wanted > replicas) return { code: 'TooManyReplicas', wanted, replicas };
  if (wanted === replicas) return null;
  return { code: replicas === originalMin ? 'OriginalMinimum' : 'TooFewReplicas', wanted, replicas };
}

type Held = NonNullable<PlannerMemory['held']>;

const NOTHING_HELD: Held = [];

/** What holds a floor above `low` now. After a clock was set back, or `holdDown` shortened, nothing holds beyond `latest`. */
function stillHeld(held: Held, now: Millis, low: number, latest: Millis): Held {
  const counts = ({ floor, until }: Held[number]) => until > now && floor > low;
  if (held.every((entry) => counts(entry) && entry.until <= latest)) return held;
  return held.filter(counts).map(({ floor, until }) => ({ floor, until: Math.min(until, latest) }));
}

/** Leaves out what can never be the highest again: entries that are no higher and end no later. */
function keepHighest(held: Held, entry: Held[number]): Held {
  const isHigher = ({ floor, until }: Held[number]) => floor > entry.floor || until > entry.until;
  return held.some(isHigher) ? [...held.filter(isHigher), entry] : [entry];
}

function highestOf(held: Held): Held[number] {
  let top: Held[number] = { floor: 0, until: 0 };
  for (const entry of held) if (entry.floor > top.floor) top = entry;
  return top;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
