import type { Millis } from '../../model/time.ts';
import { averageOf, groupPods, type PodValues, readyRunning, requestsOf, toMilli, utilizationOf } from './pods.ts';
import type {
  ConditionReason,
  ControllerFlags,
  HpaSpec,
  MetricReading,
  MetricSpec,
  MetricStatus,
  Observation,
} from './types.ts';

export type Proposal =
  | {
      readonly kind: 'replicas';
      readonly replicas: number;
      /** As conditions and events name the metric. */
      readonly metric: string;
      readonly status: MetricStatus;
    }
  | { readonly kind: 'failed'; readonly reason: ConditionReason; readonly message: string };

/** How far the ratio of usage to target may lie from 1 without any change. */
export interface Tolerance {
  readonly up: number;
  readonly down: number;
}

type ResourceSpec = MetricSpec & { type: 'Resource' | 'ContainerResource' };
type PodSpec = ResourceSpec | (MetricSpec & { type: 'Pods' });
type ValueSpec = MetricSpec & { type: 'Object' | 'External' };

interface Context {
  readonly now: Millis;
  readonly tolerance: Tolerance;
  readonly flags: ControllerFlags;
}

/** A count and what the status shows of the metric, or why there is no count. */
type Answer = { readonly replicas: number; readonly status: MetricStatus } | string;

const MAX_INT32 = 2_147_483_647;
const MIN_INT32 = -2_147_483_648;
const MAX_INT64 = 2 ** 63;

/**
 * Go's conversion to int32 on amd64: what does not fit becomes the smallest int32. So a metric that is too large
 * scales down, to the minimum.
 */
export function toInt32(count: number): number {
  return count > MAX_INT32 || count < MIN_INT32 || Number.isNaN(count) ? MIN_INT32 : Math.trunc(count);
}

export function toleranceOf(spec: HpaSpec, flags: ControllerFlags): Tolerance {
  return {
    up: spec.behavior?.scaleUp?.tolerance ?? flags.tolerance,
    down: spec.behavior?.scaleDown?.tolerance ?? flags.tolerance,
  };
}

/** What one metric asks for, before windows and limits. */
export function propose(
  metric: MetricSpec,
  reading: MetricReading | undefined,
  observed: Observation,
  context: Context,
): Proposal {
  const answer = answerOf(metric, reading, observed, context);
  return typeof answer === 'string'
    ? { kind: 'failed', reason: FAILED[metric.type], message: answer }
    : { kind: 'replicas', ...answer, metric: nameOf(metric) };
}

function answerOf(
  metric: MetricSpec,
  reading: MetricReading | undefined,
  observed: Observation,
  context: Context,
): Answer {
  if (reading === undefined) return `no reading for ${metric.type} metric ${metric.name}`;
  if (reading.kind === 'error') return reading.message;
  if (metric.type === 'Object' || metric.type === 'External') {
    if (reading.kind !== 'values' || reading.values.length === 0) return `no metrics returned from ${API[metric.type]}`;
    return fromValues(metric, reading.values, observed, context.tolerance);
  }
  if (reading.kind !== 'pods') return `expected samples of pods for ${metric.name}`;
  return fromPods(metric, reading, observed, context);
}

const FAILED = {
  Resource: 'FailedGetResourceMetric',
  ContainerResource: 'FailedGetContainerResourceMetric',
  Pods: 'FailedGetPodsMetric',
  Object: 'FailedGetObjectMetric',
  External: 'FailedGetExternalMetric',
} as const;

const API = {
  Resource: 'resource metrics API',
  ContainerResource: 'resource metrics API',
  Pods: 'custom metrics API',
  Object: 'custom metrics API',
  External: 'external metrics API',
} as const;

/** An Object metric with an average is called external there: the controller's own word, kept. */
function nameOf(metric: MetricSpec): string {
  switch (metric.type) {
    case 'Resource':
      return `${metric.name} resource${percentOf(metric.target)}`;
    case 'ContainerResource':
      return 'averageUtilization' in metric.target
        ? `${metric.name} container resource${percentOf(metric.target)}`
        : `${metric.name} resource`;
    case 'Pods':
      return `pods metric ${metric.name}`;
    case 'Object':
      if ('value' in metric.target) return `${metric.describedObject?.kind ?? 'Object'} metric ${metric.name}`;
      return `external metric ${metric.name}(${selectorText(metric.matchLabels)})`;
    case 'External':
      return `external metric ${metric.name}(${selectorText(metric.matchLabels)})`;
  }
}

function percentOf(target: ResourceSpec['target']): string {
  return 'averageUtilization' in target ? ' utilization (percentage of request)' : '';
}

/** A LabelSelector as Go's `%+v` prints it. */
function selectorText(matchLabels: Readonly<Record<string, string>> | undefined): string {
  if (matchLabels === undefined) return 'nil';
  const labels = Object.entries(matchLabels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}: ${value},`);
  return `&LabelSelector{MatchLabels:map[string]string{${labels.join('')}},MatchExpressions:[]LabelSelectorRequirement{},}`;
}

/** A comparison with NaN or infinity is never within: the controller then recomputes, and so do we. */
function within(ratio: number, { up, down }: Tolerance): boolean {
  return 1 - down <= ratio && ratio <= 1 + up;
}

function fromValues(metric: ValueSpec, values: readonly number[], observed: Observation, tolerance: Tolerance): Answer {
  if ('averageValue' in metric.target) {
    const usage = metric.type === 'External' ? sumOf(values) : toMilli(values[0]!);
    return fromAverage(metric.type, usage, toMilli(metric.target.averageValue), observed, tolerance);
  }
  const usage = values.reduce((sum, value) => sum + toMilli(value), 0);
  const replicas = fromRatio(usage / toMilli(metric.target.value), observed, tolerance);
  return typeof replicas === 'string' ? replicas : { replicas, status: { value: usage / 1000 } };
}

/** A sum below zero is taken for an overflow: one negative item asks for the maximum. */
function sumOf(values: readonly number[]): number {
  let sum = 0;
  for (const value of values) {
    sum += toMilli(value);
    if (sum < 0 || sum >= MAX_INT64) return MAX_INT64;
  }
  return sum;
}

function fromAverage(
  type: ValueSpec['type'],
  usage: number,
  target: number,
  { statusReplicas }: Observation,
  tolerance: Tolerance,
): Answer {
  const wanted = Math.ceil(usage / target);
  const capped = type === 'External' ? Math.min(wanted, MAX_INT32) : toInt32(wanted);
  const replicas = within(usage / (target * statusReplicas), tolerance) ? statusReplicas : capped;
  const average = usage >= MAX_INT64 ? MAX_INT64 : Math.ceil(usage / statusReplicas);
  // A division by no replicas becomes the smallest int64, as above.
  return { replicas, status: { averageValue: (Number.isFinite(average) ? average : -MAX_INT64) / 1000 } };
}

function fromRatio(ratio: number, observed: Observation, tolerance: Tolerance): number | string {
  if (observed.specReplicas === 0) return toInt32(Math.ceil(ratio));
  if (within(ratio, tolerance)) return observed.specReplicas;
  if (observed.pods.length === 0) return `unable to calculate ready pods: ${NO_PODS}`;
  return toInt32(Math.ceil(ratio * readyRunning(observed.pods)));
}

const NO_PODS = 'no pods returned by selector while calculating replica count';
const NO_MATCH = 'no metrics returned matched known pods';

/** Resource, ContainerResource and Pods metrics. */
function fromPods(
  metric: PodSpec,
  { samples, anyItem }: MetricReading & { kind: 'pods' },
  observed: Observation,
  { now, tolerance, flags }: Context,
): Answer {
  if (samples.length === 0 && anyItem !== true) return `no metrics returned from ${API[metric.type]}`;
  if (observed.pods.length === 0) return NO_PODS;

  const resource = metric.type === 'Pods' ? null : metric.name;
  const byPod = new Map(samples.map((sample) => [sample.pod, sample]));
  const { ready, unready, missing, ignored } = groupPods(observed.pods, byPod, resource, now, flags);
  const values = new Map(samples.map(({ pod, value }) => [pod, toMilli(value)]));
  for (const pod of [...ignored, ...unready]) values.delete(pod);
  if (values.size === 0) return 'did not receive metrics for targeted pods (pods might be unready)';

  const rule = ratioRule(metric, observed);
  if (typeof rule === 'string') return rule;
  const usage = rule.usage(values);
  if (usage === null) return NO_MATCH;
  const { ratio, status } = usage;
  const stay = { replicas: observed.specReplicas, status };

  const idleStarters = unready.length > 0 && ratio > 1;
  if (!idleStarters && missing.length === 0) {
    return within(ratio, tolerance) ? stay : { replicas: toInt32(Math.ceil(ratio * ready)), status };
  }

  // Pods without a sample are counted so that the answer moves less: full on the way down, idle on the way up.
  if (ratio < 1) for (const pod of missing) values.set(pod, rule.full(pod));
  else if (ratio > 1) for (const pod of missing) values.set(pod, 0);
  if (idleStarters) for (const pod of unready) values.set(pod, 0);

  const refilled = rule.usage(values)?.ratio;
  if (refilled === undefined) return NO_MATCH;
  const turned = (ratio < 1 && refilled > 1) || (ratio > 1 && refilled < 1);
  if (within(refilled, tolerance) || turned) return stay;
  const replicas = toInt32(Math.ceil(refilled * values.size));
  const against = refilled < 1 ? replicas > observed.specReplicas : replicas < observed.specReplicas;
  return against ? stay : { replicas, status };
}

interface RatioRule {
  usage(values: PodValues): { readonly ratio: number; readonly status: MetricStatus } | null;
  /** What a pod without a sample is taken to use on the way down. */
  full(pod: string): number;
}

function ratioRule(metric: PodSpec, observed: Observation): RatioRule | string {
  if (!('averageUtilization' in metric.target)) {
    const target = toMilli(metric.target.averageValue);
    return {
      usage: (values) => {
        const average = averageOf(values);
        return { ratio: average / target, status: { averageValue: average / 1000 } };
      },
      full: () => target,
    };
  }
  const target = metric.target.averageUtilization;
  const container = metric.type === 'ContainerResource' ? metric.container : null;
  const requests = requestsOf(observed.pods, metric.name, container);
  if (typeof requests === 'string') return requests;
  const fullPercent = Math.max(100, target);
  return {
    usage: (values) => {
      const used = utilizationOf(values, requests);
      if (used === null) return null;
      const status = { averageUtilization: used.percent, averageValue: used.average / 1000 };
      return { ratio: used.percent / target, status };
    },
    full: (pod) => Math.trunc((requests.get(pod)! * fullPercent) / 100),
  };
}
