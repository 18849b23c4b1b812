import { HOUR, type Millis } from '../model/time.ts';
import { amountOf, microsOf } from './money.ts';
import { matches, type SpendMatch, type SpendSubject } from './prices.ts';
import type { SpendHour } from './spend.ts';

/** One workload's spend at one place, hour by hour. */
export interface SpendRow extends SpendSubject {
  readonly policy: string | undefined;
  /** Millionths, by the hour's number since the table's first. */
  readonly micros: number[];
  readonly estimated: number[];
  /** Of the newest hours, for what a replica costs. */
  replicaHours: number[];
}

/** A tenant's hours of spend in memory, for budgets to be judged on: eight bytes an hour and amount. */
export interface SpendTable {
  /** No hour is older. */
  readonly base: Millis;
  add(hours: readonly SpendHour[]): void;
  /** All before is there. */
  upTo: Millis;
  /** The first hour that anything is known of; undefined: none. */
  first(): Millis | undefined;
  rows(match: SpendMatch): readonly SpendRow[];
  /** Hour by hour in [from, upTo), in units of the currency; NaN before the first hour. */
  hourly(rows: readonly SpendRow[], from: Millis): Float64Array;
  estimated(rows: readonly SpendRow[], from: Millis): number;
  replicaHours(row: SpendRow, from: Millis): number;
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
        const { hour, namespace, workload, policy, region, labels, plan } = of;
        if (hour < base) continue;
        const key = JSON.stringify([namespace, workload, policy, region, plan, Object.entries(labels).sort()]);
        let row = rows.get(key);
        if (row === undefined) {
          row = { namespace, workload, policy, region, labels, micros: [], estimated: [], replicaHours: [] };
          rows.set(key, row);
        }
        const i = indexOf(hour);
        row.micros[i] = microsOf(of.cost);
        row.estimated[i] = microsOf(of.estimated);
        row.replicaHours[i] = of.replicaHours;
        first = Math.min(first ?? hour, hour);
        table.upTo = Math.max(table.upTo, hour + HOUR);
      }
    },
    first: () => first,
    rows: (match) => [...rows.values()].filter((row) => matches(match, row)),
    hourly(of, from) {
      const count = Math.max(0, Math.round((table.upTo - from) / HOUR));
      return Float64Array.from({ length: count }, (_, h) => {
        const hour = from + h * HOUR;
        if (first === undefined || hour < first) return Number.NaN;
        const i = indexOf(hour);
        return amountOf(of.reduce((sum, { micros }) => sum + (micros[i] ?? 0), 0));
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
