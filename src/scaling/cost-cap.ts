import { DAY, HOUR, type Millis } from '../model/time.ts';

/** What a policy's workload may cost in a calendar month, and what to do beyond. Shares are ratios of `monthly`. */
export interface CostBudget {
  readonly monthly: number;
  readonly currency: string;
  readonly perReplicaHour: number;
  readonly warn: number;
  readonly critical: number;
  readonly cap: number;
  /** `lower`: the maximum follows what runs, down, until the projected spend is below the cap again. */
  readonly onCap: 'alert' | 'lower';
}

/** What was recorded of the workload's replicas. Plain JSON: it is part of a plan's input. */
export interface CostReading {
  readonly monthStart: Millis;
  readonly monthEnd: Millis;
  readonly replicaHours: number;
  /** Time of this month of which the replicas are known. */
  readonly knownMs: number;
  /** Mean of the last seven days, and how much of them is behind it. Null: nothing is known. */
  readonly meanReplicas: number | null;
  readonly meanMs: number;
}

/** A maximum that a cost budget of the settings asks for, beside the policy's own. Plain JSON. */
export interface CostCeiling {
  readonly budget: string;
  readonly replicas: number;
  readonly spent: number;
  readonly projected: number;
  /** Of one period. */
  readonly amount: number;
  readonly currency: string;
  readonly period: 'weekly' | 'monthly' | 'quarterly';
}

export type CostState = 'within' | 'warn' | 'critical' | 'capped';

export interface CostVerdict {
  readonly state: CostState;
  readonly spent: number;
  /** Of the whole month, if it goes on as in the last seven days. */
  readonly projected: number;
  /** No maximum above this; null where the cap does not bind. */
  readonly ceiling: number | null;
}

interface CapLimits {
  readonly target: { readonly specReplicas: number; readonly statusReplicas: number };
  /** The lowest floor that a person has set. */
  readonly low: number;
  /** Whether the last plan was under the cap. */
  readonly wasCapped: boolean;
}

/** A mean of less than a day is a mood of the hour: until then only what was spent counts. */
const LEAST_MEAN_MS = DAY;
/** A cap that binds lets go once the projected spend is this much below it. */
const LETS_GO = 0.97;

/**
 * Whether the month's budget holds, and the maximum that a cap allows.
 *
 * Under a cap the maximum is what runs now, or what the rest of the budget pays for to the end of the month if that is
 * more: growth stops, and nothing that runs is cut.
 *
 * @returns Null where nothing is known.
 */
export function judgeCost(
  budget: CostBudget,
  reading: CostReading | undefined,
  now: Millis,
  { target, low, wasCapped }: CapLimits,
): CostVerdict | null {
  if (reading === undefined || reading.meanReplicas === null) return null;
  const { monthly, perReplicaHour, warn, critical, cap, onCap } = budget;
  const { monthStart, monthEnd, replicaHours, knownMs, meanReplicas, meanMs } = reading;
  const elapsedMs = Math.max(0, Math.min(now, monthEnd) - monthStart);
  const unknownHours = Math.max(0, elapsedMs - knownMs) / HOUR;
  const leftHours = Math.max(0, monthEnd - now) / HOUR;
  const spent = (replicaHours + unknownHours * meanReplicas) * perReplicaHour;
  const ahead = meanMs < LEAST_MEAN_MS ? 0 : leftHours * meanReplicas * perReplicaHour;
  const projected = spent + ahead;
  if (!Number.isFinite(projected)) return null;

  const share = projected / monthly;
  const isCapped = share >= cap * (wasCapped ? LETS_GO : 1);
  const state = isCapped ? 'capped' : share >= critical ? 'critical' : share >= warn ? 'warn' : 'within';
  if (!isCapped || onCap === 'alert') return { state, spent, projected, ceiling: null };
  const running = Math.max(target.specReplicas, target.statusReplicas);
  const affordable = leftHours > 0 ? Math.floor((cap * monthly - spent) / (leftHours * perReplicaHour)) : 0;
  return { state, spent, projected, ceiling: Math.max(1, low, running, affordable) };
}

/** The ceiling of the settings' budgets that binds most: never below what runs, or what a person set as the minimum. */
export function lowestCeiling(
  ceilings: readonly CostCeiling[],
  { target, low }: Pick<CapLimits, 'target' | 'low'>,
): CostCeiling | undefined {
  const [first, ...others] = ceilings;
  if (first === undefined) return undefined;
  const lowest = others.reduce((least, each) => (each.replicas < least.replicas ? each : least), first);
  const running = Math.max(target.specReplicas, target.statusReplicas);
  return { ...lowest, replicas: Math.max(1, low, running, lowest.replicas) };
}
