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
  | { readonly type: 'Resource'; readonly name: string; readonly target: ResourceTarget }
  | {
      readonly type: 'ContainerResource';
      readonly name: string;
      readonly container: string;
      readonly target: ResourceTarget;
    }
  | { readonly type: 'Pods'; readonly name: string; readonly target: { readonly averageValue: number } }
  | {
      readonly type: 'Object';
      readonly name: string;
      readonly describedObject?: { readonly kind: string; readonly name: string };
      readonly matchLabels?: Labels;
      readonly target: ValueTarget;
    }
  | {
      readonly type: 'External';
      readonly name: string;
      readonly matchLabels?: Labels;
      readonly target: ValueTarget;
    };

export type ResourceTarget = { readonly averageUtilization: number } | { readonly averageValue: number };
export type ValueTarget = { readonly value: number } | { readonly averageValue: number };
/** The metric's selector. The model reads it for the words of conditions alone: a reading is already selected. */
type Labels = Readonly<Record<string, string>>;

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
  /** Why the scale of the target cannot be read: then nothing else is. */
  readonly scaleError?: string;
  /** Why the target's selector is of no use: then no metric is read. */
  readonly selectorError?: { readonly reason: 'InvalidSelector' | 'AmbiguousSelector'; readonly message: string };
  /** Why a new count cannot be written. */
  readonly updateError?: string;
}

export interface PodState {
  readonly name: string;
  readonly phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';
  readonly deleting?: boolean;
  readonly startTime?: Millis;
  /** The condition Ready; absent where the pod has none. */
  readonly ready?: { readonly status: boolean | 'Unknown'; readonly lastTransition: Millis };
  /** Containers and restartable init containers. */
  readonly containers?: readonly ContainerState[];
  /** Requests of the pod as a whole, where it has any: they then count instead of its containers'. */
  readonly requests?: Requests;
}

export interface ContainerState {
  readonly name: string;
  readonly requests?: Requests;
}

/** By resource, in the resource's unit. */
export type Requests = Readonly<Record<string, number>>;

/** What a metrics API answered. */
export type MetricReading =
  /** Of pods, or of the one container that a ContainerResource metric names. */
  | {
      readonly kind: 'pods';
      readonly samples: readonly PodSample[];
      /** With no samples: there were pods in the answer, none with this metric. It is another error. */
      readonly anyItem?: boolean;
    }
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

/** One entry of `status.currentMetrics`, in the metric's own unit. */
export interface MetricStatus {
  readonly value?: number;
  readonly averageValue?: number;
  readonly averageUtilization?: number;
}

export interface Condition {
  readonly type: 'AbleToScale' | 'ScalingActive' | 'ScalingLimited';
  readonly status: boolean;
  readonly reason: ConditionReason;
  readonly message: string;
}

export type ConditionReason =
  | 'SucceededGetScale'
  | 'FailedGetScale'
  | 'ReadyForNewScale'
  | 'ScaleDownStabilized'
  | 'ScaleUpStabilized'
  | 'SucceededRescale'
  | 'FailedUpdateScale'
  | 'ValidMetricFound'
  | 'ScalingDisabled'
  | 'InvalidSelector'
  | 'AmbiguousSelector'
  | 'FailedGetResourceMetric'
  | 'FailedGetContainerResourceMetric'
  | 'FailedGetPodsMetric'
  | 'FailedGetObjectMetric'
  | 'FailedGetExternalMetric'
  | 'TooFewReplicas'
  | 'TooManyReplicas'
  | 'ScaleUpLimit'
  | 'ScaleDownLimit'
  | 'DesiredWithinRange';
