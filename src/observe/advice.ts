import type { ForecastStatus } from '../model/issued-forecast.ts';
import { labelsKey } from '../model/labels.ts';
import type { RegularSeries, SampledSeries, Samples } from '../model/series.ts';
import type { Millis } from '../model/time.ts';
import type {
  AdviceInput,
  AutoscalerReading,
  AutoscalerRules,
  DemandHistory,
  RequestsReading,
  Unknown,
  UsageReading,
} from '../scaling/advice/types.ts';
import { newUsageTally, USAGE_HISTORY_MS, USAGE_STEP_MS, type UsageTally } from '../scaling/advice/usage.ts';
import { usageQueries } from '../scaling/advice/usage-queries.ts';
import type { TargetMissing, TargetRef, TargetState } from '../scaling/cluster.ts';
import type { LeadTime } from '../scaling/plan-types.ts';
import type { ScalingPolicy } from '../scaling/policy.ts';
import type { Spread } from '../scaling/simulation/spread.ts';
import type { Evaluator } from '../storage/storage.ts';
import { eachSlice, evaluateHistory } from './history.ts';
import { type ObserveDeps, targetOf, targetReading } from './observe.ts';

/** What advice on one policy is read from. */
export interface AdviceDeps
  extends Required<Pick<ObserveDeps, 'readTarget' | 'latestForecast' | 'capacityOf' | 'leadTimeOf'>> {
  readonly storage: Pick<Evaluator, 'range'>;
  readonly maxSamples: number;
  /** Left out where there is no cluster to read them in. */
  readonly readAutoscaler?: ReadAutoscaler | undefined;
  readonly readPodRequests?: ReadPodRequests | undefined;
}

export type ReadAutoscaler = (target: TargetRef, signal?: AbortSignal) => Promise<AutoscalerRules | Unknown>;
export type ReadPodRequests = (
  workload: { readonly namespace: string; readonly kind: string; readonly name: string },
  signal?: AbortSignal,
) => Promise<RequestsReading | Unknown>;

/** From a decision to a pod's creation: what the lead time has beyond the start-up. */
const REACTION_MS = 15_000;

/** Reads all that advice is made from. What cannot be read is a reason in its place: the rest is advised on. */
export async function readAdviceInput(
  given: ScalingPolicy,
  { now, judgedMs }: { readonly now: Millis; readonly judgedMs: number },
  deps: AdviceDeps,
  signal: AbortSignal,
): Promise<AdviceInput> {
  const attempt = <T>(read: () => Promise<T>): Promise<T | Unknown> => orUnknown(read, signal);
  const { found, state, ...world } = await readWorldState(given, now, deps, signal);
  const { policy } = world;
  return {
    policy,
    history: await attempt(() => readHistory(policy, { now, judgedMs }, deps, signal)),
    autoscaler: world.autoscaler,
    requests: found === undefined ? unknownOf(state) : await attempt(() => readRequests(policy, found, deps, signal)),
    usage: await attempt(() => readUsage(policy, found, now, deps, signal)),
    startUpMs: world.startUpMs,
  };
}

/** What a policy's past is replayed with: its capacity, its HPA and its pods' start-up as they are known now. */
export type World = Pick<AdviceInput, 'policy' | 'autoscaler' | 'startUpMs'>;

export type WorldDeps = Omit<AdviceDeps, 'storage' | 'maxSamples' | 'latestForecast' | 'readPodRequests'>;

export async function readWorld(
  given: ScalingPolicy,
  now: Millis,
  deps: WorldDeps,
  signal: AbortSignal,
): Promise<World> {
  const { policy, autoscaler, startUpMs } = await readWorldState(given, now, deps, signal);
  return { policy, autoscaler, startUpMs };
}

async function readWorldState(given: ScalingPolicy, now: Millis, deps: WorldDeps, signal: AbortSignal) {
  const policy = await withCapacity(given, now, deps, signal);
  const state = await orUnknown(() => deps.readTarget(targetOf(policy), signal), signal);
  const found = state.kind === 'found' ? state : undefined;
  const leadTime = found && (await deps.leadTimeOf(policy, found.workload, now, signal));
  const autoscaler =
    found === undefined ? unknownOf(state) : await orUnknown(() => readHpa(policy, found, deps, signal), signal);
  return { policy, found, state, autoscaler, startUpMs: startUpOf(policy, leadTime) };
}

async function orUnknown<T>(read: () => Promise<T>, signal: AbortSignal): Promise<T | Unknown> {
  try {
    return await read();
  } catch (error) {
    if (signal.aborted) throw error;
    return { kind: 'unknown', message: (error as Error).message };
  }
}

function unknownOf(state: TargetState | TargetMissing | Unknown): Unknown {
  return { kind: 'unknown', message: state.kind === 'found' ? '' : state.message };
}

/** What a replica carries as it was learned, for a demand that says how to learn it. */
async function withCapacity(
  policy: ScalingPolicy,
  now: Millis,
  { capacityOf }: Pick<AdviceDeps, 'capacityOf'>,
  signal: AbortSignal,
): Promise<ScalingPolicy> {
  const [first, ...others] = policy.demands;
  if (first?.utilization === undefined) return policy;
  const capacity = await capacityOf(policy, first, now, signal);
  if (capacity.kind !== 'learned') return policy;
  return { ...policy, demands: [{ ...first, perReplica: capacity.perReplica }, ...others] };
}

async function readHistory(
  policy: ScalingPolicy,
  { now, judgedMs }: { readonly now: Millis; readonly judgedMs: number },
  { storage, maxSamples, latestForecast }: AdviceDeps,
  signal: AbortSignal,
): Promise<DemandHistory> {
  const { name, query, stepMs, historyMs } = policy.demands[0]!;
  const end = Math.floor(now / stepMs) * stepMs;
  const range = { start: end - (Math.floor(historyMs / stepMs) - 1) * stepMs, end, stepMs };
  const { series } = await evaluateHistory(storage, query, range, { signal, maxSamples });
  const rows = sumOf(series);
  const status = await latestForecast({ namespace: policy.namespace, policy: policy.name, demand: name });
  const ahead = aheadOf(status, policy);
  const [first = end, last = end] = [rows.times[0], rows.times.at(-1)];
  const from = last - Math.min(judgedMs, (last - first) / 2);
  return { kind: 'read', rows, from, ...(ahead !== undefined && { ahead }) };
}

/** Steps with a value, several series summed. */
function sumOf(series: readonly RegularSeries[]): Samples {
  const sums = new Map<Millis, number>();
  for (const { start, stepMs, values } of series) {
    for (const [i, value] of values.entries()) {
      const time = start + i * stepMs;
      if (Number.isFinite(value)) sums.set(time, (sums.get(time) ?? 0) + value);
    }
  }
  const rows = [...sums].sort(([a], [b]) => a - b);
  return { times: Float64Array.from(rows, ([time]) => time), values: Float64Array.from(rows, ([, value]) => value) };
}

function aheadOf(status: ForecastStatus | undefined, { quantile }: ScalingPolicy): Samples | undefined {
  if (status?.kind !== 'forecast') return undefined;
  const { issuedAt, stepMs, quantiles } = status.forecast;
  const path = quantiles.find((entry) => entry.quantile >= quantile - 1e-9) ?? quantiles.at(-1);
  if (path === undefined || !path.values.every(Number.isFinite)) return undefined;
  return { times: path.values.map((_, i) => issuedAt + (i + 1) * stepMs), values: path.values };
}

async function readHpa(
  policy: ScalingPolicy,
  state: TargetState,
  { readAutoscaler }: Pick<AdviceDeps, 'readAutoscaler'>,
  signal: AbortSignal,
): Promise<AutoscalerReading | Unknown> {
  if (readAutoscaler === undefined) return NOWHERE;
  const rules = await readAutoscaler(targetOf(policy), signal);
  if (rules.kind === 'unknown') return rules;
  const { min, max } = targetReading(state, { lettingGo: policy.paused }).original;
  // KEDA's HPA has at least one; scaling to zero is KEDA's own work.
  return { ...rules, bounds: { min: Math.max(1, min), max } };
}

async function readRequests(
  { namespace }: ScalingPolicy,
  { workload }: TargetState,
  { readPodRequests }: AdviceDeps,
  signal: AbortSignal,
): Promise<RequestsReading | Unknown> {
  if (readPodRequests === undefined) return NOWHERE;
  return await readPodRequests({ namespace, ...workload }, signal);
}

const NOWHERE: Unknown = { kind: 'unknown', message: 'there is no cluster to read it in' };

/** Of the last eight days, a sample a minute, as the Vertical Pod Autoscaler has it. */
async function readUsage(
  { namespace, usage = {} }: ScalingPolicy,
  state: TargetState | undefined,
  now: Millis,
  { storage, maxSamples }: AdviceDeps,
  signal: AbortSignal,
): Promise<UsageReading | Unknown> {
  const usual = state && usageQueries(namespace, state.workload);
  const [cpu, memory] = [usage.cpu ?? usual?.cpu, usage.memory ?? usual?.memory];
  if (cpu === undefined && memory === undefined) {
    const message =
      'whose usage to look at is not known: the target cannot be read, and the policy names no queries (usage)';
    return { kind: 'unknown', message };
  }
  const end = Math.floor(now / USAGE_STEP_MS) * USAGE_STEP_MS;
  const range = { start: end - USAGE_HISTORY_MS + USAGE_STEP_MS, end, stepMs: USAGE_STEP_MS };
  const tally = newUsageTally();
  const take = async (query: string | undefined, add: UsageTally['addCpu']) => {
    if (query === undefined) return;
    await eachSlice(storage, query, range, { signal, maxSamples }, (all) => {
      for (const series of all) addAll(series, add);
    });
  };
  await take(cpu, tally.addCpu);
  await take(memory, tally.addMemory);
  return {
    kind: 'read',
    containers: tally.estimates(),
    queries: { cpu: cpu ?? 'no query', memory: memory ?? 'no query' },
  };
}

function addAll({ labels, times, values }: SampledSeries, add: UsageTally['addCpu']): void {
  const of = (label: string) => labels.find(([name]) => name === label)?.[1];
  const container = of('container') ?? null;
  const pod = of('pod') ?? labelsKey(labels);
  for (let i = 0; i < times.length; i++) add(container, pod, times[i]!, values[i]!);
}

/** As it was learned, with its tail; else what the lead time leaves for it. */
function startUpOf(policy: ScalingPolicy, leadTime: LeadTime | undefined): Spread {
  if (policy.leadTime.kind === 'given') return Math.max(0, policy.leadTime.ms - REACTION_MS);
  const figures = leadTime?.figures;
  if (figures !== undefined && figures.p50Ms > 0) return { p50Ms: figures.p50Ms, p95Ms: figures.p95Ms };
  return Math.max(0, (leadTime?.ms ?? 180_000) - REACTION_MS);
}
