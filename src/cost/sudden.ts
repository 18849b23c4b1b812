import { amountOf, microsOf } from './money.ts';
import { type ByResource, RESOURCES, type Resource } from './prices.ts';
import type { WorkloadHour } from './workload-hour.ts';

/** One workload over some days: what it had, and what that cost. */
export interface WorkloadCost {
  readonly namespace: string;
  readonly workload: string;
  readonly replicaHours: number;
  readonly quantities: ByResource;
  /** By resource. */
  readonly cost: ByResource;
}

const CAUSES = ['new workload', 'workload gone', 'replicas', 'requests', 'price'] as const;
export type CostCause = (typeof CAUSES)[number];

export interface CostPart {
  readonly cause: CostCause;
  readonly namespace: string;
  readonly workload: string;
  /** Of the difference: below zero where it lowers the cost. */
  readonly amount: number;
}

/** Adds up hours by workload. @param days By which the sums are divided: a mean day. */
export function costByWorkload(hours: readonly WorkloadHour[], days: number): readonly WorkloadCost[] {
  interface Sum {
    readonly of: WorkloadHour;
    replicaHours: number;
    readonly quantities: Partial<Record<Resource, number>>;
    readonly micros: Partial<Record<Resource, number>>;
  }
  const found = new Map<string, Sum>();
  for (const of of hours) {
    const key = `${of.namespace}/${of.workload}`;
    const sum = found.get(key) ?? { of, replicaHours: 0, quantities: {}, micros: {} };
    found.set(key, sum);
    sum.replicaHours += of.replicaHours;
    for (const resource of RESOURCES) {
      const cost = microsOf(of.recorded[resource] ?? 0) + microsOf(of.estimated[resource] ?? 0);
      if (of.quantities[resource] === undefined) continue;
      sum.quantities[resource] = (sum.quantities[resource] ?? 0) + of.quantities[resource];
      sum.micros[resource] = (sum.micros[resource] ?? 0) + cost;
    }
  }
  return [...found.values()].map(({ of, replicaHours, quantities, micros }) => ({
    namespace: of.namespace,
    workload: of.workload,
    replicaHours: replicaHours / days,
    quantities: divided(quantities, days),
    cost: Object.fromEntries(
      Object.entries(micros).map(([resource, value]) => [resource, amountOf(Math.round(value / days))] as const),
    ),
  }));
}

function divided(amounts: ByResource, by: number): ByResource {
  return Object.fromEntries(Object.entries(amounts).map(([resource, amount]) => [resource, amount / by] as const));
}

/**
 * Why one day cost another amount than a day before: the parts add up to the difference exactly, and come with the
 * largest first. Of replicas, requests and price each has what it changes on average over all orders in which the three
 * could have changed (Shapley); what rounding leaves goes to the largest.
 */
export function explainCost(before: readonly WorkloadCost[], after: readonly WorkloadCost[]): readonly CostPart[] {
  const parts: CostPart[] = [];
  const keyOf = ({ namespace, workload }: WorkloadCost) => `${namespace}/${workload}`;
  const earlier = new Map(before.map((each) => [keyOf(each), each]));
  for (const now of after) {
    const was = earlier.get(keyOf(now));
    earlier.delete(keyOf(now));
    const { namespace, workload } = now;
    if (was === undefined || was.replicaHours === 0) {
      parts.push({
        cause: 'new workload',
        namespace,
        workload,
        amount: amountOf(totalMicros(now) - (was ? totalMicros(was) : 0)),
      });
      continue;
    }
    parts.push(...partsOf(was, now));
  }
  for (const was of earlier.values()) {
    const { namespace, workload } = was;
    parts.push({ cause: 'workload gone', namespace, workload, amount: amountOf(-totalMicros(was)) });
  }
  return parts
    .filter(({ amount }) => amount !== 0)
    .sort((a, b) => Math.abs(b.amount) - Math.abs(a.amount) || (keyText(a) < keyText(b) ? -1 : 1));
}

function keyText({ namespace, workload, cause }: CostPart): string {
  return `${namespace}/${workload}/${cause}`;
}

export function totalMicros({ cost }: WorkloadCost): number {
  return RESOURCES.reduce((sum, resource) => sum + microsOf(cost[resource] ?? 0), 0);
}

function partsOf(was: WorkloadCost, now: WorkloadCost): readonly CostPart[] {
  const { namespace, workload } = now;
  const difference = totalMicros(now) - totalMicros(was);
  if (now.replicaHours === 0) return [{ cause: 'workload gone', namespace, workload, amount: amountOf(difference) }];
  const each = (of: WorkloadCost, resource: Resource) => (of.quantities[resource] ?? 0) / of.replicaHours;
  const unit = (of: WorkloadCost, other: WorkloadCost, resource: Resource) => {
    const own = of.quantities[resource] ?? 0;
    // What was not there has the price of the other side.
    return own > 0 ? (of.cost[resource] ?? 0) / own : priceOf(other, resource);
  };
  /** What it would cost with each factor of then or of now. */
  const value = (replicas: WorkloadCost, requests: WorkloadCost, price: WorkloadCost) =>
    RESOURCES.reduce(
      (sum, resource) =>
        sum + replicas.replicaHours * each(requests, resource) * unit(price, price === was ? now : was, resource),
      0,
    );
  const pick = (flag: boolean) => (flag ? now : was);
  const at = (r: boolean, q: boolean, p: boolean) => value(pick(r), pick(q), pick(p));
  const shapley = (change: (on: boolean, b: boolean, c: boolean) => number) =>
    (change(true, false, false) - change(false, false, false)) / 3 +
    (change(true, true, false) - change(false, true, false)) / 6 +
    (change(true, false, true) - change(false, false, true)) / 6 +
    (change(true, true, true) - change(false, true, true)) / 3;
  const micros = {
    replicas: microsOf(shapley((on, q, p) => at(on, q, p))),
    requests: microsOf(shapley((on, r, p) => at(r, on, p))),
    price: microsOf(shapley((on, r, q) => at(r, q, on))),
  };
  const causes = ['replicas', 'requests', 'price'] as const;
  const largest = causes.reduce((most, name) => (Math.abs(micros[name]) > Math.abs(micros[most]) ? name : most));
  const rest = difference - micros.replicas - micros.requests - micros.price;
  return causes.map((cause) => ({
    ...{ cause, namespace, workload },
    amount: amountOf(micros[cause] + (cause === largest ? rest : 0)),
  }));
}

function priceOf({ quantities, cost }: WorkloadCost, resource: Resource): number {
  const quantity = quantities[resource] ?? 0;
  return quantity > 0 ? (cost[resource] ?? 0) / quantity : 0;
}

/** How many times the usual spread a day must lie above the days before. */
const SPREADS = 4;

/**
 * Whether a day cost much more than the days before: by the share and by the amount that the settings say, and by four
 * times their spread (median absolute deviation).
 * @param days Sums of the days before, in units of the currency; fewer than five say nothing.
 */
export function isSudden(
  day: number,
  days: readonly number[],
  { above, least }: { readonly above: number; readonly least: number },
): boolean {
  if (days.length < 5) return false;
  const usual = median(days);
  const spread = 1.4826 * median(days.map((each) => Math.abs(each - usual)));
  return day - usual > Math.max(least, above * usual, SPREADS * spread);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
