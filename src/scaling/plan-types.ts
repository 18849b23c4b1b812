import type { Millis } from '../model/time.ts';
import type { CapacityObstacle, CapacityReading } from './capacity.ts';
import type { CostCeiling, CostReading, CostState } from './cost-cap.ts';
import type { StartFigures } from './lead-time-estimate.ts';
import type { ShortSoFar } from './objective.ts';
import type { ScalingPolicy } from './policy.ts';

/** All that one plan reads. Plain JSON, so that a recorded plan can be computed again. */
export interface PlanInput {
  readonly now: Millis;
  readonly policy: ScalingPolicy;
  /** One for each of the policy's demands, in its order. */
  readonly demands: readonly DemandReading[];
  readonly target: TargetReading;
  readonly leadTime: LeadTime;
  /** Time between forecasts, ms. */
  readonly refreshMs: number;
  readonly memory: PlannerMemory;
  /** What the workload ran this month, for a policy with a cost budget. */
  readonly cost?: CostReading;
  /** What cost budgets of the settings allow at most. Left out: none binds. */
  readonly ceilings?: readonly CostCeiling[];
}

export interface LeadTime {
  readonly ms: number;
  readonly source: 'given' | 'learned' | 'assumed';
  /** What it was learned from. */
  readonly figures?: StartFigures;
  /** Why it is assumed, in words. */
  readonly why?: string;
}

/** What is known of one demand now. `value` is null where there is no recent sample. */
export interface DemandReading {
  readonly name: string;
  readonly current: { readonly time: Millis; readonly value: number | null };
  readonly forecast: ForecastReading;
  /** What was learned of its capacity, for a demand with a utilization query. */
  readonly capacity?: CapacityReading;
  /** How long it was above what ran this month, for a policy with an objective. */
  readonly shortSoFar?: ShortSoFar;
}

export type ForecastReading =
  | {
      readonly kind: 'ready';
      readonly issuedAt: Millis;
      /** The policy's quantile of the largest demand within lead time + refresh. Null where it is not finite. */
      readonly peak: number | null;
      /** Length of the window that `peak` covers, ms. */
      readonly windowMs: number;
      /** The factor of a declared event that is in `peak`; left out where it is 1. */
      readonly eventFactor?: number;
      readonly quantile: number;
      /** All that are forecast, for a policy with an objective. */
      readonly quantiles?: readonly { readonly quantile: number; readonly value: number | null }[];
      readonly model: string;
      /** Loss of the peak forecast over that of a naive peak with intervals of its own; below 1 is better. Null: not known. */
      readonly maeVsLast: number | null;
      readonly coverage: number | null;
      readonly historyMs: number;
      /** What became of the forecasts issued before it. Left out of records of before there was any. */
      readonly live?: LiveReading;
    }
  | { readonly kind: 'insufficient-history'; readonly haveMs: number; readonly needMs: number }
  | { readonly kind: 'none'; readonly message: string };

/** Null: not known yet. */
export interface LiveReading {
  /** Error of the issued peaks over that of the better naive peak; below 1 is better. */
  readonly errorVsNaive: number | null;
  /** Share of peaks at or below their 0.95 quantile, lately. */
  readonly coverage: number | null;
  /** Whether too many were above it for chance to explain. */
  readonly coverageBroken: boolean;
}

/** The bounds as the cluster has them, and what runs. */
export interface TargetReading {
  /** In force now. */
  readonly min: number;
  readonly max: number;
  /** What the bounds were before Foresail, or what their owner set since: the lower bound of every floor. */
  readonly original: { readonly min: number; readonly max: number };
  /** `spec.replicas` and `status.replicas` of the workload. */
  readonly specReplicas: number;
  readonly statusReplicas: number;
  /** Left out where nothing is paused. */
  readonly pause?: TargetPause;
  /** Its autoscaler scales it from zero for a minimum above zero. Left out where it does not. */
  readonly wakesFromZero?: true;
}

/** What a person has paused at the target itself, and by which annotation: the floor does not move that way. */
export interface TargetPause {
  readonly stops: 'all' | 'up' | 'down';
  readonly annotation: string;
}

/** What the next plan must know of the ones before it. Kept in the ledger. */
export interface PlannerMemory {
  /** The floor in force and when it was set, for the last few minutes: what ramps are measured from. Newest last. */
  readonly recent: readonly { readonly at: Millis; readonly floor: number }[];
  /** Floors that were in force for a reason, and until when each holds: both fall along the list. */
  readonly held?: readonly { readonly floor: number; readonly until: Millis }[];
  /** Set while a forecast is not trusted, with the reason at the beginning: hysteresis needs both. */
  readonly demotedSince?: Millis;
  readonly demotedBy?: Demotion['code'];
  /** By demand: hysteresis is each forecast's own, and lasts through a time when it is demoted for another reason. */
  readonly trust?: Readonly<Record<string, TrustMemory>>;
  /** The peak of each demand as forecast just before a declared event began: what its factor multiplies. Null: not known. */
  readonly eventPeaks?: Readonly<Record<string, readonly (number | null)[]>>;
  /** How the cost budget stood, and since when; left out where there is none. */
  readonly cost?: { readonly state: CostState; readonly since: Millis };
}

export interface TrustMemory {
  /** Since when it is as it is. */
  readonly since: Millis;
  /** Null: trusted. */
  readonly demotedBy: Demotion['code'] | null;
  /** Its error was above the limit, and has not fallen clearly below it since. */
  readonly worse: boolean;
}

export const NO_MEMORY: PlannerMemory = { recent: [] };

/** What to do now, and why. The same input always gives the same plan. */
export interface Plan {
  /** The planner's version: a replay by another one says where it differs. */
  readonly planner: string;
  readonly now: Millis;
  readonly bounds: { readonly min: number; readonly max: number };
  /** The floor that the forecast asks for, before ramps and limits. Null while demoted. */
  readonly wanted: number | null;
  /** Whether `bounds` differ from those in force. */
  readonly changed: boolean;
  /** In the order in which they applied; never empty. */
  readonly reasons: readonly Reason[];
  /** Why the forecast is not trusted; the floor is then held or released slowly. */
  readonly demotion: Demotion | null;
  readonly memory: PlannerMemory;
}

export type Demotion =
  | { readonly code: 'ForecastMissing'; readonly demand: string; readonly message: string }
  | { readonly code: 'InsufficientHistory'; readonly demand: string; readonly haveMs: number; readonly needMs: number }
  | { readonly code: 'ForecastStale'; readonly demand: string; readonly ageMs: number; readonly maxAgeMs: number }
  | { readonly code: 'ForecastNotFinite'; readonly demand: string }
  | {
      readonly code: 'WorseThanNaive';
      readonly demand: string;
      readonly maeVsLast: number;
      readonly limit: number;
      /** The figure is of issued forecasts, not of the fit's own rolling ones. */
      readonly live?: true;
    }
  | { readonly code: 'CoverageBroken'; readonly demand: string; readonly coverage: number | null }
  /** What a replica carries is neither given nor learned. */
  | { readonly code: 'CapacityUnknown'; readonly demand: string; readonly why: CapacityObstacle | null };

/** A closed list. `reasonText` prints each as a sentence. HPA's own word wherever it has one. */
export type Reason =
  | {
      readonly code: 'ForecastPeak';
      readonly demand: string;
      readonly peak: number;
      readonly quantile: number;
      readonly windowMs: number;
      readonly perReplica: number;
      readonly fill: number;
      readonly replicas: number;
      readonly model: string;
      readonly capacity?: 'learned';
    }
  | {
      /** The demand of this moment needs more than its forecast asks for. */
      readonly code: 'CurrentDemand';
      readonly demand: string;
      readonly value: number;
      readonly perReplica: number;
      readonly fill: number;
      readonly replicas: number;
      readonly capacity?: 'learned';
    }
  | {
      /** Its capacity is to be learned, and cannot be: the given one is used. */
      readonly code: 'CapacityNotLearned';
      readonly demand: string;
      readonly perReplica: number;
      readonly why: CapacityObstacle | null;
    }
  | {
      /** The quantile was chosen by the objective. */
      readonly code: 'ObjectiveQuantile';
      readonly demand: string;
      readonly quantile: number;
      /** Share of the time that may be over capacity from now on. */
      readonly share: number;
      /** What was over capacity this month; null where it is not known. */
      readonly overMs: number | null;
    }
  | {
      /** The projected spend is over a share of the budget; nothing is changed for it. */
      readonly code: 'CostBudget';
      readonly state: Exclude<CostState, 'within'>;
      readonly spent: number;
      readonly projected: number;
      readonly monthly: number;
      readonly currency: string;
    }
  | {
      /** The cap lowers the maximum. */
      readonly code: 'CostCap';
      /** The budget of the settings that asks for it; left out where it is the policy's own. */
      readonly budget?: { readonly name: string; readonly period: CostCeiling['period'] };
      readonly spent: number;
      readonly projected: number;
      readonly monthly: number;
      readonly currency: string;
      readonly wanted: number;
      readonly replicas: number;
      readonly max: number;
    }
  | {
      readonly code: 'DeclaredEvent';
      readonly event: string;
      readonly factor: number | null;
      readonly replicas: number;
    }
  | { readonly code: 'Schedule'; readonly cron: string; readonly replicas: number }
  | { readonly code: 'Demoted'; readonly demotion: Demotion; readonly replicas: number }
  | {
      /** It was demoted until now: what it was demoted for is over. */
      readonly code: 'ForecastTrusted';
      readonly demand: string;
      readonly demotedBy: Demotion['code'];
      readonly forMs: number;
      readonly errorVsNaive: number | null;
    }
  | { readonly code: 'HoldDown'; readonly replicas: number; readonly until: Millis }
  | { readonly code: 'ScaleUpLimit'; readonly wanted: number; readonly replicas: number }
  | { readonly code: 'ScaleDownLimit'; readonly wanted: number; readonly replicas: number }
  | { readonly code: 'TooFewReplicas'; readonly wanted: number; readonly replicas: number }
  | { readonly code: 'TooManyReplicas'; readonly wanted: number; readonly replicas: number }
  | { readonly code: 'OriginalMinimum'; readonly wanted: number; readonly replicas: number }
  | { readonly code: 'ScaledToZero' }
  | { readonly code: 'Maintenance'; readonly cron: string }
  | { readonly code: 'TargetPaused'; readonly annotation: string; readonly wanted: number; readonly replicas: number }
  | { readonly code: 'Paused'; readonly replicas: number }
  | { readonly code: 'Released'; readonly replicas: number }
  | { readonly code: 'DesiredWithinRange'; readonly replicas: number };
