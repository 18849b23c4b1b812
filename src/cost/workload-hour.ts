import { DAY, MINUTE, type Millis } from '../model/time.ts';
import { amountOf, microsOf, shareOut } from './money.ts';
import { type ByResource, RESOURCES, type Resource } from './prices.ts';
import type { PricePlan } from './spend.ts';

/** Where some of a workload's replicas ran for an hour, and what each of them requested. */
export interface Place {
  readonly region: string;
  readonly plan: PricePlan;
  /** Of the replicas, 0 to 1. */
  readonly share: number;
  /** Cores, GiB, GPUs of one replica. Undefined where it is not known. */
  readonly requests: ByResource | undefined;
  /** Share of what is requested that was used, 0 to 1. Undefined where it is not known. */
  readonly used: ByResource | undefined;
}

export type RunSource = 'cluster' | 'own';

/** One workload's replicas, minute by minute, and where they ran, hour by hour. */
export interface RunRow {
  readonly namespace: string;
  readonly workload: string;
  readonly policy: string | undefined;
  /** Who says what runs: series of the cluster's state, or Foresail's own. */
  readonly source: RunSource;
  readonly labels: Readonly<Record<string, string>>;
  /** Of minutes from the start of the table on; NaN where nothing is known. */
  readonly replicas: Float64Array;
  /** By hour; empty where nothing is known. Shares add up to 1. */
  readonly places: readonly (readonly Place[])[];
}

/** The last that was known of a workload, to go on from over a gap. Plain JSON. */
export interface LastKnown {
  readonly at: Millis;
  readonly replicas: number;
  readonly places: readonly Place[];
  readonly source: RunSource;
  readonly policy?: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

/** What one workload had in one hour, with its price: what is kept. Amounts are whole millionths of the currency. */
export interface WorkloadHour {
  readonly hour: Millis;
  readonly namespace: string;
  readonly workload: string;
  readonly policy: string | undefined;
  readonly region: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly plan: PricePlan;
  readonly replicaHours: number;
  /** Of what is paid for: core-hours, GiB-hours, GPU-hours, or replica-hours where those have the price. */
  readonly quantities: ByResource;
  readonly recorded: ByResource;
  readonly estimated: ByResource;
  /** Undefined where usage is not known. */
  readonly idle: number | undefined;
}

export const MINUTES = 60;
/** A workload of which nothing more is heard is gone after so long, unless a policy is for it. */
const GONE_AFTER_MS = DAY;

/**
 * Fills gaps: between two known values with their mean, after the last one with that, and before the first one with
 * nothing, since a workload may be new.
 *
 * @param before The last that is known before the row; undefined: nothing.
 * @param heard Whether anything at all was heard of the source in each minute: where it was, a workload without a value
 *   is gone, unless `lasts`.
 * @returns The filled values, and which of them are estimated.
 */
export function fillGaps(
  values: Float64Array,
  start: Millis,
  {
    before,
    heard,
    lasts,
  }: { readonly before: LastKnown | undefined; readonly heard: Uint8Array; readonly lasts: boolean },
): { readonly values: Float64Array; readonly estimated: Uint8Array } {
  const filled = Float64Array.from(values);
  const estimated = new Uint8Array(values.length);
  let [last, lastAt] = [before?.replicas, before?.at ?? Number.NEGATIVE_INFINITY];
  for (let i = 0; i < filled.length; i++) {
    const at = start + i * MINUTE;
    if (!Number.isNaN(values[i]!)) {
      [last, lastAt] = [values[i]!, at];
      continue;
    }
    if (last === undefined) {
      filled[i] = 0;
      continue;
    }
    let j = i;
    while (j < filled.length && Number.isNaN(values[j]!)) j++;
    const next = j < filled.length ? values[j]! : undefined;
    for (; i < j; i++) {
      const isOver = !lasts && next === undefined && (heard[i] === 1 || start + i * MINUTE - lastAt > GONE_AFTER_MS);
      filled[i] = isOver ? 0 : next === undefined ? last : (last + next) / 2;
      estimated[i] = isOver ? 0 : 1;
    }
    i--;
  }
  return { values: filled, estimated };
}

export interface HourPrice {
  readonly prices: ByResource;
  readonly plan: PricePlan;
  /** The price itself is a guess. */
  readonly isEstimated?: boolean;
}

/** One hour at one place of a row, with its price: exact, each resource's amount rounded once. */
export function hourOf(
  { namespace, workload, policy, labels }: Pick<RunRow, 'namespace' | 'workload' | 'policy' | 'labels'>,
  { region, share, requests, used }: Place,
  { hour, known, guessed }: { readonly hour: Millis; readonly known: number; readonly guessed: number },
  { prices, plan, isEstimated = false }: HourPrice,
): WorkloadHour {
  const replicaHours = (share * (known + guessed)) / MINUTES;
  const quantities: Partial<Record<Resource, number>> = {};
  const recorded: Partial<Record<Resource, number>> = {};
  const estimated: Partial<Record<Resource, number>> = {};
  let idle: number | undefined;
  for (const resource of RESOURCES) {
    const unit = prices[resource];
    const each = resource === 'replica' ? 1 : (requests?.[resource] ?? 0);
    if (unit === undefined || (resource !== 'replica' && each === 0)) continue;
    const quantity = replicaHours * each;
    const cost = amountOf(microsOf(quantity * unit));
    const [first, second] = shareOut(cost, known + guessed > 0 ? [known, guessed] : [1, 0]);
    quantities[resource] = quantity;
    recorded[resource] = isEstimated ? 0 : first!;
    estimated[resource] = isEstimated ? cost : second!;
    const usedShare = used?.[resource];
    if (usedShare !== undefined) {
      idle = amountOf(microsOf(idle ?? 0) + microsOf(cost * (1 - Math.min(1, Math.max(0, usedShare)))));
    }
  }
  return {
    ...{ hour, namespace, workload, policy, region, labels, plan },
    ...{ replicaHours, quantities, recorded, estimated, idle },
  };
}

/** Both of one workload, hour and place. */
export function addHours(a: WorkloadHour, b: WorkloadHour): WorkloadHour {
  const money = (x = 0, y = 0) => amountOf(microsOf(x) + microsOf(y));
  const add = (x: ByResource, y: ByResource, sum: (one?: number, other?: number) => number): ByResource =>
    Object.fromEntries(
      RESOURCES.filter((each) => each in x || each in y).map((each) => [each, sum(x[each], y[each])] as const),
    );
  return {
    ...a,
    replicaHours: a.replicaHours + b.replicaHours,
    quantities: add(a.quantities, b.quantities, (x = 0, y = 0) => x + y),
    recorded: add(a.recorded, b.recorded, money),
    estimated: add(a.estimated, b.estimated, money),
    idle: a.idle === undefined && b.idle === undefined ? undefined : money(a.idle, b.idle),
  };
}

/** Replica-minutes of one hour of filled values: known and guessed. */
export function minutesOf(
  { values, estimated }: { readonly values: Float64Array; readonly estimated: Uint8Array },
  index: number,
): { readonly known: number; readonly guessed: number } {
  let [known, guessed] = [0, 0];
  for (let m = index * MINUTES; m < (index + 1) * MINUTES; m++) {
    if (estimated[m] === 1) guessed += values[m]!;
    else known += values[m]!;
  }
  return { known, guessed };
}
