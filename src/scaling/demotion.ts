import type { Millis } from '../model/time.ts';
import type { CapacityObstacle } from './capacity.ts';
import { chooseQuantile } from './objective.ts';
import type { DemandReading, Demotion, ForecastReading, PlannerMemory, TrustMemory } from './plan-types.ts';
import type { DemandSpec, ScalingPolicy } from './policy.ts';

/** A forecast that was worse than naive must become this much better than the limit before it is trusted again. */
const TRUST_AGAIN = 0.98;

/** A forecast that may be acted on: its largest demand is a number of zero or more. */
export interface TrustedForecast {
  readonly kind: 'trusted';
  readonly peak: number;
  /** The peak without the factor of a declared event. */
  readonly ordinaryPeak: number;
  readonly quantile: number;
  readonly windowMs: number;
  readonly model: string;
  readonly capacity: KnownCapacity;
  /** Where an objective chose the quantile: the share of the time that it leaves over capacity. */
  readonly share?: number;
}

/** What one replica carries, and whether that was learned. */
export interface KnownCapacity {
  readonly perReplica: number;
  readonly learned: boolean;
}

export type Trust = TrustedForecast | { readonly kind: 'demoted'; readonly demotion: Demotion };

type ReadyForecast = Extract<ForecastReading, { kind: 'ready' }>;

/** Whether the forecast of one demand may be acted on now. */
export function trustIn(
  spec: DemandSpec,
  reading: DemandReading | undefined,
  policy: ScalingPolicy,
  now: Millis,
  memory: PlannerMemory,
): Trust {
  const demand = spec.name;
  const forecast = reading?.forecast;
  if (forecast === undefined) return demoted({ code: 'ForecastMissing', demand, message: 'it was not read' });
  if (forecast.kind === 'none') return demoted({ code: 'ForecastMissing', demand, message: forecast.message });
  if (forecast.kind === 'insufficient-history') {
    return demoted({ code: 'InsufficientHistory', demand, haveMs: forecast.haveMs, needMs: forecast.needMs });
  }

  const { peak, issuedAt, windowMs, historyMs, quantile, model } = forecast;
  const needMs = policy.safety.minHistoryMs;
  if (!(historyMs >= needMs)) {
    return demoted({ code: 'InsufficientHistory', demand, haveMs: isNumber(historyMs) ? historyMs : 0, needMs });
  }
  const maxAgeMs = freshMs(spec, policy, windowMs);
  // A forecast from ahead of this clock is as little use as an old one.
  const ageMs = isNumber(issuedAt) ? Math.abs(now - issuedAt) : Number.MAX_SAFE_INTEGER;
  if (ageMs > maxAgeMs) return demoted({ code: 'ForecastStale', demand, ageMs, maxAgeMs });
  if (!isNumber(peak)) return demoted({ code: 'ForecastNotFinite', demand });

  const worse = worseThanNaive(demand, forecast, policy, memory);
  if (worse !== null) return demoted(worse);
  if (forecast.live?.coverageBroken === true) {
    return demoted({ code: 'CoverageBroken', demand, coverage: forecast.live.coverage });
  }
  const capacity = capacityOf(spec, reading);
  if (capacity === null) return demoted({ code: 'CapacityUnknown', demand, why: obstacleOf(reading) });
  const eventFactor = forecast.eventFactor ?? 1;
  const { objective } = policy;
  const chosen =
    objective &&
    chooseQuantile(forecast.quantiles ?? [], { objective, fill: spec.fill, soFar: reading?.shortSoFar, now });
  if (chosen !== undefined) {
    return { kind: 'trusted', ...chosen, ordinaryPeak: chosen.peak / eventFactor, windowMs, model, capacity };
  }
  const planned = Math.max(0, peak);
  return { kind: 'trusted', peak: planned, ordinaryPeak: planned / eventFactor, quantile, windowMs, model, capacity };
}

function demoted(demotion: Demotion): Trust {
  return { kind: 'demoted', demotion };
}

/** What was learned comes before what was given: it is of the release that runs. Null where neither is known. */
function capacityOf({ perReplica }: DemandSpec, reading: DemandReading | undefined): KnownCapacity | null {
  const learned = reading?.capacity;
  if (learned?.kind === 'learned' && learned.perReplica > 0 && isNumber(learned.perReplica)) {
    return { perReplica: learned.perReplica, learned: true };
  }
  return perReplica === undefined ? null : { perReplica, learned: false };
}

/** Why a capacity is not learned; null where nobody has tried yet. */
export function obstacleOf(reading: DemandReading | undefined): CapacityObstacle | null {
  return reading?.capacity?.kind === 'not-learnable' ? reading.capacity.why : null;
}

/**
 * The figure that the gate judges: the worse of the error of the fit's own rolling forecasts and of those that were
 * issued. The second may be known to be bad where the first, made with hindsight of gaps and seasons, is not.
 */
export function judgedError({ maeVsLast, live }: Pick<ReadyForecast, 'maeVsLast' | 'live'>): number | null {
  const ofFit = isNumber(maeVsLast) ? maeVsLast : null;
  const issued = live?.errorVsNaive;
  if (!isNumber(issued)) return ofFit;
  return ofFit === null ? issued : Math.max(ofFit, issued);
}

function worseThanNaive(
  demand: string,
  forecast: ReadyForecast,
  { safety }: ScalingPolicy,
  memory: PlannerMemory,
): Extract<Demotion, { code: 'WorseThanNaive' }> | null {
  const error = judgedError(forecast);
  const limit = safety.maxErrorVsNaive * (wasWorse(demand, memory) ? TRUST_AGAIN : 1);
  if (error === null || error <= limit) return null;
  const isLive = error !== forecast.maeVsLast;
  return { code: 'WorseThanNaive', demand, maeVsLast: error, limit, ...(isLive && { live: true as const }) };
}

/** What is remembered of the trust in one demand's forecast. A demotion for another reason says nothing of its error. */
export function trustMemory(demand: string, trust: Trust, memory: PlannerMemory, now: Millis): TrustMemory {
  const before = trustBefore(demand, memory);
  const demotedBy = trust.kind === 'demoted' ? trust.demotion.code : null;
  const isJudged = demotedBy === null || demotedBy === 'WorseThanNaive' || demotedBy === 'CoverageBroken';
  return {
    since: before !== undefined && (before.demotedBy === null) === (demotedBy === null) ? before.since : now,
    demotedBy,
    worse: isJudged ? demotedBy === 'WorseThanNaive' : wasWorse(demand, memory),
  };
}

/** Memory of before each demand had its own knows one demotion for all of them. */
export function trustBefore(demand: string, memory: PlannerMemory): TrustMemory | undefined {
  if (memory.trust !== undefined) return memory.trust[demand];
  if (memory.demotedSince === undefined || memory.demotedBy === undefined) return undefined;
  const { demotedSince: since, demotedBy } = memory;
  return { since, demotedBy, worse: demotedBy === 'WorseThanNaive' };
}

function wasWorse(demand: string, memory: PlannerMemory): boolean {
  return trustBefore(demand, memory)?.worse ?? false;
}

/** The demand of this moment, or null where it is not known or too old to be called present. */
export function presentDemand(
  spec: DemandSpec,
  reading: DemandReading | undefined,
  policy: ScalingPolicy,
  now: Millis,
): number | null {
  if (reading === undefined) return null;
  const { time, value } = reading.current;
  if (!isNumber(value) || !(Math.abs(now - time) <= freshMs(spec, policy, 0))) return null;
  return Math.max(0, value);
}

/** Beyond its own window a forecast says nothing; a few steps of delay are ordinary. */
function freshMs(spec: DemandSpec, policy: ScalingPolicy, windowMs: number): number {
  return Math.min(policy.safety.maxForecastAgeMs, Math.max(windowMs, 5 * spec.stepMs));
}

/** JSON has no NaN and no infinity: they are written as null, so all three mean "not known". */
function isNumber(value: number | null | undefined): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}
