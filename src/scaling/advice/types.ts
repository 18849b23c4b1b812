import type { Samples } from '../../model/series.ts';
import type { Millis } from '../../model/time.ts';
import type { HpaSpec } from '../hpa/types.ts';
import type { ScalingPolicy } from '../policy.ts';
import type { Spread } from '../simulation/spread.ts';
import type { TraceForecaster } from '../simulation/strategies.ts';
import type { ContainerEstimate, Estimate } from './usage.ts';

/** What right-sizing advice is made from, and what it says. Plain data, but for the forecaster. */

export interface AdviceInput {
  /** `perReplica` of its first demand is what is replayed with; left out where it is not known. */
  readonly policy: ScalingPolicy;
  readonly history: DemandHistory | Unknown;
  readonly autoscaler: AutoscalerReading | Unknown;
  readonly requests: RequestsReading | Unknown;
  readonly usage: UsageReading | Unknown;
  /** From a pod's creation to Ready. */
  readonly startUpMs: Spread;
}

/** What could not be read or told, in words. */
export interface Unknown {
  readonly kind: 'unknown';
  readonly message: string;
}

export interface DemandHistory {
  readonly kind: 'read';
  /** Of the first demand, in order of time. */
  readonly rows: Samples;
  /** Replayed from here; all before is what forecasts are made from. */
  readonly from: Millis;
  /** What is forecast next, at the policy's quantile. */
  readonly ahead?: Samples;
}

/** How an HPA scales, but for its bounds, which Foresail may have moved. */
export interface AutoscalerRules {
  readonly kind: 'read';
  /** Of the HPA; KEDA makes it for a ScaledObject. */
  readonly name: string;
  readonly metrics: HpaSpec['metrics'];
  readonly behavior?: HpaSpec['behavior'];
}

/** The HPA as its owner wrote it. */
export interface AutoscalerReading extends AutoscalerRules {
  readonly bounds: { readonly min: number; readonly max: number };
}

/** What the newest pod of the workload asks for. */
export interface RequestsReading {
  readonly kind: 'read';
  readonly containers: readonly ContainerRequests[];
}

export interface ContainerRequests {
  readonly name: string;
  /** Cores and bytes; null where it asks for none. */
  readonly cpu: number | null;
  readonly memory: number | null;
}

export interface UsageReading {
  readonly kind: 'read';
  readonly containers: readonly ContainerEstimate[];
  /** What was asked, for whoever wonders. */
  readonly queries: { readonly cpu: string; readonly memory: string };
}

export type MakeForecaster = (policy: ScalingPolicy, history: Samples, windowMs: number) => TraceForecaster;

export interface Advice {
  readonly replay: Replay | Unknown;
  readonly target: TargetAdvice | Unknown;
  /** The worst first. */
  readonly findings: readonly Finding[] | Unknown;
  readonly requests: RequestsAdvice | Unknown;
}

/** What was replayed, and what came of it with everything as it is. */
export interface Replay {
  readonly kind: 'replayed';
  readonly from: Millis;
  readonly to: Millis;
  readonly perReplica: number;
  readonly bounds: { readonly min: number; readonly max: number };
  readonly hpaTarget: HpaTarget;
  /** The HPA under the policy's floor, and the HPA alone. */
  readonly asIs: Outcome;
  readonly alone: Outcome;
  /** Share of the time in which the forecast was not trusted, 0 to 1. */
  readonly demoted: number;
}

export interface Outcome {
  readonly podHoursPerDay: number;
  /** Minutes with more demand than ready replicas carry. */
  readonly minutesOverPerDay: number;
}

/** How full of what it carries the HPA lets a replica become. */
export interface HpaTarget {
  readonly ratio: number;
  /** Where it stands in the HPA, and its value there; null where no metric of the HPA tells. */
  readonly metric: { readonly path: string; readonly value: number; readonly unit: 'percent' | 'value' } | null;
  /** How the one follows from the other, in words. */
  readonly why: string;
}

export interface TargetAdvice {
  readonly kind: 'raise' | 'lower' | 'keep';
  readonly suggested: number;
  /** In the unit of the HPA's own setting; null where that is not known. */
  readonly setting: number | null;
  /** Share of the pod-hours, 0 to 1; negative where it costs. */
  readonly saves: number;
  readonly tried: readonly (Outcome & { readonly ratio: number; readonly isKept: boolean })[];
  /** The HPA alone at the suggested target: what is risked while the forecast is not trusted. */
  readonly alone: Outcome;
  /** The most of the time that demand may be over capacity, 0 to 1. */
  readonly limit: number;
  readonly text: string;
}

export type FindingCode =
  | 'RequestsMissing'
  | 'MaxBelowPeak'
  | 'ScaleUpDisabled'
  | 'ScaleUpWindow'
  | 'ScaleUpPolicies'
  | 'ToleranceHidesRises'
  | 'ScaleDownWindowShort'
  | 'ScaleDownWindowLong'
  | 'ScaleDownPolicies'
  | 'MinAboveNeed';

/** A setting of the HPA that works against the forecast. */
export interface Finding {
  readonly code: FindingCode;
  /** risk: demand may meet too few replicas. cost: replicas idle. */
  readonly kind: 'risk' | 'cost';
  /** Where it stands, in the HPA but for `policy.…`. */
  readonly setting: string;
  readonly present: string;
  /** Null where there is no one value to suggest. */
  readonly suggested: string | null;
  /** What would change in a day with the suggested value; null where it cannot be replayed. */
  readonly effect: Effect | null;
  readonly text: string;
}

/** Changes in a day: below 0 is less. */
export interface Effect extends Outcome {
  /** The same for the HPA alone: what is at stake while the forecast is not trusted. */
  readonly alone: Outcome;
}

export interface RequestsAdvice {
  readonly kind: 'advised';
  readonly containers: readonly ContainerAdvice[];
  /** Why what is asked for now is not known; null where it is. */
  readonly message: string | null;
  /** What the HPA's CPU target has to become for pods to be as busy with the new requests as they are; null where it stays. */
  readonly hpaTarget: { readonly present: number; readonly suggested: number; readonly text: string } | null;
}

export interface ContainerAdvice {
  readonly container: string | null;
  readonly cpu: ResourceAdvice | null;
  readonly memory: ResourceAdvice | null;
  /** Days that the samples span. */
  readonly days: number;
}

export interface ResourceAdvice extends Estimate {
  /** Null: it asks for none, or it is not known. */
  readonly request: number | null;
  readonly verdict: 'keep' | 'raise' | 'lower' | 'set' | 'unknown';
  /** Core-hours or byte-hours in a day; negative where it costs more. Null without a replay or a request. */
  readonly savesPerDay: number | null;
  readonly text: string;
}
