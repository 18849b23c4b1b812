import type { Forecast, LiveAccuracy } from '../model/forecast.ts';
import type { DemandKey, ForecastStatus } from '../model/issued-forecast.ts';
import type { QueryResult } from '../model/query-result.ts';
import { formatDuration, formatInstant, type Millis, SECOND } from '../model/time.ts';
import type { CapacityReading } from '../scaling/capacity.ts';
import type { Cluster, TargetRef, TargetState } from '../scaling/cluster.ts';
import type { CostCeiling, CostReading } from '../scaling/cost-cap.ts';
import type {
  DemandReading,
  ForecastReading,
  LeadTime,
  LiveReading,
  PlanInput,
  PlannerMemory,
  TargetReading,
} from '../scaling/plan-types.ts';
import type { DemandSpec, ScalingPolicy } from '../scaling/policy.ts';
import { pricedQuantile } from '../scaling/priced-quantile.ts';
import type { Evaluator } from '../storage/storage.ts';
import { leadTimeOf, refreshMsOf } from './lead-time.ts';
import type { MonthSoFar } from './month-so-far.ts';
import { sumAt } from './sum.ts';

/** What one plan is read from: one tenant's store and forecasts, the cluster, and the planner's memory. */
export interface ObserveDeps {
  readonly instant: Evaluator['instant'];
  readonly latestForecast: (key: DemandKey) => Promise<ForecastStatus | undefined>;
  readonly readTarget: Cluster['read'];
  readonly memoryOf: (policy: { readonly namespace: string; readonly name: string }) => Promise<PlannerMemory>;
  /** What was learned of one demand's capacity; asked for where the demand has a utilization query. */
  readonly capacityOf?: (
    policy: ScalingPolicy,
    spec: DemandSpec,
    now: Millis,
    signal?: AbortSignal,
  ) => Promise<CapacityReading>;
  /** The lead time as learned from the pods of the workload. Without it, it is given or assumed. */
  readonly leadTimeOf?: (
    policy: ScalingPolicy,
    workload: TargetState['workload'],
    now: Millis,
    signal?: AbortSignal,
  ) => Promise<LeadTime>;
  /** What was recorded of the workload this month; asked for where there is an objective or a cost budget. */
  readonly monthOf?: (
    policy: ScalingPolicy,
    perReplica: readonly (number | null)[],
    now: Millis,
  ) => Promise<MonthSoFar>;
  /** Maxima that cost budgets of the settings ask for. */
  readonly ceilingsOf?: (policy: ScalingPolicy) => readonly CostCeiling[];
}

export type Observation =
  | {
      readonly kind: 'observed';
      readonly input: PlanInput;
      readonly state: TargetState;
      /** What could not be read and was left out of the input, a sentence each. */
      readonly problems: readonly string[];
    }
  | { readonly kind: 'missing'; readonly message: string };

/**
 * Reads all that one plan of a policy needs, as of `now`. A demand that cannot be asked is a demand without a value:
 * the plan still holds, or lets go of, what was planned before.
 */
export async function observe(
  policy: ScalingPolicy,
  now: Millis,
  deps: ObserveDeps,
  signal?: AbortSignal,
): Promise<Observation> {
  const state = await deps.readTarget(targetOf(policy), signal);
  if (state.kind === 'missing') return state;
  const problems: string[] = [];
  const demands: DemandReading[] = [];
  for (const spec of policy.demands) {
    const key = { namespace: policy.namespace, policy: policy.name, demand: spec.name };
    const capacity = spec.utilization && (await deps.capacityOf?.(policy, spec, now, signal));
    demands.push({
      name: spec.name,
      current: { time: now, value: await currentDemand(spec, now, deps, problems, signal) },
      forecast: forecastReading(await deps.latestForecast(key), policy, spec.fill),
      ...(capacity !== undefined && { capacity }),
    });
  }
  const month = await monthOf(policy, demands, now, deps);
  const ceilings = deps.ceilingsOf?.(policy) ?? [];
  const input: PlanInput = {
    now,
    policy,
    demands: month === undefined || policy.objective === undefined ? demands : demands.map((d) => withShort(d, month)),
    target: targetReading(state, { lettingGo: policy.paused }),
    leadTime: (await deps.leadTimeOf?.(policy, state.workload, now, signal)) ?? leadTimeOf(policy),
    refreshMs: refreshMsOf(policy),
    memory: await deps.memoryOf(policy),
    ...(month !== undefined && policy.costBudget !== undefined && { cost: costReading(month) }),
    ...(ceilings.length > 0 && { ceilings }),
  };
  return { kind: 'observed', input, state, problems };
}

async function monthOf(
  policy: ScalingPolicy,
  demands: readonly DemandReading[],
  now: Millis,
  deps: ObserveDeps,
): Promise<MonthSoFar | undefined> {
  if (policy.objective === undefined && policy.costBudget === undefined) return undefined;
  const perReplica = policy.demands.map((spec, i) => {
    const capacity = demands[i]?.capacity;
    return capacity?.kind === 'learned' ? capacity.perReplica : (spec.perReplica ?? null);
  });
  return await deps.monthOf?.(policy, perReplica, now);
}

function withShort(reading: DemandReading, { start, end, overMs }: MonthSoFar): DemandReading {
  return { ...reading, shortSoFar: { monthStart: start, monthEnd: end, overMs: overMs[reading.name] ?? 0 } };
}

function costReading({ start, end, replicaHours, knownMs, meanReplicas, meanMs }: MonthSoFar): CostReading {
  return { monthStart: start, monthEnd: end, replicaHours, knownMs, meanReplicas, meanMs };
}

export function targetOf({ target, namespace }: ScalingPolicy): TargetRef {
  return { kind: target.kind, namespace, name: target.name };
}

/**
 * The bounds and replicas as a plan sees them. A bound that we did not write is its owner's new original. So is, for
 * who lets go, one that another manager has set to the very value that we wrote: what others want is not taken back.
 */
export function targetReading(
  { min, max, specReplicas, statusReplicas, ownership, minManagers, pause, wakesFromZero }: TargetState,
  { lettingGo }: { readonly lettingGo: boolean },
): TargetReading {
  const shared = lettingGo && minManagers.some((manager) => manager !== 'foresail');
  const original =
    ownership === null
      ? { min, max }
      : {
          min: min === ownership.written.min && !shared ? ownership.original.min : min,
          max: max === ownership.written.max ? ownership.original.max : max,
        };
  return {
    ...{ min, max, original, specReplicas, statusReplicas },
    ...(pause !== undefined && { pause }),
    ...(wakesFromZero !== undefined && { wakesFromZero }),
  };
}

/** What a demand's query says at `now`; null where that is no number, or the query fails, which is added to `problems`. */
export async function currentDemand(
  spec: DemandSpec,
  now: Millis,
  { instant }: Pick<ObserveDeps, 'instant'>,
  problems: string[],
  signal: AbortSignal | undefined,
): Promise<number | null> {
  let result: QueryResult;
  try {
    result = await instant(spec.query, now, signal === undefined ? {} : { signal });
  } catch (error) {
    if (signal?.aborted === true) throw error;
    problems.push(`cannot ask for the demand ${spec.name}: ${(error as Error).message}`);
    return null;
  }
  const value = sumAt(result.value);
  return Number.isFinite(value) ? value : null;
}

/**
 * What a plan needs of the latest forecast.
 * @param fill Of the demand, where the quantile may be chosen by its price.
 */
export function forecastReading(
  status: ForecastStatus | undefined,
  policy: ScalingPolicy,
  fill?: number,
): ForecastReading {
  if (status === undefined) return { kind: 'none', message: 'no forecast was made yet' };
  if (status.kind === 'forecast') return readyReading(status.forecast, policy, fill);
  const { why } = status;
  switch (why.kind) {
    case 'insufficient-history':
      return {
        kind: 'insufficient-history',
        haveMs: why.haveMs,
        needMs: Math.max(why.needMs, policy.safety.minHistoryMs),
      };
    case 'no-data':
      return { kind: 'none', message: 'the demand has no samples' };
    case 'stale':
      return { kind: 'none', message: `the demand has had no samples since ${formatInstant(why.lastSampleAt)}` };
  }
}

function readyReading(forecast: Forecast, policy: ScalingPolicy, fill: number | undefined): ForecastReading {
  const { quantile, objective } = policy;
  const { issuedAt, peak, model, accuracy, historyMs, live } = forecast;
  // A policy's quantile may have changed since: the next higher one that was forecast errs on the safe side.
  const asked = peak.quantiles.find((entry) => entry.quantile >= quantile - 1e-9) ?? peak.quantiles.at(-1);
  const chosen = (fill !== undefined && pricedQuantile(peak, policy, fill)) || asked;
  return {
    kind: 'ready',
    issuedAt,
    peak: finiteOrNull(chosen?.value),
    windowMs: peak.windowMs,
    ...(peak.eventFactor !== undefined && { eventFactor: peak.eventFactor }),
    quantile: chosen?.quantile ?? quantile,
    ...(objective !== undefined && {
      quantiles: peak.quantiles.map((entry) => ({ quantile: entry.quantile, value: finiteOrNull(entry.value) })),
    }),
    model,
    // The peak is what the plan acts on; the steps' error stands in while the peak's is not known.
    maeVsLast: finiteOrNull(accuracy.peakVsNaive) ?? finiteOrNull(accuracy.maeVsLast),
    coverage: finiteOrNull(accuracy.peakCoverage) ?? finiteOrNull(accuracy.coverage),
    historyMs,
    ...(live !== undefined && { live: liveReading(live) }),
  };
}

function liveReading({ errorVsNaive, horizons, coverageBroken }: LiveAccuracy): LiveReading {
  const peak = horizons.find(({ horizon }) => horizon === 'peak');
  return {
    errorVsNaive: finiteOrNull(errorVsNaive),
    coverage: finiteOrNull(peak?.coverage),
    coverageBroken,
  };
}

/** JSON has no NaN: what is not a number is null in a recorded input. */
function finiteOrNull(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null;
}

/** The lead time in words, for a person. */
export function describeLeadTime({ leadTime, refreshMs }: PlanInput): string {
  const source = leadTimeSource(leadTime);
  return `lead time ${formatDuration(leadTime.ms)} (${source}), a new forecast every ${formatDuration(refreshMs)}`;
}

/** Where a lead time comes from, in words. */
export function leadTimeSource({ source, figures, why }: LeadTime): string {
  if (source === 'given') return 'as given';
  if (source === 'assumed') return why === undefined ? 'assumed' : `assumed: ${why}`;
  if (figures === undefined) return 'learned from the pods';
  const { pods, p50Ms, p95Ms, scheduledP95Ms } = figures;
  const node = scheduledP95Ms < 10 * SECOND ? '' : `, up to ${formatDuration(scheduledP95Ms)} of it without a node`;
  return `learned: of ${pods} pods half were ready within ${formatDuration(p50Ms)}, 95 % within ${formatDuration(p95Ms)}${node}`;
}
