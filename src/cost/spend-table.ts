import { HOUR, type Millis } from '../model/time.ts';
import { amountOf, microsOf } from './money.ts';
import { type ByResource, matches, RESOURCES, type Resource, type SpendMatch, type SpendSubject } from './prices.ts';
import type { PricePlan, SpendHour } from './spend.ts';

/** An hour with what was paid for in it, where that is known. */
export interface PricedHour extends SpendHour {
  readonly quantities?: ByResource;
}

/** One workload's spend at one place, hour by hour. */
export interface SpendRow extends SpendSubject {
  readonly policy: string | undefined;
  readonly plan: PricePlan;
  /** Millionths, by the hour's number since the table's first. */
  readonly micros: number[];
  readonly estimated: number[];
  /** Of the newest hours, for what a replica costs. */
  replicaHours: number[];
  /** Of the last hours in which something was paid for, the newest last. */
  readonly paidFor: { readonly index: number; readonly replicaHours: number; readonly quantities: ByResource }[];
}

/** What a replica has is the mean of so many last hours. */
const LAST_HOURS = 24;

/** A tenant's hours of spend in memory, for budgets to be judged on: eight bytes an hour and amount. */
export interface SpendTable {
  /** No hour is older. */
  readonly base: Millis;
  add(hours: readonly PricedHour[]): void;
  /** All before is there. */
  upTo: Millis;
  /** The first hour that anything is known of; undefined: none. */
  first(): Millis | undefined;
  rows(match: SpendMatch): readonly SpendRow[];
  /**
   * Hour by hour in [from, upTo), in units of the currency; NaN before the first hour.
   * @param unitOf What a replica-hour costs now: then it is what the hours would cost at that. Undefined: as they did.
   */
  hourly(rows: readonly SpendRow[], from: Millis, unitOf?: (row: SpendRow) => number | undefined): Float64Array;
  estimated(rows: readonly SpendRow[], from: Millis): number;
  replicaHours(row: SpendRow, from: Millis): number;
}

/** What a replica-hour costs at these prices, with what its replicas had lately; undefined where that is not known. */
export function unitAt({ paidFor }: Pick<SpendRow, 'paidFor'>, prices: ByResource | undefined): number | undefined {
  if (prices === undefined) return undefined;
  if (prices.replica !== undefined) return prices.replica;
  const hours = paidFor.reduce((sum, { replicaHours }) => sum + replicaHours, 0);
  if (hours === 0) return undefined;
  const sums: Partial<Record<Resource, number>> = {};
  for (const { quantities } of paidFor) {
    for (const resource of RESOURCES) {
      if (quantities[resource] !== undefined) sums[resource] = (sums[resource] ?? 0) + quantities[resource];
    }
  }
  let unit = 0;
  for (const resource of RESOURCES) {
    if (sums[resource] === undefined) continue;
    if (prices[resource] === undefined) return undefined;
    unit += (sums[resource] / hours) * prices[resource];
  }
  return unit;
}

/** @param base No hour is older. */
export function spendTable(base: Millis): SpendTable {
  const rows = new Map<string, SpendRow>();
  let first: Millis | undefined;
  const indexOf = (hour: Millis) => Math.round((hour - base) / HOUR);
  const table: SpendTable = {
    base,
    upTo: base,
    add(hours) {
      for (const of of hours) {
        const { hour, namespace, workload, policy, region, labels, plan, quantities } = of;
        if (hour < base) continue;
        const key = JSON.stringify([namespace, workload, policy, region, plan, Object.entries(labels).sort()]);
        let row = rows.get(key);
        if (row === undefined) {
          const amounts = { micros: [], estimated: [], replicaHours: [], paidFor: [] };
          row = { namespace, workload, policy, region, plan, labels, ...amounts };
          rows.set(key, row);
        }
        const i = indexOf(hour);
        row.micros[i] = microsOf(of.cost);
        row.estimated[i] = microsOf(of.estimated);
        row.replicaHours[i] = of.replicaHours;
        if (quantities !== undefined && of.replicaHours > 0 && (row.paidFor.at(-1)?.index ?? -1) < i) {
          row.paidFor.push({ index: i, replicaHours: of.replicaHours, quantities });
          if (row.paidFor.length > LAST_HOURS) row.paidFor.shift();
        }
        first = Math.min(first ?? hour, hour);
        table.upTo = Math.max(table.upTo, hour + HOUR);
      }
    },
    first: () => first,
    rows: (match) => [...rows.values()].filter((row) => matches(match, row)),
    hourly(of, from, unitOf) {
      const count = Math.max(0, Math.round((table.upTo - from) / HOUR));
      const units = of.map((row) => unitOf?.(row));
      return Float64Array.from({ length: count }, (_, h) => {
        const hour = from + h * HOUR;
        if (first === undefined || hour < first) return Number.NaN;
        const i = indexOf(hour);
        let [micros, repriced] = [0, 0];
        for (const [r, row] of of.entries()) {
          const unit = units[r];
          if (unit === undefined) micros += row.micros[i] ?? 0;
          else repriced += unit * (row.replicaHours[i] ?? 0);
        }
        return amountOf(micros) + repriced;
      });
    },
    estimated(of, from) {
      const since = Math.max(0, indexOf(from));
      let sum = 0;
      for (const { estimated } of of) for (let i = since; i < estimated.length; i++) sum += estimated[i] ?? 0;
      return amountOf(sum);
    },
    replicaHours({ replicaHours }, from) {
      let sum = 0;
      for (let i = Math.max(0, indexOf(from)); i < replicaHours.length; i++) sum += replicaHours[i] ?? 0;
      return sum;
    },
  };
  return table;
}
