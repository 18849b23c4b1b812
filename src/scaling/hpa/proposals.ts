import type { Millis } from '../../model/time.ts';
import { averageOf, groupPods, type PodValues, readyRunning, toMilli, utilizationOf } from './pods.ts';
import type { ConditionReason, ControllerFlags, HpaSpec, MetricReading, MetricSpec, Observation } from './types.ts';

export type Proposal =
  | { readonly kind: 'replicas'; readonly replicas: number; readonly metric: string }
  | { readonly kind: 'failed'; readonly reason: ConditionReason; readonly message: string };

/** How far the ratio of usage to target may lie from 1 without any change. */
export interface Tolerance {
  readonly up: number;
  readonly down: number;
}

const MAX_INT32 = 2_147_483_647;

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
  context: { readonly now: Millis; readonly tolerance: Tolerance; readonly flags: ControllerFlags },
): Proposal {
  const failed = (message: string): Proposal => ({ kind: 'failed', reason: FAILED[metric.type], message });
  if (reading === undefined) return failed(`no reading for ${metric.type} metric ${metric.name}`);
  if (reading.kind === 'error') return failed(reading.message);

  if (metric.type === 'Resource' || metric.type === 'Pods') {
    if (reading.kind !== 'pods') return failed(`expected samples of pods for ${metric.name}`);
    const answer = perPod(metric, reading, observed, context);
    return typeof answer === 'string' ? failed(answer) : { kind: 'replicas', replicas: answer, metric: nameOf(metric) };
  }

  if (reading.kind !== 'values' || reading.values.length === 0) {
    return failed(`no metrics returned from ${metric.type === 'Object' ? 'custom' : 'external'} metrics API`);
  }
  const usage = reading.values.reduce((sum, value) => sum + toMilli(value), 0);
  const replicas =
    'averageValue' in metric.target
      ? fromAverage(usage, toMilli(metric.target.averageValue), observed, context.tolerance)
      : fromValue(usage / toMilli(metric.target.value), observed, context.tolerance);
  return typeof replicas === 'string' ? failed(replicas) : { kind: 'replicas', replicas, metric: nameOf(metric) };
}

const FAILED = {
  Resource: 'FailedGetResourceMetric',
  Pods: 'FailedGetPodsMetric',
  Object: 'FailedGetObjectMetric',
  External: 'FailedGetExternalMetric',
} as const;

function nameOf(metric: MetricSpec): string {
  switch (metric.type) {
    case 'Resource':
      return 'averageUtilization' in metric.target
        ? `${metric.name} resource utilization (percentage of request)`
        : `${metric.name} resource`;
    case 'Pods':
      return `pods metric ${metric.name}`;
    case 'Object':
      return `object metric ${metric.name}`;
    case 'External':
      return `external metric ${metric.name}`;
  }
}

/** A comparison with NaN or infinity is never within: the controller then recomputes, and so do we. */
function within(ratio: number, { up, down }: Tolerance): boolean {
  return 1 - down <= ratio && ratio <= 1 + up;
}

function fromAverage(usage: number, target: number, observed: Observation, tolerance: Tolerance): number {
  const ratio = usage / (target * observed.statusReplicas);
  return within(ratio, tolerance) ? observed.statusReplicas : Math.min(Math.ceil(usage / target), MAX_INT32);
}

function fromValue(ratio: number, observed: Observation, tolerance: Tolerance): number | string {
  if (observed.specReplicas === 0) return Math.min(Math.ceil(ratio), MAX_INT32);
  if (within(ratio, tolerance)) return observed.specReplicas;
  if (observed.pods.length === 0) return 'no pods returned by selector while calculating replica count';
  return Math.min(Math.ceil(ratio * readyRunning(observed.pods)), MAX_INT32);
}

/** Resource and Pods metrics: replicas, or why they cannot be computed. */
function perPod(
  metric: MetricSpec & { type: 'Resource' | 'Pods' },
  reading: MetricReading & { kind: 'pods' },
  observed: Observation,
  { now, tolerance, flags }: { readonly now: Millis; readonly tolerance: Tolerance; readonly flags: ControllerFlags },
): number | string {
  if (reading.samples.length === 0) return `no metrics returned for ${metric.name}`;
  if (observed.pods.length === 0) return 'no pods returned by selector while calculating replica count';

  const resource = metric.type === 'Resource' ? metric.name : null;
  const samples = new Map(reading.samples.map((sample) => [sample.pod, sample]));
  const { ready, unready, missing, ignored } = groupPods(observed.pods, samples, resource, now, flags);
  const values = new Map(reading.samples.map(({ pod, value }) => [pod, toMilli(value)]));
  for (const pod of [...ignored, ...unready]) values.delete(pod);

  const rule = ratioRule(metric, observed);
  if (typeof rule === 'string') return rule;
  if (values.size === 0) return 'did not receive metrics for any ready pods';
  const ratio = rule.ratio(values);
  if (ratio === null) return 'no metrics returned matched known pods';

  const idleStarters = unready.length > 0 && ratio > 1;
  if (!idleStarters && missing.length === 0) {
    return within(ratio, tolerance) ? observed.specReplicas : Math.ceil(ratio * ready);
  }

  // Pods without a sample are counted so that the answer moves less: full on the way down, idle on the way up.
  // A Pods metric at exactly its target counts them as idle; a Resource metric leaves them out.
  if (ratio < 1) for (const pod of missing) values.set(pod, rule.full(pod));
  else if (ratio > 1 || metric.type === 'Pods') for (const pod of missing) values.set(pod, 0);
  if (idleStarters) for (const pod of unready) values.set(pod, 0);

  const refilled = rule.ratio(values);
  if (refilled === null) return 'no metrics returned matched known pods';
  const turned = (ratio < 1 && refilled > 1) || (ratio > 1 && refilled < 1);
  if (within(refilled, tolerance) || turned) return observed.specReplicas;
  const replicas = Math.ceil(refilled * values.size);
  const against = refilled < 1 ? replicas > observed.specReplicas : replicas < observed.specReplicas;
  return against ? observed.specReplicas : replicas;
}

interface RatioRule {
  ratio(values: PodValues): number | null;
  /** What a pod without a sample is taken to use on the way down. */
  full(pod: string): number;
}

function ratioRule(metric: MetricSpec & { type: 'Resource' | 'Pods' }, observed: Observation): RatioRule | string {
  if (metric.type === 'Pods' || 'averageValue' in metric.target) {
    const target = toMilli((metric.target as { averageValue: number }).averageValue);
    return { ratio: (values) => averageOf(values) / target, full: () => target };
  }
  const target = metric.target.averageUtilization;
  const requests = new Map<string, number>();
  for (const pod of observed.pods) {
    const request = pod.requests?.[metric.name];
    if (request === undefined) return `missing request for ${metric.name} in pod ${pod.name}`;
    requests.set(pod.name, toMilli(request));
  }
  const fullPercent = Math.max(100, target);
  return {
    ratio: (values) => {
      const utilization = utilizationOf(values, requests);
      return utilization === null ? null : utilization / target;
    },
    full: (pod) => Math.trunc((requests.get(pod)! * fullPercent) / 100),
  };
}
