import type { Samples } from '../model/series.ts';
import { DAY, HOUR, MINUTE, type Millis, SECOND } from '../model/time.ts';
import { seededRandom } from '../numeric/seeded-random.ts';
import { reconcile } from './hpa/reconcile.ts';
import { type HpaSpec, NEW_HPA } from './hpa/types.ts';
import { peakWindowMs } from './peak-window.ts';
import type { LeadTime } from './plan-types.ts';
import type { ScalingPolicy } from './policy.ts';
import { arrivals } from './simulation/arrivals.ts';
import { type DemandTrace, demandTrace } from './simulation/demand-trace.ts';
import { p95Of, type Spread } from './simulation/spread.ts';
import { demandOf, type StrategyName, strategyOf, type TraceForecaster } from './simulation/strategies.ts';
import { type NodeTimes, simulatedWorkload } from './simulation/workload.ts';

export interface SimulationOptions {
  /** Every row, history and judged time alike, in order of time. */
  readonly rows: Samples;
  readonly policy: ScalingPolicy;
  /** Judged from here to the last row. The default is the last three days. */
  readonly from?: Millis;
  readonly strategies: readonly StrategyName[];
  /** Makes the forecaster for one run. It is given the rows before `from` and how far its peak must reach. */
  readonly forecaster: (history: Samples, windowMs: number) => TraceForecaster;
  /** From asking for a pod to a ready one. The default is 180 s. */
  readonly startUpMs?: Spread;
  /** How late a sample is known, to the autoscaler and to Foresail. The default is 60 s. */
  readonly metricLagMs?: Spread;
  /** Where pods may have to wait for a node first. */
  readonly nodes?: NodeTimes;
  /** Of what is drawn from spreads: the same seed gives the same report. */
  readonly seed?: number;
  /** How full the reactive autoscaler wants replicas to be, 0 to 1. */
  readonly hpaTarget?: number;
  /** Its own bounds and behavior. The default is the policy's bounds, and Kubernetes's defaults of a behavior. */
  readonly autoscaler?: AutoscalerSettings;
  readonly refreshMs?: number;
}

/** What of an HPA is simulated beside its target. A behavior that is left out is one that the HPA does not have. */
export interface AutoscalerSettings {
  readonly bounds: { readonly min: number; readonly max: number };
  readonly behavior?: HpaSpec['behavior'];
}

export interface SimulationReport {
  readonly from: Millis;
  readonly to: Millis;
  readonly startUpMs: Spread;
  readonly metricLagMs: Spread;
  readonly nodes?: NodeTimes;
  readonly hpaTarget: number;
  readonly perReplica: number;
  readonly results: readonly StrategyResult[];
}

export interface StrategyResult {
  readonly strategy: StrategyName;
  /** Share of the judged time in which demand exceeded what the ready replicas carry, 0 to 1. */
  readonly overCapacity: number;
  /** Share of the demand that the ready replicas could not carry, 0 to 1. */
  readonly unmetDemand: number;
  readonly podHours: number;
  /** Pod-hours against the reactive autoscaler's; null where that was not simulated. */
  readonly podHoursRatio: number | null;
  readonly scaleEventsPerDay: number;
  /** Share of the judged time in which the forecast was not trusted. */
  readonly demoted: number;
  /** One row whenever the bounds change. `t` in epoch seconds. */
  readonly decisions: readonly DecisionRow[];
  readonly timeline: Timeline;
}

export interface DecisionRow {
  readonly t: number;
  readonly min: number;
  readonly max: number;
  readonly reason: string;
}

/** One point a minute, for pictures. */
export interface Timeline {
  readonly times: Float64Array;
  readonly demand: Float64Array;
  readonly ready: Float64Array;
  readonly floor: Float64Array;
}

/** How often the autoscaler looks, and how often demand and capacity are compared. */
const SYNC_MS = 15 * SECOND;
const LOOK_MS = 5 * SECOND;
/** The autoscaler's metric is a mean over this long. */
const METRIC_WINDOW_MS = MINUTE;
/** In the simulated metric one replica carries 1000: the autoscaler counts in thousandths, which a small demand would feel. */
const PER_REPLICA_METRIC = 1000;

/**
 * Replays a demand trace in a closed loop: strategies set the bounds, the modelled autoscaler scales, pods take their
 * time to start. Deterministic, and causal but for the oracle.
 *
 * @throws {RangeError} If the trace is empty or has a value that is not zero or more, or `from` leaves nothing to judge.
 */
export function simulate(options: SimulationOptions): SimulationReport {
  const { rows, policy, startUpMs = 3 * MINUTE, metricLagMs = MINUTE, hpaTarget = 0.7, nodes } = options;
  const trace = demandTrace(rows);
  const from = options.from ?? Math.max(trace.start, trace.end - 3 * DAY);
  if (!(from < trace.end))
    throw new RangeError('cannot simulate: nothing of the trace lies after the judged time begins');
  const setup = { ...options, startUpMs, metricLagMs, hpaTarget, from, trace };
  const runs = options.strategies.map((name) => runStrategy(name, setup));
  const reactive = runs.find(({ strategy }) => strategy === 'reactive');
  const results = runs.map((run) => ({
    ...run,
    podHoursRatio: reactive === undefined ? null : run.podHours / reactive.podHours,
  }));
  const { perReplica } = demandOf(policy);
  const conditions = { startUpMs, metricLagMs, ...(nodes !== undefined && { nodes }), hpaTarget, perReplica };
  return { from, to: trace.end, ...conditions, results };
}

interface Setup extends SimulationOptions {
  readonly trace: DemandTrace;
  readonly from: Millis;
  readonly startUpMs: Spread;
  readonly metricLagMs: Spread;
  readonly hpaTarget: number;
}

function runStrategy(name: StrategyName, setup: Setup): Omit<StrategyResult, 'podHoursRatio'> {
  const { policy, trace, rows, from, startUpMs, metricLagMs, hpaTarget, nodes, seed = 1, refreshMs = MINUTE } = setup;
  const { perReplica, stepMs } = demandOf(policy);
  const leadTime = leadTimeOf(policy, p95Of(startUpMs) + (nodes === undefined ? 0 : p95Of(nodes.delay)));
  // The newest row is up to its lag and one step old.
  const sampleAgeMs = p95Of(metricLagMs) + Math.max(stepMs, usualStepMs(rows.times));
  const windowMs = peakWindowMs({ leadTimeMs: leadTime.ms, refreshMs, sampleAgeMs, ramp: policy.ramp });
  const forecaster = (history: Samples) => setup.forecaster(history, windowMs);
  // Every strategy meets the same lags: each has a generator of its own.
  const seen = arrivals(metricLagMs, seededRandom(seed));
  const rowsSeen = arrivals(metricLagMs, seededRandom(seed + 1)).rows(rows.times);
  const strategy = strategyOf(name, { rows, trace, policy, rowsSeen, leadTime, refreshMs, windowMs, forecaster, from });

  const autoscaler = setup.autoscaler ?? { bounds: policy.replicas, behavior: {} };
  const original = autoscaler.bounds;
  const settled = Math.ceil(trace.mean(from - METRIC_WINDOW_MS, from) / (perReplica * hpaTarget));
  const times = { startUp: startUpMs, random: seededRandom(seed + 2), ...(nodes !== undefined && { nodes }) };
  const workload = simulatedWorkload(Math.min(Math.max(settled, original.min), original.max), times, from);
  const tally = newTally(from, trace);
  let hpa = NEW_HPA;
  let bounds: { readonly min: number; readonly max: number } = original;

  for (let now = from; now < trace.end; now += SYNC_MS) {
    const replicas = workload.replicas();
    const target = { ...bounds, original, specReplicas: replicas, statusReplicas: replicas };
    const decision = strategy.decide(now, target);
    if (tally.decisions.length === 0 || decision.min !== bounds.min || decision.max !== bounds.max) {
      const { min, max, reason } = decision;
      tally.decisions.push({ t: now / 1000, min, max, reason });
    }
    bounds = { min: decision.min, max: decision.max };
    if (decision.demoted) tally.demotedMs += SYNC_MS;

    const known = seen.knownAt(now);
    const metric = (trace.mean(known - METRIC_WINDOW_MS, known) / perReplica) * PER_REPLICA_METRIC;
    const observed = {
      specReplicas: replicas,
      statusReplicas: replicas,
      pods: [],
      metrics: [{ kind: 'values' as const, values: [metric] }],
    };
    const step = reconcile(hpa, hpaSpec({ ...autoscaler, bounds }, hpaTarget), observed, now);
    hpa = step.state;
    if (step.rescaled) {
      workload.scale(step.desired, now);
      tally.scaleEvents++;
    }
    for (let look = now; look < Math.min(now + SYNC_MS, trace.end); look += LOOK_MS) {
      measure(tally, { demand: trace.at(look), ready: workload.ready(look) }, perReplica);
    }
    tally.podMs += workload.replicas() * SYNC_MS;
    tally.draw(now, { ready: workload.ready(now), floor: bounds.min });
  }

  const lengthMs = trace.end - from;
  return {
    strategy: name,
    overCapacity: tally.over / tally.looks,
    unmetDemand: tally.demand > 0 ? tally.unmet / tally.demand : 0,
    podHours: tally.podMs / HOUR,
    scaleEventsPerDay: tally.scaleEvents / (lengthMs / DAY),
    demoted: tally.demotedMs / lengthMs,
    decisions: tally.decisions,
    timeline: tally.timeline,
  };
}

/** The median time between rows: those of a trace may be further apart than the policy's steps. */
function usualStepMs(times: Float64Array): number {
  const steps = times.subarray(1).map((time, i) => time - times[i]!);
  return steps.sort()[steps.length >> 1] ?? 0;
}

/** What the policy gives, or the start-up time and the sync that it takes the autoscaler to notice. */
function leadTimeOf({ leadTime }: ScalingPolicy, startUpMs: number): LeadTime {
  if (leadTime.kind === 'given') return { ms: leadTime.ms, source: 'given' };
  return { ms: startUpMs + SYNC_MS, source: 'assumed' };
}

function hpaSpec({ bounds, behavior }: AutoscalerSettings, hpaTarget: number): HpaSpec {
  return {
    minReplicas: bounds.min,
    maxReplicas: bounds.max,
    metrics: [{ type: 'External', name: 'demand', target: { averageValue: hpaTarget * PER_REPLICA_METRIC } }],
    ...(behavior !== undefined && { behavior }),
  };
}

function newTally(from: Millis, trace: DemandTrace) {
  const minutes = Math.ceil((trace.end - from) / MINUTE);
  const line = () => new Float64Array(minutes);
  const timeline = { times: line(), demand: line(), ready: line(), floor: line() };
  return {
    looks: 0,
    over: 0,
    demand: 0,
    unmet: 0,
    podMs: 0,
    scaleEvents: 0,
    demotedMs: 0,
    decisions: [] as DecisionRow[],
    timeline,
    draw(now: Millis, { ready, floor }: { readonly ready: number; readonly floor: number }) {
      const i = Math.floor((now - from) / MINUTE);
      timeline.times[i] = from + i * MINUTE;
      timeline.demand[i] = Math.max(timeline.demand[i]!, trace.at(now));
      timeline.ready[i] = ready;
      timeline.floor[i] = floor;
    },
  };
}

function measure(
  tally: ReturnType<typeof newTally>,
  { demand, ready }: { readonly demand: number; readonly ready: number },
  perReplica: number,
): void {
  const short = demand - ready * perReplica;
  tally.looks++;
  tally.demand += demand;
  if (short <= 0) return;
  tally.over++;
  tally.unmet += short;
}
