import type { Millis } from '../../model/time.ts';
import {
  type FullRules,
  limitByRate,
  limitLegacy,
  scaleDownRules,
  scaleUpRules,
  stabilize,
  stabilizeLegacy,
} from './normalize.ts';
import { propose, toleranceOf } from './proposals.ts';
import {
  type Condition,
  type ConditionReason,
  type ControllerFlags,
  DEFAULT_FLAGS,
  type HpaSpec,
  type HpaState,
  type Observation,
  type ScaleEvent,
} from './types.ts';

/** What one reconcile did. `desired` is what `spec.replicas` is set to; it equals the current count where nothing moves. */
export interface Reconciled {
  readonly state: HpaState;
  readonly desired: number;
  readonly rescaled: boolean;
  /** As the event SuccessfulRescale words it, or null where nothing moved. */
  readonly reason: string | null;
  readonly conditions: readonly Condition[];
  /** Why metrics could not be used, wholly or in part. */
  readonly error: string | null;
}

/**
 * One pass of the HPA controller of Kubernetes 1.34: the same input always gives the same answer.
 *
 * The branches for counts outside the bounds run before any metric is read: no window, tolerance or rate applies
 * there, and a failing metrics API does not matter.
 */
export function reconcile(
  state: HpaState,
  spec: HpaSpec,
  observed: Observation,
  now: Millis,
  flags: ControllerFlags = DEFAULT_FLAGS,
): Reconciled {
  const current = observed.specReplicas;
  const min = spec.minReplicas ?? 1;
  const start: HpaState = {
    ...state,
    recommendations: state.recommendations.length > 0 ? state.recommendations : [{ replicas: current, at: now }],
    conditions: withCondition(state.conditions, 'AbleToScale', true, 'SucceededGetScale'),
  };

  if (current === 0 && min !== 0) {
    const conditions = withCondition(start.conditions, 'ScalingActive', false, 'ScalingDisabled');
    return { ...unmoved({ ...start, conditions }, 0), conditions };
  }
  if (current > spec.maxReplicas) {
    return rescaled(start, spec, { current, desired: spec.maxReplicas, reason: ABOVE_MAX }, now);
  }
  if (current < min) return rescaled(start, spec, { current, desired: min, reason: BELOW_MIN }, now);

  const asked = askMetrics(start, spec, observed, now, flags);
  if (asked.kind === 'failed') return { ...unmoved(asked.state, current), error: asked.error };

  const normal = normalize(asked.state, spec, { current, desired: asked.replicas, min, now }, flags);
  if (normal.replicas === current) return { ...unmoved(normal.state, current), error: asked.error };
  // The reason names the metric when it asks for more; the window may still hold the count back.
  const reason = asked.replicas > current ? `${asked.metric} above target` : asked.replicas < current ? ALL_BELOW : '';
  return { ...rescaled(normal.state, spec, { current, desired: normal.replicas, reason }, now), error: asked.error };
}

const ABOVE_MAX = 'Current number of replicas above Spec.MaxReplicas';
const BELOW_MIN = 'Current number of replicas below Spec.MinReplicas';
const ALL_BELOW = 'All metrics below target';

function unmoved(state: HpaState, current: number): Reconciled {
  return { state, desired: current, rescaled: false, reason: null, conditions: state.conditions, error: null };
}

type Asked =
  | {
      readonly kind: 'replicas';
      readonly state: HpaState;
      readonly replicas: number;
      readonly metric: string;
      readonly error: string | null;
    }
  | { readonly kind: 'failed'; readonly state: HpaState; readonly error: string };

/** The largest proposal wins. With some metrics failing, the rest may scale up but not down. */
function askMetrics(state: HpaState, spec: HpaSpec, observed: Observation, now: Millis, flags: ControllerFlags): Asked {
  const tolerance = toleranceOf(spec, flags);
  let replicas = 0;
  let metric = '';
  let failed = 0;
  let first: { reason: ConditionReason; message: string } | null = null;
  for (const [i, metricSpec] of spec.metrics.entries()) {
    const proposal = propose(metricSpec, observed.metrics[i], observed, { now, tolerance, flags });
    if (proposal.kind === 'failed') {
      failed++;
      first ??= proposal;
    } else if (metric === '' || proposal.replicas > replicas) {
      replicas = proposal.replicas;
      metric = proposal.metric;
    }
  }
  const error =
    first === null
      ? null
      : `invalid metrics (${failed} invalid out of ${spec.metrics.length}), first error is: ${first.message}`;
  if (first !== null && (failed === spec.metrics.length || replicas < observed.specReplicas)) {
    const conditions = withCondition(state.conditions, 'ScalingActive', false, first.reason, first.message);
    return { kind: 'failed', state: { ...state, conditions }, error: error! };
  }
  const conditions = withCondition(state.conditions, 'ScalingActive', true, 'ValidMetricFound', metric);
  return { kind: 'replicas', state: { ...state, conditions }, replicas, metric, error };
}

interface Step {
  readonly current: number;
  readonly desired: number;
  readonly min: number;
  readonly now: Millis;
}

function normalize(state: HpaState, spec: HpaSpec, step: Step, flags: ControllerFlags) {
  const { current, desired, min, now } = step;
  const max = spec.maxReplicas;
  const rules = rulesOf(spec, flags);
  const { stabilized, log } =
    rules === null
      ? stabilizeLegacy(state.recommendations, desired, now, flags.downscaleStabilizationMs)
      : stabilize(state.recommendations, step, rules.up, rules.down);
  const limited =
    rules === null
      ? limitLegacy(current, stabilized, min, max)
      : limitByRate(stabilized, {
          now,
          current,
          min,
          max,
          ...rules,
          scaleUpEvents: state.scaleUpEvents,
          scaleDownEvents: state.scaleDownEvents,
        });
  const held = rules !== null && desired >= current ? 'ScaleUpStabilized' : 'ScaleDownStabilized';
  const able = withCondition(state.conditions, 'AbleToScale', true, stabilized === desired ? 'ReadyForNewScale' : held);
  const conditions = withCondition(able, 'ScalingLimited', limited.replicas !== stabilized, limited.reason);
  return { replicas: limited.replicas, state: { ...state, recommendations: log, conditions } };
}

function rulesOf(spec: HpaSpec, flags: ControllerFlags): { readonly up: FullRules; readonly down: FullRules } | null {
  if (spec.behavior === undefined) return null;
  return {
    up: scaleUpRules(spec.behavior.scaleUp),
    down: scaleDownRules(spec.behavior.scaleDown, flags.downscaleStabilizationMs),
  };
}

function rescaled(
  state: HpaState,
  spec: HpaSpec,
  { current, desired, reason }: { readonly current: number; readonly desired: number; readonly reason: string },
  now: Millis,
): Reconciled {
  const conditions = withCondition(state.conditions, 'AbleToScale', true, 'SucceededRescale', `${desired}`);
  const change = { change: Math.abs(desired - current), at: now };
  // Events are kept only where rates are counted; a raise of the minimum consumes the rate like any other.
  const stored =
    spec.behavior === undefined
      ? {}
      : desired > current
        ? { scaleUpEvents: withEvent(state.scaleUpEvents, change, scaleUpRules(spec.behavior.scaleUp), now) }
        : {
            scaleDownEvents: withEvent(state.scaleDownEvents, change, scaleDownRules(spec.behavior.scaleDown, 0), now),
          };
  const next = { ...state, ...stored, conditions };
  return { state: next, desired, rescaled: true, reason, conditions, error: null };
}

/** Drops what is older than the longest period: no rule counts it any more. */
function withEvent(events: readonly ScaleEvent[], event: ScaleEvent, rules: FullRules, now: Millis) {
  const longest = Math.max(0, ...rules.policies.map(({ periodSeconds }) => periodSeconds)) * 1000;
  return [...events.filter(({ at }) => at >= now - longest), event];
}

function withCondition(
  conditions: readonly Condition[],
  type: Condition['type'],
  status: boolean,
  reason: ConditionReason,
  detail = '',
): readonly Condition[] {
  const condition = { type, status, reason, message: messageOf(reason, detail) };
  const others = conditions.filter((other) => other.type !== type);
  return [...others, condition].sort((a, b) => (a.type < b.type ? -1 : 1));
}

function messageOf(reason: ConditionReason, detail: string): string {
  switch (reason) {
    case 'SucceededGetScale':
      return "the HPA controller was able to get the target's current scale";
    case 'ReadyForNewScale':
      return 'recommended size matches current size';
    case 'ScaleDownStabilized':
      return 'recent recommendations were higher than current one, applying the highest recent recommendation';
    case 'ScaleUpStabilized':
      return 'recent recommendations were lower than current one, applying the lowest recent recommendation';
    case 'SucceededRescale':
      return `the HPA controller was able to update the target scale to ${detail}`;
    case 'ValidMetricFound':
      return `the HPA was able to successfully calculate a replica count from ${detail}`;
    case 'ScalingDisabled':
      return 'scaling is disabled since the replica count of the target is zero';
    case 'FailedGetResourceMetric':
    case 'FailedGetPodsMetric':
    case 'FailedGetObjectMetric':
    case 'FailedGetExternalMetric':
      return `the HPA was unable to compute the replica count: ${detail}`;
    case 'TooFewReplicas':
      return 'the desired replica count is less than the minimum replica count';
    case 'TooManyReplicas':
      return 'the desired replica count is more than the maximum replica count';
    case 'ScaleUpLimit':
      return 'the desired replica count is increasing faster than the maximum scale rate';
    case 'ScaleDownLimit':
      return 'the desired replica count is decreasing faster than the maximum scale rate';
    case 'DesiredWithinRange':
      return 'the desired count is within the acceptable range';
  }
}
