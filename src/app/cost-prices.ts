import { type AllocatedHour, type Allocation, readAllocations } from '../backends/opencost.ts';
import { shareOut, toMicros } from '../cost/money.ts';
import { bookPrices, givenPrice, pricesChange } from '../cost/prices.ts';
import type { HourPrice, WorkloadHour } from '../cost/workload-hour.ts';
import type { PricesAhead } from '../loops/budget-loop.ts';
import type { OthersBeside, PriceQuestion } from '../loops/spend-loop.ts';
import { reasonOf } from '../loops/telemetry.ts';
import { DEFAULT_TENANT, type TenantId } from '../model/tenant.ts';
import { DAY, formatInstant, HOUR, type Millis, type TimeRange } from '../model/time.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import type { Parts } from './parts.ts';

/** OpenCost makes an hour some time after it ended; and where it does not answer, it is waited for. */
const OPENCOST_WAITED_MS = 6 * HOUR;
const KEPT_ANSWERS = 48;

/** It has not made an hour yet: it is asked again. */
class OpenCostBehindError extends Error {
  override readonly name = 'OpenCostBehindError';

  constructor(hour: Millis) {
    super(`OpenCost has nothing of the hour from ${formatInstant(hour)} on yet`);
  }
}

type PolicyOf = (of: Pick<PriceQuestion, 'tenant' | 'namespace' | 'policy'>) => ScalingPolicy | undefined;

/** What is OpenCost's of one tenant in an hour. */
interface TenantHour {
  /** By namespace and workload. */
  readonly workloads: ReadonlyMap<string, Allocation>;
  readonly overheads: AllocatedHour['overheads'];
}

/**
 * What a replica of a workload costs in an hour: as its policy has it, else the settings' prices, else OpenCost, else
 * what it requests by the price book.
 *
 * @param hoursIn What was spent in hours that are made: what OpenCost said lately is in it.
 */
export function openCostPrices(
  { settings, metrics, log, clock }: Parts,
  policyOf: PolicyOf,
  hoursIn: (tenant: TenantId, range: TimeRange) => Promise<readonly WorkloadHour[]>,
) {
  const { cost, tenancy } = settings;
  const answers = new Map<Millis, ReadonlyMap<TenantId, TenantHour> | undefined>();
  const recalled = new Map<string, readonly WorkloadHour[]>();
  const said = new Set<string>();
  let downSince: Millis | undefined;
  const ownerOf = (namespace: string): TenantId =>
    tenancy.on ? (tenancy.namespaces.get(namespace) ?? DEFAULT_TENANT) : DEFAULT_TENANT;

  async function hourOf(tenant: TenantId, hour: Millis, signal: AbortSignal): Promise<TenantHour | undefined> {
    if (cost.openCost === undefined) return undefined;
    if (answers.has(hour)) return tenantHour(answers.get(hour), tenant);
    let all: AllocatedHour | undefined;
    try {
      all = await readAllocations(cost.openCost, hour, signal);
      metrics.costOpenCost.inc({ outcome: 'answered' });
      downSince = undefined;
    } catch (error) {
      if (signal.aborted) throw error;
      metrics.costOpenCost.inc({ outcome: reasonOf(error) });
      downSince ??= clock.now();
      if (clock.now() - downSince < OPENCOST_WAITED_MS) throw error;
      log.warn(
        { err: error },
        'OpenCost does not answer: an hour is priced by what it said before, or by the price book',
      );
    }
    const isEmpty = all !== undefined && all.workloads.length === 0;
    if (isEmpty && clock.now() - hour < OPENCOST_WAITED_MS) throw new OpenCostBehindError(hour);
    const found = all === undefined || isEmpty ? undefined : byTenant(all);
    answers.set(hour, found);
    for (const old of [...answers.keys()].slice(0, -KEPT_ANSWERS)) answers.delete(old);
    return tenantHour(found, tenant);
  }

  /** A tenant has what its namespaces have, and the cluster's overheads in proportion to what those cost in the hour. */
  function byTenant({ workloads, overheads }: AllocatedHour): ReadonlyMap<TenantId, TenantHour> {
    const own = new Map<TenantId, Map<string, Allocation>>();
    for (const each of workloads) {
      const tenant = ownerOf(each.namespace);
      const list = own.get(tenant) ?? new Map<string, Allocation>();
      own.set(tenant, list.set(`${each.namespace}/${each.workload}`, each));
    }
    const tenants = [...own.keys()].sort();
    const weights = tenants.map((tenant) => [...own.get(tenant)!.values()].reduce((sum, each) => sum + each.cost, 0));
    const parts = overheads.map(({ name, cost: whole }) => ({ name, costs: shareOut(whole, weights) }));
    return new Map(
      tenants.map((tenant, i) => [
        tenant,
        { workloads: own.get(tenant)!, overheads: parts.map(({ name, costs }) => ({ name, cost: costs[i]! })) },
      ]),
    );
  }

  const tenantHour = (found: ReadonlyMap<TenantId, TenantHour> | undefined, tenant: TenantId) =>
    found && (found.get(tenant) ?? { workloads: new Map(), overheads: [] });

  /** What is kept of the day before an hour: by it, what OpenCost does not say is estimated. */
  async function dayBefore(tenant: TenantId, hour: Millis): Promise<readonly WorkloadHour[]> {
    const key = `${tenant} ${hour}`;
    let found = recalled.get(key);
    if (found === undefined) {
      found = await hoursIn(tenant, { start: hour - DAY, end: hour });
      recalled.clear();
      recalled.set(key, found);
    }
    return found;
  }

  async function priceOf(of: PriceQuestion, signal: AbortSignal): Promise<HourPrice | undefined> {
    const { tenant, namespace, workload, labels, place, hour, replicaHours } = of;
    const budget = policyOf(of)?.costBudget;
    if (budget?.currency === cost.currency) {
      return { prices: { replica: budget.perReplicaHour }, plan: place.plan };
    }
    if (budget !== undefined && !said.has(`${namespace}/${of.policy}`)) {
      said.add(`${namespace}/${of.policy}`);
      log.warn(
        { namespace, policy: of.policy, currency: budget.currency },
        `the price of costBudget is in another currency than cost.currency (${cost.currency}): it is not used for spend`,
      );
    }
    const given = givenPrice(cost.prices, { namespace, workload, labels, region: place.region }, hour);
    if (given !== undefined) return { prices: { replica: given.perReplicaHour }, plan: given.plan };
    // What runs in another tenant's namespace is none of this one's.
    if (cost.openCost !== undefined && ownerOf(namespace) === tenant) {
      const allocation = (await hourOf(tenant, hour, signal))?.workloads.get(`${namespace}/${workload}`);
      if (allocation !== undefined && replicaHours > 0) {
        // All of it at one place: OpenCost has been to all of them.
        return { prices: { replica: (allocation.cost * place.share) / replicaHours }, plan: place.plan };
      }
      const before = (await dayBefore(tenant, hour)).filter(
        (each) => each.namespace === namespace && each.workload === workload && each.quantities.replica !== undefined,
      );
      const ran = before.reduce((sum, each) => sum + each.replicaHours, 0);
      if (ran > 0) {
        const paid = before.reduce((sum, each) => sum + paidFor(each), 0);
        return { prices: { replica: paid / ran }, plan: place.plan, isEstimated: true };
      }
    }
    if (cost.priceBook === undefined || place.requests === undefined) return undefined;
    const prices = bookPrices(cost.priceBook, place.region, place.plan, hour);
    return prices && { prices, plan: place.plan };
  }

  /** What OpenCost has of a tenant's hour beyond workloads whose replicas are known: no cost of it is left out. */
  async function othersOf(
    tenant: TenantId,
    hour: Millis,
    { made, counted }: OthersBeside,
    signal: AbortSignal,
  ): Promise<readonly WorkloadHour[]> {
    if (cost.openCost === undefined) return [];
    const found = await hourOf(tenant, hour, signal);
    if (found === undefined) {
      // As on average in the hours of the day before, but for what has replicas that are known.
      const before = (await dayBefore(tenant, hour)).filter((each) => !counted.has(nameOf(each)));
      const hours = new Set(before.map((each) => each.hour)).size;
      const names = new Map(before.map((each) => [nameOf(each), each]));
      return [...names].map(([name, { namespace, workload }]) => {
        const own = before.filter((each) => nameOf(each) === name);
        const mean = (pick: (each: WorkloadHour) => number) => own.reduce((sum, each) => sum + pick(each), 0) / hours;
        const amounts = { cost: mean(paidFor), hours: mean(({ replicaHours }) => replicaHours) };
        return otherHour(hour, { namespace, workload, ...amounts }, true);
      });
    }
    const workloads = [...found.workloads.values()].filter((each) => !made.has(nameOf(each)));
    const overheads = found.overheads.map(({ name, cost: amount }) => {
      return { namespace: name, workload: name, cost: amount, hours: 1 };
    });
    return [...workloads, ...overheads].filter((each) => each.cost > 0).map((each) => otherHour(hour, each, false));
  }

  function otherHour(hour: Millis, { namespace, workload, cost: whole, hours }: Allocation, isEstimated: boolean) {
    const amount = toMicros(whole);
    return {
      ...{ hour, namespace, workload, policy: undefined, labels: {}, plan: cost.plan, idle: undefined },
      // The cluster's own cost is in no region.
      region: isMadeUp(namespace) ? '' : cost.region,
      replicaHours: hours,
      quantities: { replica: hours },
      recorded: { replica: isEstimated ? 0 : amount },
      estimated: { replica: isEstimated ? amount : 0 },
    } satisfies WorkloadHour;
  }

  return {
    priceOf,
    othersOf,
    /** Those whose namespaces have cost by OpenCost, whatever else is known of them. */
    tenants: (): readonly TenantId[] =>
      cost.openCost === undefined ? [] : [DEFAULT_TENANT, ...(tenancy.on ? tenancy.namespaces.values() : [])],
  };
}

const isMadeUp = (name: string) => /^__\w+__$/.test(name);
const nameOf = ({ namespace, workload }: Pick<Allocation, 'namespace' | 'workload'>) => `${namespace}/${workload}`;
const paidFor = ({ recorded, estimated }: WorkloadHour) => (recorded.replica ?? 0) + (estimated.replica ?? 0);

/** What prices will be, as far as it is written down: what OpenCost will say is not known. */
export function pricesAhead({ settings: { cost } }: Pick<Parts, 'settings'>, policyOf: PolicyOf): PricesAhead {
  return {
    at(tenant, row, hour) {
      const budget = policyOf({ tenant, ...row })?.costBudget;
      if (budget?.currency === cost.currency) return { replica: budget.perReplicaHour };
      const given = givenPrice(cost.prices, row, hour);
      if (given !== undefined) return { replica: given.perReplicaHour };
      if (cost.openCost !== undefined || cost.priceBook === undefined) return undefined;
      return bookPrices(cost.priceBook, row.region, row.plan, hour);
    },
    changes: pricesChange(cost.prices, cost.priceBook),
  };
}
