import type { Millis } from '../../model/time.ts';
import { withCondition } from './conditions.ts';
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
  type MetricSpec,
  type MetricStatus,
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
  /** As `status.currentMetrics` shows them; null where a metric failed. Empty where none was read. */
  readonly metrics: readonly (MetricStatus | null)[];
  /** What stood in the way, wholly or in part. */
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
  if (observed.scaleError !== undefined) {
    const conditions = withCondition(state.conditions, 'AbleToScale', false, 'FailedGetScale', observed.scaleError);
    return { ...unmoved({ ...state, conditions }, observed.specReplicas), error: observed.scaleError };
  }
  const current = observed.specReplicas;
  const min = spec.minReplicas ?? 1;
  const start: HpaState = {
    ...state,
    recommendations: state.recommendations.length > 0 ? state.recommendations : [{ replicas: current, at: now }],
    conditions: withCondition(state.conditions, 'AbleToScale', true, 'SucceededGetScale'),
  };
  if (current === 0 && min !== 0) {
    return unmoved(
      { ...start, conditions: withCondition(start.conditions, 'ScalingActive', false, 'ScalingDisabled') },
      0,
    );
  }
  const step = { spec, observed, current, now };
  if (current > spec.maxReplicas) return rescaled(start, { ...step, desired: spec.maxReplicas, reason: ABOVE_MAX });
  if (current < min) return rescaled(start, { ...step, desired: min, reason: BELOW_MIN });

  const asked = askMetrics(start, spec, observed, now, flags);
  const { metrics, error } = asked;
  if (asked.kind === 'failed') return { ...unmoved(asked.state, current), metrics, error };

  const wanted = Math.max(0, asked.replicas);
  const normal = normalize(asked.state, spec, { current, desired: wanted, min, now }, flags);
  if (normal.replicas === current) return { ...unmoved(normal.state, current), metrics, error };
  // The reason names the metric when it asks for more; the window may still hold the count back.
  const reason = wanted > current ? `${asked.metric} above target` : wanted < current ? ALL_BELOW : '';
  const moved = rescaled(normal.state, { ...step, desired: normal.replicas, reason });
  return { ...moved, metrics, error: moved.error ?? error };
}

const ABOVE_MAX = 'Current number of replicas above Spec.MaxReplicas';
const BELOW_MIN = 'Current number of replicas below Spec.MinReplicas';
const ALL_BELOW = 'All metrics below target';

function unmoved(state: HpaState, current: number): Reconciled {
  return {
    state,
    desired: current,
    rescaled: false,
    reason: null,
    conditions: state.conditions,
    metrics: [],
    error: null,
  };
}

type Asked = {
  readonly state: HpaState;
  readonly metrics: readonly (MetricStatus | null)[];
  readonly error: string | null;
} & ({ readonly kind: 'replicas'; readonly replicas: number; readonly metric: string } | { readonly kind: 'failed' });

/** What the API server writes into an HPA that names no metric. */
const DEFAULT_METRICS: readonly MetricSpec[] = [{ type: 'Resource', name: 'cpu', target: { averageUtilization: 80 } }];

/** The largest proposal wins. With some metrics failing, the rest may scale up but not down. */
function askMetrics(state: HpaState, spec: HpaSpec, observed: Observation, now: Millis, flags: ControllerFlags): Asked {
  if (observed.selectorError !== undefined) {
    const { reason, message } = observed.selectorError;
    const conditions = withCondition(state.conditions, 'ScalingActive', false, reason, message);
    return { kind: 'failed', state: { ...state, conditions }, metrics: [], error: message };
  }
  const tolerance = toleranceOf(spec, flags);
  const specs = spec.metrics.length > 0 ? spec.metrics : DEFAULT_METRICS;
  const metrics: (MetricStatus | null)[] = [];
  let replicas = 0;
  let metric = '';
  let failed = 0;
  let first: { reason: ConditionReason; message: string } | null = null;
  for (const [i, metricSpec] of specs.entries()) {
    const proposal = propose(metricSpec, observed.metrics[i], observed, { now, tolerance, flags });
    metrics.push(proposal.kind === 'failed' ? null : proposal.status);
    if (proposal.kind === 'failed') {
      failed++;
      first ??= proposal;
    } else if (replicas === 0 || proposal.replicas > replicas) {
      // A later metric also takes the place of one that asks for nothing, even where it asks for less.
      replicas = proposal.replicas;
      metric = proposal.metric;
    }
  }
  const error =
    first === null
      ? null
      : `invalid metrics (${failed} invalid out of ${specs.length}), first error is: ${first.message}`;
  if (first !== null && (failed === specs.length || replicas < observed.specReplicas)) {
    const conditions = withCondition(state.conditions, 'ScalingActive', false, first.reason, first.message);
    return { kind: 'failed', state: { ...state, conditions }, metrics, error };
  }
  const conditions = withCondition(state.conditions, 'ScalingActive', true, 'ValidMetricFound', metric);
  return { kind: 'replicas', state: { ...state, conditions }, replicas, metric, metrics, error };
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

interface Rescale {
  readonly spec: HpaSpec;
  readonly observed: Observation;
  readonly current: number;
  readonly desired: number;
  readonly reason: string;
  readonly now: Millis;
}

function rescaled(state: HpaState, { spec, observed, current, desired, reason, now }: Rescale): Reconciled {
  if (observed.updateError !== undefined) {
    const { updateError } = observed;
    const conditions = withCondition(state.conditions, 'AbleToScale', false, 'FailedUpdateScale', updateError);
    return { ...unmoved({ ...state, conditions }, current), error: updateError };
  }
  const conditions = withCondition(state.conditions, 'AbleToScale', true, 'SucceededRescale', `${desired}`);
  const next = { ...state, ...storedEvent(state, spec, current, desired, now), conditions };
  return { state: next, desired, rescaled: true, reason, conditions, metrics: [], error: null };
}

/** Events are kept only where rates are counted; a raise of the minimum consumes the rate like any other. */
function storedEvent(state: HpaState, { behavior }: HpaSpec, current: number, desired: number, now: Millis) {
  if (behavior === undefined) return {};
  const event = { change: Math.abs(desired - current), at: now };
  return desired > current
    ? { scaleUpEvents: withEvent(state.scaleUpEvents, event, scaleUpRules(behavior.scaleUp), now) }
    : { scaleDownEvents: withEvent(state.scaleDownEvents, event, scaleDownRules(behavior.scaleDown, 0), now) };
}

/** Drops what is older than the longest period: no rule counts it any more. */
function withEvent(events: readonly ScaleEvent[], event: ScaleEvent, rules: FullRules, now: Millis) {
  const longest = Math.max(0, ...rules.policies.map(({ periodSeconds }) => periodSeconds)) * 1000;
  return [...events.filter(({ at }) => at >= now - longest), event];
}
