import { DAY, HOUR, type Millis } from '../model/time.ts';
import { adviseDeferral, type Deferrable, type DeferralAdvice } from './deferral.ts';
import { bookPrices, type PriceBook, RESOURCES } from './prices.ts';
import { adviseReservation, quantileWeights, type ReservationAdvice, type UseScenario } from './reservation.ts';
import type { SpendHour } from './spend.ts';
import type { WorkloadHour } from './workload-hour.ts';

/** The quantiles that stand for the forecast's distribution, each for a tenth of it. */
export const SCENARIO_QUANTILES: readonly number[] = [0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95];

/** What ran, hour by hour, in the unit in which capacity can be reserved. Plain data. */
export interface CapacityUse {
  /** replica: of one workload. commitment: money an hour at prices on demand, of all that is asked about. */
  readonly kind: 'replica' | 'commitment';
  /** `namespace/workload`; empty for a commitment. */
  readonly name: string;
  readonly start: Millis;
  /** In units, one of each hour; NaN where nothing is known. */
  readonly values: Float64Array;
  /** Money that one unit is: 1 hour of a replica on demand; of a commitment, its smallest step. */
  readonly onDemand: number;
  /** Units that are paid as reserved now, as a mean of the last week; null where none are known. */
  readonly held: number | null;
  /** What a reserved unit is cheaper by, 0 to 1. */
  readonly discount: number;
  /** Share of the known hours whose cost was estimated, 0 to 1. */
  readonly estimated: number;
}

export interface CapacityAdvice {
  readonly discount: number;
  readonly kind: CapacityUse['kind'];
  readonly name: string;
  readonly onDemand: number;
  readonly reserved: number;
  readonly held: number | null;
  readonly reservation: ReservationAdvice;
  readonly deferral: DeferralAdvice | null;
}

/** The last so many days say what is paid now. */
const PRICED_DAYS_MS = 28 * DAY;
const HELD_DAYS_MS = 7 * DAY;
/** A commitment is advised in so many steps up to the most that ran. */
const COMMITMENT_STEPS = 200;

/**
 * What ran of each workload, the dearest first, and of all together. What ran on spot capacity is left out: nobody
 * reserves that. A workload of which an hour has nothing, while others have something, ran nothing then.
 *
 * @param discountOf What a reserved unit of a workload (`namespace/workload`) is cheaper by, 0 to 1: prices on demand are
 *   made from reserved ones with it. Undefined: not known, and the workload is among `undiscounted` alone.
 */
export function capacityUses(
  spend: readonly SpendHour[],
  { end, discountOf }: { readonly end: Millis; readonly discountOf: (name: string) => number | undefined },
): {
  readonly workloads: readonly CapacityUse[];
  readonly commitment: CapacityUse | undefined;
  readonly undiscounted: readonly string[];
} {
  const isNobody = (name: string) => /^__.*__$/.test(name);
  const asked = spend.filter(
    ({ plan, hour, namespace, workload }) =>
      plan !== 'spot' && hour < end && !isNobody(namespace) && !isNobody(workload),
  );
  const nameOf = ({ namespace, workload }: SpendHour) => `${namespace}/${workload}`;
  const discounts = new Map([...new Set(asked.map(nameOf))].map((name) => [name, discountOf(name)]));
  const undiscounted = [...discounts].flatMap(([name, discount]) => (discount === undefined ? [name] : [])).sort();
  const all = asked.filter((entry) => discounts.get(nameOf(entry)) !== undefined);
  if (all.length === 0) return { workloads: [], commitment: undefined, undiscounted };
  const known = new Set(spend.map(({ hour }) => hour));
  const byName = new Map<string, SpendHour[]>();
  for (const entry of all) {
    const name = nameOf(entry);
    const list = byName.get(name);
    if (list === undefined) byName.set(name, [entry]);
    else list.push(entry);
  }
  const onDemandOf = (entry: SpendHour) => {
    const discount = discounts.get(nameOf(entry))!;
    return entry.plan === 'reserved' && discount < 1 ? entry.cost / (1 - discount) : entry.cost;
  };
  const recent = ({ hour }: SpendHour) => hour >= end - PRICED_DAYS_MS;
  const costs = new Map([...byName].map(([name, rows]) => [name, sum(rows.filter(recent).map(onDemandOf))]));
  const names = [...byName.keys()].sort((a, b) => costs.get(b)! - costs.get(a)! || (a < b ? -1 : 1));
  const workloads = names.flatMap((name): CapacityUse[] => {
    const rows = byName.get(name)!;
    const hours = sum(rows.filter(recent).map(({ replicaHours }) => replicaHours));
    if (!(hours > 0) || !(costs.get(name)! > 0)) return [];
    const onDemand = costs.get(name)! / hours;
    const discount = discounts.get(name)!;
    return [
      useOf(rows, {
        kind: 'replica',
        name,
        onDemand,
        discount,
        known,
        end,
        unitsOf: ({ replicaHours }) => replicaHours,
      }),
    ];
  });
  if (workloads.length === 0) return { workloads, commitment: undefined, undiscounted };
  // Of all together, each counts as much as it costs.
  const whole = sum([...costs.values()]);
  const saved = sum([...costs].map(([name, paid]) => paid * discounts.get(name)!));
  const discount = saved / whole;
  const hourly = new Map<Millis, number>();
  for (const entry of all) hourly.set(entry.hour, (hourly.get(entry.hour) ?? 0) + onDemandOf(entry));
  const step = niceStep([...hourly.values()].reduce((most, value) => Math.max(most, value), 0) / COMMITMENT_STEPS);
  const unitsOf = (entry: SpendHour) => onDemandOf(entry) / step;
  const commitment = useOf(all, { kind: 'commitment', name: '', onDemand: step, discount, known, end, unitsOf });
  return { workloads, commitment, undiscounted };
}

interface UseOptions extends Pick<CapacityUse, 'kind' | 'name' | 'onDemand' | 'discount'> {
  readonly known: ReadonlySet<Millis>;
  readonly end: Millis;
  readonly unitsOf: (entry: SpendHour) => number;
}

function useOf(rows: readonly SpendHour[], { known, end, unitsOf, ...of }: UseOptions): CapacityUse {
  const start = rows.reduce((first, { hour }) => Math.min(first, hour), end);
  const hours = Math.max(0, Math.round((end - start) / HOUR));
  const values = Float64Array.from({ length: hours }, (_, i) => (known.has(start + i * HOUR) ? 0 : Number.NaN));
  let [cost, estimated, reserved] = [0, 0, 0];
  for (const entry of rows) {
    values[Math.round((entry.hour - start) / HOUR)]! += unitsOf(entry);
    cost += entry.cost;
    estimated += entry.estimated;
    if (entry.plan === 'reserved' && entry.hour >= end - HELD_DAYS_MS) reserved += unitsOf(entry);
  }
  const recent = Math.min(hours, HELD_DAYS_MS / HOUR);
  const held = reserved > 0 && recent > 0 ? Math.round(reserved / recent) : null;
  return { ...of, ...{ start, values, held }, estimated: cost > 0 ? estimated / cost : 0 };
}

export interface CapacityQuestion {
  readonly deferrable: Deferrable | undefined;
}

/** Advice on one use. @param paths Units of each hour to come, one path for each of `SCENARIO_QUANTILES`. */
export function adviseCapacityOf(
  { kind, name, onDemand, held, discount }: Pick<CapacityUse, 'kind' | 'name' | 'onDemand' | 'held' | 'discount'>,
  paths: readonly Float64Array[],
  { deferrable }: CapacityQuestion,
): CapacityAdvice {
  const weights = quantileWeights(SCENARIO_QUANTILES);
  const scenarios = SCENARIO_QUANTILES.map(
    (quantile, i): UseScenario => ({
      quantile,
      weight: weights[i]!,
      used: paths[i]!.map((value) => (value > 0 ? value : 0)),
    }),
  );
  const prices = { onDemand, reserved: onDemand * (1 - discount) };
  const input = { scenarios, prices, stepHours: 1 };
  return {
    ...{ kind, name, onDemand, reserved: prices.reserved, held, discount },
    reservation: adviseReservation({ ...input, ...(held !== null && { held }) }),
    deferral: deferrable === undefined ? null : adviseDeferral({ ...input, deferrable }),
  };
}

/**
 * What reserved capacity is cheaper by than on demand, by the price book and what each workload had in the last weeks: by
 * `namespace/workload`. Those that are not paid by the book, and those whose reserved price is no lower, are left out.
 */
export function bookDiscounts(
  hours: Iterable<WorkloadHour>,
  book: PriceBook,
  end: Millis,
): ReadonlyMap<string, number> {
  const sums = new Map<string, { onDemand: number; reserved: number }>();
  for (const { hour, namespace, workload, region, plan, quantities } of hours) {
    if (hour < end - PRICED_DAYS_MS || hour >= end || plan === 'spot' || quantities.replica !== undefined) continue;
    const prices = (['on-demand', 'reserved'] as const).map((each) => bookPrices(book, region, each, end));
    const [onDemand, reserved] = prices.map((each) =>
      RESOURCES.reduce((total, resource) => total + (quantities[resource] ?? 0) * (each?.[resource] ?? 0), 0),
    );
    const key = `${namespace}/${workload}`;
    const found = sums.get(key) ?? { onDemand: 0, reserved: 0 };
    sums.set(key, { onDemand: found.onDemand + onDemand!, reserved: found.reserved + reserved! });
  }
  const discounts = [...sums].map(([key, { onDemand, reserved }]) => [key, 1 - reserved / onDemand] as const);
  return new Map(discounts.filter(([, discount]) => discount > 1e-9));
}

/** 1, 2 or 5 times a power of ten, no less than what is given. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  const factor = [1, 2, 5, 10].find((one) => one * power >= least * (1 - 1e-9)) ?? 10;
  return Number((factor * power).toPrecision(3));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
