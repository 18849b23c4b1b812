import { DAY, type Millis } from '../model/time.ts';
import { toMicros } from './money.ts';
import type { SpendHour } from './spend.ts';

/** What a finished day of a policy would have taken, by simulation; or why that is not known. */
export type SimulatedDay =
  | {
      readonly kind: 'played';
      readonly day: Millis;
      readonly foresail: SimulatedUse;
      readonly reactive: SimulatedUse;
      /** Replicas that carry the highest demand of the day when full. */
      readonly peakReplicas: number;
    }
  | { readonly kind: 'not-played'; readonly day: Millis; readonly why: string };

export interface SimulatedUse {
  readonly replicaHours: number;
  /** Minutes with more demand than ready replicas carry. */
  readonly minutesOver: number;
}

export interface PolicySavingsInput {
  readonly namespace: string;
  readonly policy: string;
  /** The name of its target: what ran under it counts where nothing says which policy it is of. */
  readonly target: string;
  /** observe: the policy changes nothing, so what ran was not Foresail's doing. */
  readonly mode: 'observe' | 'enforce';
  /** Finished days, each once. */
  readonly days: readonly SimulatedDay[];
  /** Days whose simulation is under way. */
  readonly pending: number;
  /** Of the tenant, within the same time at least. */
  readonly spend: readonly SpendHour[];
}

/** Everything but `ran` is simulated. */
export interface PolicySavings {
  readonly namespace: string;
  readonly policy: string;
  readonly mode: 'observe' | 'enforce';
  readonly days: number;
  readonly pending: number;
  /** Days that could not be played, and why, each reason once. */
  readonly skipped: readonly { readonly why: string; readonly days: number }[];
  /** Mean price of the policy's replica-hours in these days; null where nothing of theirs is known. */
  readonly pricePerReplicaHour: number | null;
  readonly foresail: StrategyUse;
  readonly reactive: StrategyUse;
  /** The fewest replicas that carry the highest demand of these days, known afterwards, all the time. */
  readonly staticPeak: StrategyUse & { readonly replicas: number };
  /** What Foresail saves against each: below zero, it takes more. */
  readonly saved: { readonly reactive: Saved; readonly staticPeak: Saved };
  /** Recorded in the same days, not simulated; null where nothing is known. */
  readonly ran: { readonly replicaHours: number; readonly hours: number } | null;
}

export interface StrategyUse extends SimulatedUse {
  readonly cost: number | null;
}

export interface Saved {
  readonly replicaHours: number;
  readonly cost: number | null;
  /** Of what the other takes; null where that is nothing. */
  readonly ratio: number | null;
}

/** What a policy saves, as the simulation of the days that happened has it. */
export function policySavings(input: PolicySavingsInput): PolicySavings {
  const { namespace, policy, mode, pending } = input;
  const played = input.days.filter((day) => day.kind === 'played');
  const starts = new Set(played.map(({ day }) => day));
  const isOwn = (entry: SpendHour) =>
    entry.namespace === namespace &&
    (entry.policy === undefined ? entry.workload === input.target : entry.policy === policy);
  const own = input.spend.filter((entry) => isOwn(entry) && starts.has(Math.floor(entry.hour / DAY) * DAY));
  const ranHours = sum(own.map(({ replicaHours }) => replicaHours));
  const price = ranHours > 0 ? sum(own.map(({ cost }) => cost)) / ranHours : null;
  const use = (uses: readonly SimulatedUse[]): StrategyUse => {
    const replicaHours = sum(uses.map((one) => one.replicaHours));
    return { replicaHours, minutesOver: sum(uses.map((one) => one.minutesOver)), cost: priced(replicaHours, price) };
  };
  const replicas = played.reduce((most, { peakReplicas }) => Math.max(most, peakReplicas), 0);
  const foresail = use(played.map((day) => day.foresail));
  const reactive = use(played.map((day) => day.reactive));
  const staticPeak = { replicas, ...use(played.map(() => ({ replicaHours: replicas * 24, minutesOver: 0 }))) };
  const savedAgainst = (other: StrategyUse): Saved => {
    const replicaHours = other.replicaHours - foresail.replicaHours;
    const ratio = other.replicaHours > 0 ? replicaHours / other.replicaHours : null;
    return { replicaHours, cost: priced(replicaHours, price), ratio };
  };
  return {
    ...{ namespace, policy, mode, pending, days: played.length },
    skipped: reasonsOf(input.days),
    pricePerReplicaHour: price,
    ...{ foresail, reactive, staticPeak },
    saved: { reactive: savedAgainst(reactive), staticPeak: savedAgainst(staticPeak) },
    ran: own.length === 0 ? null : { replicaHours: ranHours, hours: new Set(own.map(({ hour }) => hour)).size },
  };
}

/** The sum over policies; costs are null where that of no policy is known. */
export interface TotalSavings {
  readonly policies: number;
  readonly saved: PolicySavings['saved'];
  /** Policies without a price, which no cost includes. */
  readonly unpriced: number;
}

export function totalSavings(all: readonly PolicySavings[]): TotalSavings {
  const known = all.filter(({ days }) => days > 0);
  const priced = known.filter(({ pricePerReplicaHour }) => pricePerReplicaHour !== null);
  const against = (which: 'reactive' | 'staticPeak'): Saved => {
    const replicaHours = sum(known.map(({ saved }) => saved[which].replicaHours));
    const others = sum(known.map((one) => one[which].replicaHours));
    const cost = priced.length === 0 ? null : sum(priced.map(({ saved }) => saved[which].cost ?? 0));
    return { replicaHours, cost, ratio: others > 0 ? replicaHours / others : null };
  };
  const saved = { reactive: against('reactive'), staticPeak: against('staticPeak') };
  return { policies: known.length, saved, unpriced: known.length - priced.length };
}

function reasonsOf(days: readonly SimulatedDay[]): PolicySavings['skipped'] {
  const reasons = new Map<string, number>();
  for (const day of days) if (day.kind === 'not-played') reasons.set(day.why, (reasons.get(day.why) ?? 0) + 1);
  return [...reasons].map(([why, count]) => ({ why, days: count }));
}

function priced(replicaHours: number, price: number | null): number | null {
  return price === null ? null : toMicros(replicaHours * price);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
