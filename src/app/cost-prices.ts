import { type Allocation, readAllocations } from '../backends/opencost.ts';
import { bookPrices, givenPrice } from '../cost/prices.ts';
import type { HourPrice } from '../cost/workload-hour.ts';
import type { PriceQuestion } from '../loops/spend-loop.ts';
import { reasonOf } from '../loops/telemetry.ts';
import { HOUR, type Millis } from '../model/time.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import type { Parts } from './parts.ts';

/** OpenCost makes an hour some time after it ended. Older ones are priced without it where it does not answer. */
const OPENCOST_WAITED_MS = 6 * HOUR;
const KEPT_ANSWERS = 48;

/**
 * What a replica of a workload costs in an hour: as its policy has it, else the settings' prices, else OpenCost, else
 * what it requests by the price book.
 */
export function openCostPrices(
  { settings, metrics, log, clock }: Parts,
  policyOf: (of: Pick<PriceQuestion, 'tenant' | 'namespace' | 'policy'>) => ScalingPolicy | undefined,
) {
  const { cost } = settings;
  const answers = new Map<Millis, ReadonlyMap<string, Allocation> | undefined>();
  /** Of each workload, what a replica-hour cost lately by OpenCost. */
  const lately = new Map<string, number>();
  const said = new Set<string>();

  async function allocationsOf(
    hour: Millis,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Allocation> | undefined> {
    if (cost.openCost === undefined) return undefined;
    if (answers.has(hour)) return answers.get(hour);
    let found: ReadonlyMap<string, Allocation> | undefined;
    try {
      const all = await readAllocations(cost.openCost, hour, signal);
      metrics.costOpenCost.inc({ outcome: 'answered' });
      // An hour without any is one that it has not made yet.
      if (all.length === 0 && clock.now() - hour < OPENCOST_WAITED_MS)
        throw new Error(`OpenCost has no hour of ${hour}`);
      found = new Map(all.map((each) => [`${each.namespace}/${each.workload}`, each]));
    } catch (error) {
      if (signal.aborted) throw error;
      metrics.costOpenCost.inc({ outcome: reasonOf(error) });
      if (clock.now() - hour < OPENCOST_WAITED_MS) throw error;
      log.warn(
        { err: error },
        'OpenCost does not answer: an hour is priced by what it said before, or by the price book',
      );
    }
    answers.set(hour, found);
    for (const old of [...answers.keys()].slice(0, -KEPT_ANSWERS)) answers.delete(old);
    return found;
  }

  return async (of: PriceQuestion, signal: AbortSignal): Promise<HourPrice | undefined> => {
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
    if (cost.openCost !== undefined) {
      const key = `${tenant}/${namespace}/${workload}`;
      const allocation = (await allocationsOf(hour, signal))?.get(`${namespace}/${workload}`);
      if (allocation !== undefined && replicaHours > 0) {
        // All of it at one place: OpenCost has been to all of them.
        const perReplicaHour = (allocation.cost * place.share) / replicaHours;
        lately.set(key, perReplicaHour);
        return { prices: { replica: perReplicaHour }, plan: place.plan };
      }
      const before = lately.get(key);
      if (before !== undefined) return { prices: { replica: before }, plan: place.plan, isEstimated: true };
    }
    if (cost.priceBook === undefined || place.requests === undefined) return undefined;
    const prices = bookPrices(cost.priceBook, place.region, place.plan, hour);
    return prices && { prices, plan: place.plan };
  };
}
