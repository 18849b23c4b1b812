import type { HpaSpec, MetricReading, MetricSpec, MetricStatus, PodState, ScalingRules } from '../scaling/hpa/types.ts';
import type { MetricsAnswer, MetricsQuestion } from './metrics-apis.ts';

/** The model's words as Kubernetes objects, for one namespace that holds one target, its pods and its HPA. */

export const TARGET = 'target';
const APP = { app: TARGET };

export function deploymentObject(namespace: string, replicas: number) {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: TARGET, namespace },
    spec: {
      replicas,
      selector: { matchLabels: APP },
      template: { metadata: { labels: APP }, spec: { containers: [{ name: 'main', image: 'example.com/main:1' }] } },
    },
  };
}

export function hpaObject(namespace: string, spec: HpaSpec, name = TARGET) {
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name, namespace },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: TARGET },
      ...(spec.minReplicas !== undefined && { minReplicas: spec.minReplicas }),
      maxReplicas: spec.maxReplicas,
      metrics: spec.metrics.map(metricObject),
      ...(spec.behavior !== undefined && { behavior: behaviorObject(spec.behavior) }),
    },
  };
}

function behaviorObject({ scaleUp, scaleDown }: NonNullable<HpaSpec['behavior']>) {
  return {
    ...(scaleUp !== undefined && { scaleUp: rulesObject(scaleUp) }),
    ...(scaleDown !== undefined && { scaleDown: rulesObject(scaleDown) }),
  };
}

function rulesObject({ tolerance, ...rules }: ScalingRules) {
  return { ...rules, ...(tolerance !== undefined && { tolerance: quantity(tolerance) }) };
}

function metricObject(metric: MetricSpec) {
  const target = targetObject(metric.target);
  const selector = 'matchLabels' in metric ? { selector: { matchLabels: metric.matchLabels } } : {};
  const named = { name: metric.name, ...selector };
  switch (metric.type) {
    case 'Resource':
      return { type: metric.type, resource: { name: metric.name, target } };
    case 'ContainerResource':
      return { type: metric.type, containerResource: { name: metric.name, container: metric.container, target } };
    case 'Pods':
      return { type: metric.type, pods: { metric: named, target } };
    case 'Object':
      return {
        type: metric.type,
        object: { describedObject: { apiVersion: 'v1', ...metric.describedObject }, metric: named, target },
      };
    case 'External':
      return { type: metric.type, external: { metric: named, target } };
  }
}

function targetObject(target: MetricSpec['target']) {
  if ('averageUtilization' in target) return { type: 'Utilization', averageUtilization: target.averageUtilization };
  return 'value' in target
    ? { type: 'Value', value: quantity(target.value) }
    : { type: 'AverageValue', averageValue: quantity(target.averageValue) };
}

export function podObject(namespace: string, pod: PodState) {
  const resources = (requests: Readonly<Record<string, number>> | undefined) => ({
    resources: { requests: Object.fromEntries(Object.entries(requests ?? {}).map(([k, v]) => [k, quantity(v)])) },
  });
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    // A finalizer keeps a pod that is going away.
    metadata: { name: pod.name, namespace, labels: APP, finalizers: ['example.com/stay'] },
    spec: {
      ...(pod.requests !== undefined && resources(pod.requests)),
      containers: (pod.containers ?? []).map(({ name, requests }) => ({
        name,
        image: 'example.com/main:1',
        ...resources(requests),
      })),
    },
  };
}

export function podStatus({ phase, startTime, ready }: PodState) {
  return {
    phase,
    ...(startTime !== undefined && { startTime: instant(startTime) }),
    conditions:
      ready === undefined
        ? []
        : [{ type: 'Ready', status: statusWord(ready.status), lastTransitionTime: instant(ready.lastTransition) }],
  };
}

function statusWord(status: boolean | 'Unknown'): string {
  return status === 'Unknown' ? status : status ? 'True' : 'False';
}

/** What the metrics API answers, so that the controller reads `reading`. */
export function answerOf(
  { api, namespace, metric, resource, object }: MetricsQuestion,
  reading: MetricReading,
  spec: MetricSpec,
): MetricsAnswer {
  if (reading.kind === 'error') return { failure: reading.message };
  if (reading.kind === 'values' && api === 'external') {
    const items = reading.values.map((value) => ({
      metricName: metric,
      metricLabels: {},
      ...stamp,
      value: quantity(value),
    }));
    return { body: { kind: 'ExternalMetricValueList', items } };
  }
  if (reading.kind === 'values') {
    const describedObject = { kind: 'Service', name: object, namespace };
    const items = reading.values.map((value) => ({
      describedObject,
      metric: { name: metric },
      ...stamp,
      value: quantity(value),
    }));
    return { body: { kind: 'MetricValueList', items } };
  }
  if (api === 'custom') {
    const items = reading.samples.map(({ pod, value, time, windowMs }) => ({
      describedObject: { kind: 'Pod', name: pod, namespace, apiVersion: 'v1' },
      metric: { name: metric },
      timestamp: instant(time),
      windowSeconds: windowMs / 1000,
      value: quantity(value),
      resource,
    }));
    return { body: { kind: 'MetricValueList', items } };
  }
  const container = spec.type === 'ContainerResource' ? spec.container : 'main';
  const items = reading.samples.map(({ pod, value, time, windowMs }) => ({
    metadata: { name: pod, namespace },
    timestamp: instant(time),
    window: `${windowMs / 1000}s`,
    containers: [{ name: container, usage: { [spec.name]: quantity(value) } }],
  }));
  const without = { metadata: { name: 'without', namespace }, ...stamp, window: '30s', containers: [] };
  return { body: { kind: 'PodMetricsList', items: reading.anyItem === true ? [...items, without] : items } };
}

const stamp = { timestamp: '2026-01-01T00:00:00Z' };

/** As `status.currentMetrics` has it, in the model's words; null where a metric failed. */
export function statusOf(
  entry: Record<string, { current?: Record<string, string | number> } | string>,
): MetricStatus | null {
  const source = Object.values(entry).find((value) => typeof value === 'object');
  if (source === undefined) return null;
  const { value, averageValue, averageUtilization } =
    (source as { current?: Record<string, string | number> }).current ?? {};
  return {
    ...(averageUtilization !== undefined && { averageUtilization: Number(averageUtilization) }),
    ...(value !== undefined && { value: numberOf(value) }),
    ...(averageValue !== undefined && { averageValue: numberOf(averageValue) }),
  };
}

const SUFFIXES: Readonly<Record<string, number>> = {
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
};

function numberOf(text: string | number): number {
  const [, digits, suffix] = /^(-?[\d.]+)([a-zA-Z]*)$/.exec(`${text}`) ?? [];
  return Number(digits) * (SUFFIXES[suffix ?? ''] ?? Number.NaN);
}

function quantity(value: number): string {
  return Number.isInteger(value) ? `${value}` : `${Math.round(value * 1e6) / 1e3}m`;
}

function instant(time: number): string {
  return new Date(time).toISOString().replace(/\.\d+Z$/, 'Z');
}
