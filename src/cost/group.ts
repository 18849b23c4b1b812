import { HOUR, type Millis } from '../model/time.ts';
import { amountOf, microsOf } from './money.ts';
import type { SpendHour } from './spend.ts';

export interface SpendGroup {
  readonly group: Readonly<Record<string, string>>;
  /** In order of time; steps without spend are left out. */
  readonly steps: readonly SpendStep[];
  readonly total: Omit<SpendStep, 'start'>;
}

export interface SpendPage {
  readonly groups: readonly SpendGroup[];
  /** Those that come after them. */
  readonly left: { readonly groups: number; readonly replicaHours: number; readonly cost: number };
}

export interface SpendStep {
  readonly start: Millis;
  readonly replicaHours: number;
  readonly cost: number;
  readonly estimated: number;
  /** Of those hours of which it is known; null where it is of none. */
  readonly idle: number | null;
}

/** What hours are grouped by: `namespace`, `workload`, `policy`, `region`, `plan`, or `label:NAME`. */
export function groupSpend(
  hours: readonly SpendHour[],
  by: readonly string[],
  steps: { readonly start: Millis; readonly stepMs: number },
): readonly SpendGroup[] {
  const groups = spendGroups(by, steps);
  groups.add(hours);
  return groups.told();
}

/** The same for hours that come bit by bit. */
export function spendGroups(
  by: readonly string[],
  { start, stepMs }: { readonly start: Millis; readonly stepMs: number },
) {
  const groups = new Map<string, GroupSums>();
  const addOne = (of: SpendHour) => {
    const group = Object.fromEntries(by.map((name) => [name, labelOf(of, name)]));
    const key = JSON.stringify(Object.values(group));
    let found = groups.get(key);
    if (found === undefined) {
      found = { group, steps: new Map(), total: newSum() };
      groups.set(key, found);
    }
    const step = stepMs < HOUR ? of.hour : start + Math.floor((of.hour - start) / stepMs) * stepMs;
    let sum = found.steps.get(step);
    if (sum === undefined) {
      sum = newSum();
      found.steps.set(step, sum);
    }
    add(sum, of);
    add(found.total, of);
  };
  return {
    add(hours: readonly SpendHour[]): void {
      for (const of of hours) addOne(of);
    },
    /** Some of them, the dearest first, and what those cost that come after. */
    page({ offset, limit }: { readonly offset: number; readonly limit: number }): SpendPage {
      const all = [...groups].sort(([a, x], [b, y]) => y.total.cost - x.total.cost || (a < b ? -1 : 1));
      const rest = newSum();
      for (const [, { total }] of all.slice(offset + limit)) {
        rest.cost += total.cost;
        rest.replicaHours += total.replicaHours;
      }
      const left = Math.max(0, all.length - offset - limit);
      return {
        groups: all.slice(offset, offset + limit).map(([, group]) => groupOf(group)),
        left: { groups: left, replicaHours: rest.replicaHours, cost: amountOf(rest.cost) },
      };
    },
    told: (): readonly SpendGroup[] =>
      [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => groupOf(group)),
  };
}

interface GroupSums {
  readonly group: Record<string, string>;
  readonly steps: Map<Millis, Sum>;
  readonly total: Sum;
}

function groupOf({ group, steps, total }: GroupSums): SpendGroup {
  const inOrder = [...steps].sort(([a], [b]) => a - b);
  return { group, steps: inOrder.map(([at, sum]) => ({ start: at, ...told(sum) })), total: told(total) };
}

interface Sum {
  replicaHours: number;
  cost: number;
  estimated: number;
  idle: number | null;
}

function newSum(): Sum {
  return { replicaHours: 0, cost: 0, estimated: 0, idle: null };
}

/** In millionths. */
function add(sum: Sum, { replicaHours, cost, estimated, idle }: SpendHour): void {
  sum.replicaHours += replicaHours;
  sum.cost += microsOf(cost);
  sum.estimated += microsOf(estimated);
  if (idle !== undefined) sum.idle = (sum.idle ?? 0) + microsOf(idle);
}

function told({ replicaHours, cost, estimated, idle }: Sum): Omit<SpendStep, 'start'> {
  return {
    ...{ replicaHours, cost: amountOf(cost), estimated: amountOf(estimated) },
    idle: idle === null ? null : amountOf(idle),
  };
}

function labelOf(of: SpendHour, by: string): string {
  if (by.startsWith('label:')) return of.labels[by.slice('label:'.length)] ?? '';
  switch (by) {
    case 'namespace':
      return of.namespace;
    case 'workload':
      return of.workload;
    case 'policy':
      return of.policy ?? '';
    case 'region':
      return of.region;
    default:
      return of.plan;
  }
}
