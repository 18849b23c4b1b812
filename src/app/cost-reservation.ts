import {
  adviseCapacityOf,
  bookDiscounts,
  type CapacityUse,
  capacityUses,
  SCENARIO_QUANTILES,
} from '../cost/capacity.ts';
import type { CapacityReport, CapacityRequest, TellableCapacity } from '../cost/capacity-report.ts';
import { spendHourOf } from '../cost/spend-series.ts';
import type { WorkloadHour } from '../cost/workload-hour.ts';
import type { TenantId } from '../model/tenant.ts';
import { HOUR, type Millis } from '../model/time.ts';
import type { Parts } from './parts.ts';

/** Forecasts what runs, in the compute pool, and asks how much of it to reserve. */
export async function adviseCapacity(
  parts: Pick<Parts, 'jobs' | 'networks' | 'settings'>,
  request: CapacityRequest & {
    readonly tenant: TenantId;
    readonly end: Millis;
    readonly hours: readonly WorkloadHour[];
  },
  signal: AbortSignal,
): Promise<CapacityReport> {
  const { tenant, end, discount, horizonHours, namespace, workload, most } = request;
  const { currency, priceBook } = parts.settings.cost;
  const asked = request.hours.filter(
    (entry) =>
      (namespace === undefined || entry.namespace === namespace) &&
      (workload === undefined || entry.workload === workload),
  );
  const byBook = priceBook === undefined ? undefined : bookDiscounts(asked, priceBook, end);
  const discountOf = (name: string) => discount ?? byBook?.get(name);
  const { workloads, commitment, undiscounted } = capacityUses(asked.map(spendHourOf), { end, discountOf });
  const tell = (use: CapacityUse) => tellOf(use, parts, request, signal);
  const told: TellableCapacity[] = [];
  for (const use of workloads.slice(0, most)) told.push(await tell(use));
  return {
    ...{ end, horizonHours, currency, undiscounted },
    discount: commitment?.discount ?? discount ?? null,
    discountFrom: discount === undefined ? 'price book' : 'question',
    commitment: commitment && (await tell(commitment)),
    workloads: told,
    others: Math.max(0, workloads.length - most),
  };

  async function tellOf(
    use: CapacityUse,
    { jobs, networks }: Pick<Parts, 'jobs' | 'networks'>,
    question: CapacityRequest,
    stop: AbortSignal,
  ): Promise<TellableCapacity> {
    const { values, start, name, estimated } = use;
    const known = { historyHours: values.filter(Number.isFinite).length, estimated };
    const times = Float64Array.from(values, (_, i) => start + i * HOUR);
    const job = {
      ...({ kind: 'forecast', times, values, stepMs: HOUR, horizonSteps: horizonHours } as const),
      ...({ quantiles: SCENARIO_QUANTILES, seasons: 'auto' } as const),
    };
    const result = await jobs.run(job, { signal: stop, own: networks.ownOf(tenant) });
    if (result.kind !== 'forecast') return { kind: 'unknown', name, message: messageOf(result), ...known };
    const { quantiles, model } = result.forecast;
    const paths = SCENARIO_QUANTILES.map(
      (quantile) => quantiles.find((path) => Math.abs(path.quantile - quantile) < 1e-9)!.values,
    );
    return { kind: 'advised', advice: adviseCapacityOf(use, paths, question), model, ...known };
  }
}

function messageOf(why: { readonly kind: string; readonly haveMs?: number; readonly needMs?: number }): string {
  if (why.kind !== 'insufficient-history') return 'nothing is known of what ran';
  const hours = (ms: number | undefined) => Math.floor((ms ?? 0) / HOUR);
  return `what ran is known for ${hours(why.haveMs)} hours, and a forecast needs ${hours(why.needMs)}`;
}
