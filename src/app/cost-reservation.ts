import { adviseCapacityOf, type CapacityUse, capacityUses, SCENARIO_QUANTILES } from '../cost/capacity.ts';
import type { CapacityReport, CapacityRequest, TellableCapacity } from '../cost/capacity-report.ts';
import type { SpendHour } from '../cost/spend.ts';
import type { TenantId } from '../model/tenant.ts';
import { HOUR, type Millis } from '../model/time.ts';
import type { Parts } from './parts.ts';

/** Forecasts what runs, in the compute pool, and asks how much of it to reserve. */
export async function adviseCapacity(
  parts: Pick<Parts, 'jobs' | 'networks' | 'settings'>,
  request: CapacityRequest & { readonly tenant: TenantId; readonly end: Millis; readonly spend: readonly SpendHour[] },
  signal: AbortSignal,
): Promise<CapacityReport> {
  const { tenant, end, spend, discount, horizonHours, namespace, workload, most } = request;
  const asked = spend.filter(
    (entry) =>
      (namespace === undefined || entry.namespace === namespace) &&
      (workload === undefined || entry.workload === workload),
  );
  const { workloads, commitment } = capacityUses(asked, { end, discount });
  const tell = (use: CapacityUse) => tellOf(use, parts, request, signal);
  const told: TellableCapacity[] = [];
  for (const use of workloads.slice(0, most)) told.push(await tell(use));
  return {
    ...{ end, horizonHours, discount, currency: parts.settings.cost.currency },
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
