import type { Samples } from '../../model/series.ts';
import { upperBound } from '../../model/series.ts';
import { DAY, type Millis, WEEK } from '../../model/time.ts';
import { planReplicas } from '../plan.ts';
import {
  type DemandReading,
  type ForecastReading,
  type LeadTime,
  NO_MEMORY,
  type TargetReading,
} from '../plan-types.ts';
import type { DemandSpec, ScalingPolicy } from '../policy.ts';
import { reasonText } from '../reasons.ts';
import type { DemandTrace } from './demand-trace.ts';
import { openShortTally } from './short-so-far.ts';

export const STRATEGIES = ['reactive', 'yesterday', 'last-week', 'max-of-3-days', 'foresail', 'oracle'] as const;
export type StrategyName = (typeof STRATEGIES)[number];

/** Decides the bounds at each sync. Only the oracle may look ahead. */
export interface Strategy {
  decide(now: Millis, target: TargetReading): BoundsDecision;
}

export interface BoundsDecision {
  readonly min: number;
  readonly max: number;
  /** In words: what decided. */
  readonly reason: string;
  /** Whether the forecast was not trusted. */
  readonly demoted: boolean;
}

/** A forecaster as the live program runs it: it sees rows in order of time and is asked at any moment. */
export interface TraceForecaster {
  append(time: Millis, value: number): void;
  /** What is known after the rows so far. */
  read(): ForecastReading;
}

export interface StrategyContext {
  readonly rows: Samples;
  readonly trace: DemandTrace;
  readonly policy: ScalingPolicy;
  /** When each row is known, ascending. */
  readonly rowsSeen: Float64Array;
  readonly leadTime: LeadTime;
  readonly refreshMs: number;
  /** What the peak forecast must cover, counted from the last row that a decision knows. */
  readonly windowMs: number;
  /** Rows before the judged time are its history. Called once for each simulation. */
  readonly forecaster: (history: Samples) => TraceForecaster;
  readonly from: Millis;
}

export function strategyOf(name: StrategyName, context: StrategyContext): Strategy {
  switch (name) {
    case 'reactive':
      return {
        decide: (_, { original }) => ({ ...original, reason: 'the reactive autoscaler alone', demoted: false }),
      };
    case 'yesterday':
      return floorFrom(context, [DAY], 'the same time yesterday');
    case 'last-week':
      return floorFrom(context, [WEEK], 'the same time last week');
    case 'max-of-3-days':
      return floorFrom(context, [DAY, 2 * DAY, 3 * DAY], 'the most at this time of the last three days');
    case 'oracle':
      return floorFrom(context, [0], 'the demand to come, known beforehand');
    case 'foresail':
      return foresail(context);
  }
}

/** A floor that carries the largest demand of the same window some time ago. No ramp, no hold-down: what a simple script would do. */
function floorFrom(context: StrategyContext, agesMs: readonly number[], reason: string): Strategy {
  const { trace, leadTime, refreshMs } = context;
  const { perReplica, fill } = demandOf(context.policy);
  return {
    decide(now, { original: { min, max } }) {
      let demand = 0;
      for (const age of agesMs) {
        const start = now - age;
        if (start >= trace.start) demand = Math.max(demand, trace.max(start, start + leadTime.ms + refreshMs));
      }
      const floor = Math.ceil(demand / (perReplica * fill) - 1e-9);
      return { min: Math.min(Math.max(floor, min), max), max, reason, demoted: false };
    },
  };
}

/** The very call that the live loop makes, fed with what the live loop would know. */
function foresail(context: StrategyContext): Strategy {
  const { rows, policy, rowsSeen, leadTime, refreshMs, from } = context;
  let known = upperBound(rowsSeen, from);
  const history = { times: rows.times.subarray(0, known), values: rows.values.subarray(0, known) };
  const forecaster = context.forecaster(history);
  const enforced: ScalingPolicy = { ...policy, mode: 'enforce' };
  const { name, perReplica } = demandOf(policy);
  const short = policy.objective === undefined ? undefined : openShortTally(perReplica);
  let memory = NO_MEMORY;
  let forecast = forecaster.read();
  return {
    decide(now, target) {
      const before = known;
      for (; known < rows.times.length && rowsSeen[known]! <= now; known++) {
        forecaster.append(rows.times[known]!, rows.values[known]!);
        short?.row(rows.times[known]!, rows.values[known]!);
      }
      short?.ran(now, target.statusReplicas);
      if (known > before) forecast = forecaster.read();
      const current = { time: rows.times[known - 1] ?? 0, value: rows.values[known - 1] ?? null };
      const reading: DemandReading = { name, current, forecast };
      const demands = [short === undefined ? reading : { ...reading, shortSoFar: short.soFar(now) }];
      const plan = planReplicas({ now, policy: enforced, demands, target, leadTime, refreshMs, memory });
      memory = plan.memory;
      return {
        ...plan.bounds,
        demoted: plan.demotion !== null,
        get reason() {
          return plan.reasons.map(reasonText).join('; ');
        },
      };
    },
  };
}

/**
 * A trace is one demand: the policy's first.
 * @throws {RangeError} If its capacity is only learned: a trace says nothing of how busy replicas were.
 */
export function demandOf({ demands }: ScalingPolicy): DemandSpec & { readonly perReplica: number } {
  const demand = demands[0]!;
  const { perReplica } = demand;
  if (perReplica === undefined) {
    throw new RangeError(
      `cannot simulate ${demand.name}: its capacity has no perReplica, and a trace has no utilization`,
    );
  }
  return { ...demand, perReplica };
}
