import type { SpendAhead } from '../cost/budget.ts';
import { aheadOf } from '../cost/project.ts';
import { demandLabels, readRecorded } from '../loops/demand-series.ts';
import { reasonOf } from '../loops/telemetry.ts';
import type { TenantId } from '../model/tenant.ts';
import { DAY, HOUR, type Millis } from '../model/time.ts';
import type { DemandSpec, ScalingPolicy } from '../scaling/policy.ts';
import type { Parts } from './parts.ts';

/** Two weeks at least: with less the pattern of the spend itself says as much. */
const LEAST_HOURS = (14 * DAY) / HOUR;
const HISTORY_HOURS = (28 * DAY) / HOUR;
const KEPT_MS = 12 * HOUR;
const LATELY_HOURS = (7 * DAY) / HOUR;
const PATHS = [0.025, 0.5, 0.975] as const;

/**
 * What a workload will cost by the forecast of its demands and its policy: the replicas that carry the demand, within
 * the policy's limits, at what such a replica did cost in the last seven days, with all that ran beyond what the demand
 * asked for. Undefined where the demand's past is short, or what a replica carries is not given.
 */
export function openDemandAhead({ samples, jobs, networks, telemetry }: Parts) {
  const kept = new Map<string, { readonly at: Millis; readonly hours: number; readonly paths: Paths | undefined }>();

  async function pathsOf(tenant: TenantId, policy: ScalingPolicy, end: Millis, hours: number, signal: AbortSignal) {
    const paths: { past: Float64Array; ahead: Float64Array[] } = {
      past: new Float64Array(HISTORY_HOURS).fill(Number.NaN),
      ahead: PATHS.map(() => new Float64Array(hours)),
    };
    for (const spec of policy.demands) {
      if (spec.perReplica === undefined) return undefined;
      const { past, times } = await hourlyDemand(tenant, policy, spec, end);
      if (times.length < LEAST_HOURS) return undefined;
      const values = Float64Array.from(times, (i) => past[i]!);
      const input = { times: Float64Array.from(times, (i) => end - (HISTORY_HOURS - i) * HOUR), values, stepMs: HOUR };
      const job = { kind: 'forecast', ...input, horizonSteps: hours, quantiles: [...PATHS], seasons: 'auto' } as const;
      const result = await jobs.run(job, { signal, own: networks.ownOf(tenant) });
      if (result.kind !== 'forecast') return undefined;
      const needed = (demand: number) => replicasFor(demand, spec, policy);
      for (let i = 0; i < HISTORY_HOURS; i++) {
        if (!Number.isNaN(past[i]!)) paths.past[i] = Math.max(paths.past[i] || 0, needed(past[i]!));
      }
      for (const [p, quantile] of PATHS.entries()) {
        const path = result.forecast.quantiles.find((each) => Math.abs(each.quantile - quantile) < 1e-9);
        if (path === undefined || !path.values.every(Number.isFinite)) return undefined;
        const ahead = paths.ahead[p]!;
        for (let h = 0; h < hours; h++) ahead[h] = Math.max(ahead[h]!, needed(path.values[h]!));
      }
    }
    return paths;
  }

  /** Means of hours, and the indexes of those that are known. */
  async function hourlyDemand(tenant: TenantId, policy: ScalingPolicy, spec: DemandSpec, end: Millis) {
    const range = { start: end - HISTORY_HOURS * HOUR, end: end - spec.stepMs };
    const recorded = await readRecorded(samples.own(tenant), demandLabels(policy, spec), range, spec.stepMs);
    const sums = new Float64Array(HISTORY_HOURS);
    const counts = new Float64Array(HISTORY_HOURS);
    for (const [i, value] of recorded.values.entries()) {
      const hour = Math.floor((i * spec.stepMs) / HOUR);
      if (!Number.isFinite(value) || hour >= HISTORY_HOURS) continue;
      sums[hour]! += value;
      counts[hour]!++;
    }
    const past = sums.map((sum, hour) => sum / counts[hour]!);
    return { past, times: [...past.keys()].filter((i) => !Number.isNaN(past[i]!)) };
  }

  return async (
    tenant: TenantId,
    { policy, isCapped }: { readonly policy: ScalingPolicy; readonly isCapped: boolean },
    { end, values }: { readonly end: Millis; readonly values: Float64Array },
    hours: number,
    signal: AbortSignal,
  ): Promise<SpendAhead | undefined> => {
    const key = `${tenant}/${policy.namespace}/${policy.name}`;
    let found = kept.get(key);
    const isShort = found !== undefined && Math.round((end - found.at) / HOUR) + hours > found.hours;
    if (found === undefined || isShort || end - found.at >= KEPT_MS) {
      let paths: Paths | undefined;
      try {
        paths = await pathsOf(tenant, policy, end, hours, signal);
      } catch (error) {
        if (signal.aborted) throw error;
        telemetry.count('loopFailures', { loop: 'cost', reason: `projection-${reasonOf(error)}` });
      }
      found = { at: end, hours, paths };
      kept.set(key, found);
    }
    const { paths, at } = found;
    if (paths === undefined) return undefined;
    const passed = Math.round((end - at) / HOUR);
    if (passed < 0 || passed + hours > found.hours) return undefined;
    const perReplica = costOfReplica(values, paths.past, { passed, isCapped });
    if (perReplica === undefined) return undefined;
    const [lower, mean, upper] = paths.ahead.map((path) =>
      path.subarray(passed, passed + hours).map((replicas) => replicas * perReplica),
    ) as [Float64Array, Float64Array, Float64Array];
    return aheadOf(end, { mean, lower, upper });
  };
}

interface Paths {
  /** Replicas that the demand asked for, hour by hour up to when it was made. */
  readonly past: Float64Array;
  /** By quantile. */
  readonly ahead: readonly Float64Array[];
}

/**
 * What was spent for each replica that the demand asked for: of the last seven days, or of the dearest seven of the last
 * four weeks while a cap holds replicas down, so that what it saves does not end it.
 * @param passed Hours since `past` ended.
 */
function costOfReplica(
  spent: Float64Array,
  past: Float64Array,
  { passed, isCapped }: { readonly passed: number; readonly isCapped: boolean },
): number | undefined {
  let most: number | undefined;
  for (let first = 1; first + LATELY_HOURS <= HISTORY_HOURS + 1; first += LATELY_HOURS) {
    let [cost, replicas] = [0, 0];
    for (let back = first; back < first + LATELY_HOURS; back++) {
      const [amount, asked] = [spent[spent.length - passed - back], past[past.length - back]];
      if (amount === undefined || asked === undefined || Number.isNaN(amount) || Number.isNaN(asked)) continue;
      cost += amount;
      replicas += asked;
    }
    if (replicas > 0) most = Math.max(most ?? 0, cost / replicas);
    if (!isCapped && most !== undefined) return most;
  }
  return most;
}

function replicasFor(demand: number, { perReplica, fill }: DemandSpec, { replicas }: ScalingPolicy): number {
  const needed = Math.ceil(demand / (perReplica! * fill) - 1e-9);
  return Math.max(replicas.min, Math.min(replicas.max, needed));
}
