import type { Samples } from '../model/series.ts';
import { DAY, HOUR, MINUTE, type Millis } from '../model/time.ts';
import { hpaTargetOf } from './advice/hpa-target.ts';
import type { AutoscalerReading, MakeForecaster, Unknown } from './advice/types.ts';
import type { ScalingPolicy } from './policy.ts';
import { simulate } from './simulate.ts';
import type { Spread } from './simulation/spread.ts';

/** One finished day of a policy's recorded demand, and what the world was like. Plain data. */
export interface PlayedDayInput {
  /** `perReplica` of its first demand is what is played with. */
  readonly policy: ScalingPolicy;
  /** The demand of the day, and before it the history that forecasts are made from, in order of time. */
  readonly rows: Samples;
  readonly day: Millis;
  readonly autoscaler: AutoscalerReading | Unknown;
  readonly startUpMs: Spread;
}

export interface PlayedStrategy {
  readonly replicaHours: number;
  /** Minutes with more demand than ready replicas carry. */
  readonly minutesOver: number;
}

/** What a day would have taken, by simulation, under the policy and under the reactive autoscaler alone. */
export interface PlayedDay {
  readonly kind: 'played';
  readonly day: Millis;
  readonly foresail: PlayedStrategy;
  readonly reactive: PlayedStrategy;
  /** Replicas that carry the highest demand of the day when full. */
  readonly peakReplicas: number;
  /** Share of the day in which the forecast was not trusted, 0 to 1. */
  readonly demoted: number;
}

/** Why a day was not played. */
export interface NotPlayed {
  readonly kind: 'not-played';
  readonly day: Millis;
  readonly why: string;
}

/** With more of a day missing it is no day to judge by: the simulation would hold the last value. */
const MOST_MISSING_MS = HOUR;

/** Plays one day again. A row later than the moment that is decided on matters to no strategy. */
export function playDay(input: PlayedDayInput, makeForecaster: MakeForecaster): PlayedDay | NotPlayed {
  const { policy, rows, day, autoscaler, startUpMs } = input;
  const demand = policy.demands[0]!;
  const notPlayed = (why: string): NotPlayed => ({ kind: 'not-played', day, why });
  const { perReplica, name } = demand;
  if (perReplica === undefined) return notPlayed(`what a replica carries of ${name} is neither given nor learned yet`);
  const missingMs = missingOf(rows, day, Math.max(demand.stepMs, MINUTE));
  if (missingMs > MOST_MISSING_MS) {
    return notPlayed(`the demand ${name} is not known for ${(missingMs / HOUR).toFixed(1)} hours of the day`);
  }
  if (rows.values.some((value) => !(value >= 0))) return notPlayed(`the demand ${name} is negative at times`);
  const read = autoscaler.kind === 'unknown' ? undefined : autoscaler;
  const { from, to, results } = simulate({
    ...{ rows, policy, from: day, startUpMs, strategies: ['reactive', 'foresail'] },
    hpaTarget: hpaTargetOf(policy, autoscaler).ratio,
    autoscaler: {
      bounds: read?.bounds ?? policy.replicas,
      ...(read === undefined ? { behavior: {} } : read.behavior !== undefined && { behavior: read.behavior }),
    },
    forecaster: (history, windowMs) => makeForecaster(policy, history, windowMs),
  });
  const [reactive, foresail] = results;
  const ofDay = DAY / (to - from);
  const told = ({ podHours, overCapacity }: { readonly podHours: number; readonly overCapacity: number }) => ({
    replicaHours: podHours * ofDay,
    minutesOver: (overCapacity * DAY) / MINUTE,
  });
  let peak = 0;
  for (let i = 0; i < rows.times.length; i++) if (rows.times[i]! >= day) peak = Math.max(peak, rows.values[i]!);
  return {
    ...{ kind: 'played', day, foresail: told(foresail!), reactive: told(reactive!), demoted: foresail!.demoted },
    peakReplicas: Math.ceil(peak / perReplica - 1e-9),
  };
}

/** How much of the day lies in gaps longer than a few steps. */
function missingOf({ times }: Samples, day: Millis, stepMs: number): number {
  let missing = 0;
  let last = day;
  for (const time of times) {
    if (time < day || time > day + DAY) continue;
    if (time - last > 3 * stepMs) missing += time - last;
    last = time;
  }
  return day + DAY - last > 3 * stepMs ? missing + day + DAY - last : missing;
}
