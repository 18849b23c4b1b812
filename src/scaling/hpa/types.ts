import type { Millis } from '../../model/time.ts';

/** What the model reads of a HorizontalPodAutoscaler (autoscaling/v2). */
export interface HpaSpec {
  /** 1 where it is not set. */
  readonly minReplicas?: number;
  readonly maxReplicas: number;
  readonly metrics: readonly MetricSpec[];
  /** Absent: the controller's legacy limits and its one downscale window apply. */
  readonly behavior?: { readonly scaleUp?: ScalingRules; readonly scaleDown?: ScalingRules };
}

/** Values are in the metric's own unit; utilization is in per cent of the request. */
export type MetricSpec =
  | {
      readonly type: 'Resource';
      readonly name: string;
      readonly target: { readonly averageUtilization: number } | { readonly averageValue: number };
    }
  | { readonly type: 'Pods'; readonly name: string; readonly target: { readonly averageValue: number } }
  | {
      readonly type: 'Object' | 'External';
      readonly name: string;
      readonly target: { readonly value: number } | { readonly averageValue: number };
    };

export interface ScalingRules {
  readonly stabilizationWindowSeconds?: number;
  readonly selectPolicy?: 'Max' | 'Min' | 'Disabled';
  readonly policies?: readonly ScalingRule[];
  /** Ratio. Behind the gate HPAConfigurableTolerance in 1.34. */
  readonly tolerance?: number;
}

/** One entry of `policies`. Kubernetes calls it HPAScalingPolicy; here a policy is Foresail's own document. */
export interface ScalingRule {
  readonly type: 'Pods' | 'Percent';
  readonly value: number;
  readonly periodSeconds: number;
}

/** The flags of kube-controller-manager. */
export interface ControllerFlags {
  readonly downscaleStabilizationMs: number;
  readonly tolerance: number;
  readonly cpuInitializationPeriodMs: number;
  readonly initialReadinessDelayMs: number;
}

export const DEFAULT_FLAGS: ControllerFlags = {
  downscaleStabilizationMs: 300_000,
  tolerance: 0.1,
  cpuInitializationPeriodMs: 300_000,
  initialReadinessDelayMs: 30_000,
};

/** What one reconcile reads of the world. */
export interface Observation {
  /** `spec.replicas` and `status.replicas` of the scale target. */
  readonly specReplicas: number;
  readonly statusReplicas: number;
  /** The pods that the target's selector matches. External AverageValue and Object AverageValue do not need them. */
  readonly pods: readonly PodState[];
  /** One for each of `spec.metrics`, in its order. */
  readonly metrics: readonly MetricReading[];
}

export interface PodState {
  readonly name: string;
  readonly phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';
  readonly deleting?: boolean;
  readonly startTime?: Millis;
  /** The condition Ready; absent where the pod has none. */
  readonly ready?: { readonly status: boolean; readonly lastTransition: Millis };
  /** Requests summed over the pod's containers, by resource, in the resource's unit. */
  readonly requests?: Readonly<Record<string, number>>;
}

/** What a metrics API answered. */
export type MetricReading =
  | { readonly kind: 'pods'; readonly samples: readonly PodSample[] }
  /** Object: one value. External: every item that the selector matched; they are summed. */
  | { readonly kind: 'values'; readonly values: readonly number[] }
  | { readonly kind: 'error'; readonly message: string };

export interface PodSample {
  readonly pod: string;
  readonly value: number;
  readonly time: Millis;
  readonly windowMs: number;
}

/** What the controller keeps in memory between two reconciles of one HPA. Lost when it restarts. */
export interface HpaState {
  readonly recommendations: readonly { readonly replicas: number; readonly at: Millis }[];
  readonly scaleUpEvents: readonly ScaleEvent[];
  readonly scaleDownEvents: readonly ScaleEvent[];
  /** Conditions outlive a reconcile that does not set them. */
  readonly conditions: readonly Condition[];
}

export interface ScaleEvent {
  /** Replicas added or removed, zero or more. */
  readonly change: number;
  readonly at: Millis;
}

export const NEW_HPA: HpaState = { recommendations: [], scaleUpEvents: [], scaleDownEvents: [], conditions: [] };

export interface Condition {
  readonly type: 'AbleToScale' | 'ScalingActive' | 'ScalingLimited';
  readonly status: boolean;
  readonly reason: ConditionReason;
  readonly message: string;
}

export type ConditionReason =
  | 'SucceededGetScale'
  | 'ReadyForNewScale'
  | 'ScaleDownStabilized'
  | 'ScaleUpStabilized'
  | 'SucceededRescale'
  | 'ValidMetricFound'
  | 'ScalingDisabled'
  | 'FailedGetResourceMetric'
  | 'FailedGetPodsMetric'
  | 'FailedGetObjectMetric'
  | 'FailedGetExternalMetric'
  | 'TooFewReplicas'
  | 'TooManyReplicas'
  | 'ScaleUpLimit'
  | 'ScaleDownLimit'
  | 'DesiredWithinRange';
