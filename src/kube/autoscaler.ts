import type { AutoscalerRules, Unknown } from '../scaling/advice/types.ts';
import type { TargetRef } from '../scaling/cluster.ts';
import type { HpaSpec, MetricSpec, ResourceTarget, ScalingRules, ValueTarget } from '../scaling/hpa/types.ts';
import { type KubeApi, messageOf } from './api.ts';
import { pathOf } from './bounds-kind.ts';
import type { BoundsObject } from './bounds-object.ts';
import { KubernetesApiError } from './errors.ts';
import { parseQuantity } from './quantity.ts';
import { hpaNameOf } from './scaled-object.ts';

/** The parts of a HorizontalPodAutoscaler (autoscaling/v2) that say how it scales, as the API server answers them. */
interface WireSpec {
  readonly metrics?: readonly WireMetric[];
  readonly behavior?: { readonly scaleUp?: WireRules; readonly scaleDown?: WireRules };
}

interface WireRules extends Omit<ScalingRules, 'tolerance'> {
  readonly tolerance?: unknown;
}

interface WireTarget {
  readonly averageUtilization?: number;
  readonly averageValue?: unknown;
  readonly value?: unknown;
}

interface WireMetric {
  readonly type: string;
  readonly resource?: { readonly name: string; readonly target: WireTarget };
  readonly containerResource?: { readonly name: string; readonly container: string; readonly target: WireTarget };
  readonly pods?: { readonly metric: { readonly name: string }; readonly target: WireTarget };
  readonly object?: { readonly metric: { readonly name: string }; readonly target: WireTarget };
  readonly external?: { readonly metric: { readonly name: string }; readonly target: WireTarget };
}

/**
 * How the target's HPA scales; of a ScaledObject, the HPA that KEDA made of it.
 * @throws {KubernetesApiError} If the API server refuses, or does not answer.
 */
export async function readAutoscaler(
  api: KubeApi,
  target: TargetRef,
  signal?: AbortSignal,
): Promise<AutoscalerRules | Unknown> {
  const object = await readObject(api, target, signal);
  if (object === undefined) return missing(target);
  if (target.kind === 'HorizontalPodAutoscaler') return rulesOfHpa(object);
  const made: TargetRef = { ...target, kind: 'HorizontalPodAutoscaler', name: hpaNameOf(object) };
  const hpa = await readObject(api, made, signal);
  return hpa === undefined ? missing(made) : rulesOfHpa(hpa);
}

function missing({ kind, namespace, name }: TargetRef): Unknown {
  return { kind: 'unknown', message: `there is no ${kind} ${namespace}/${name}` };
}

async function readObject(
  api: KubeApi,
  target: TargetRef,
  signal: AbortSignal | undefined,
): Promise<BoundsObject | undefined> {
  const path = pathOf(target);
  const answer = await api.request({ method: 'GET', path }, signal);
  if (answer.status === 404) return undefined;
  if (answer.status === 200) return { ...(answer.body as BoundsObject), kind: target.kind };
  throw new KubernetesApiError(`cannot read ${path}: ${messageOf(answer)}`, answer.status);
}

/** A metric that is not understood is left out. */
export function rulesOfHpa({ metadata, spec }: Pick<BoundsObject, 'metadata' | 'spec'>): AutoscalerRules | Unknown {
  const { metrics = [], behavior } = spec as unknown as WireSpec;
  const known = metrics.map(metricOf);
  if (metrics.length > 0 && known.every((metric) => metric === undefined)) {
    return { kind: 'unknown', message: `no metric of the HorizontalPodAutoscaler ${metadata.name} is understood` };
  }
  return {
    kind: 'read',
    name: metadata.name,
    metrics: known.filter((metric) => metric !== undefined),
    ...(behavior !== undefined && { behavior: behaviorOf(behavior) }),
  };
}

function metricOf(metric: WireMetric): MetricSpec | undefined {
  const { type, resource, containerResource, pods, object, external } = metric;
  if (type === 'Resource' && resource !== undefined) {
    const target = resourceTarget(resource.target);
    return target && { type, name: resource.name, target };
  }
  if (type === 'ContainerResource' && containerResource !== undefined) {
    const { name, container } = containerResource;
    const target = resourceTarget(containerResource.target);
    return target && { type, name, container, target };
  }
  if (type === 'Pods' && pods !== undefined) {
    const averageValue = parseQuantity(pods.target.averageValue);
    return averageValue === undefined ? undefined : { type, name: pods.metric.name, target: { averageValue } };
  }
  const valued = type === 'Object' ? object : type === 'External' ? external : undefined;
  const target = valued && valueTarget(valued.target);
  return target && { type: type as 'Object' | 'External', name: valued.metric.name, target };
}

function resourceTarget({ averageUtilization, averageValue }: WireTarget): ResourceTarget | undefined {
  if (averageUtilization !== undefined) return { averageUtilization };
  const value = parseQuantity(averageValue);
  return value === undefined ? undefined : { averageValue: value };
}

/** As the controller reads it: an average counts where both are given. */
function valueTarget({ averageValue, value }: WireTarget): ValueTarget | undefined {
  const average = parseQuantity(averageValue);
  if (average !== undefined) return { averageValue: average };
  const whole = parseQuantity(value);
  return whole === undefined ? undefined : { value: whole };
}

function behaviorOf({ scaleUp, scaleDown }: NonNullable<WireSpec['behavior']>): NonNullable<HpaSpec['behavior']> {
  return {
    ...(scaleUp !== undefined && { scaleUp: rulesOf(scaleUp) }),
    ...(scaleDown !== undefined && { scaleDown: rulesOf(scaleDown) }),
  };
}

function rulesOf({ stabilizationWindowSeconds: window, selectPolicy, policies, tolerance }: WireRules): ScalingRules {
  const ratio = parseQuantity(tolerance);
  return {
    ...(window !== undefined && { stabilizationWindowSeconds: window }),
    ...(selectPolicy !== undefined && { selectPolicy }),
    ...(policies !== undefined && {
      policies: policies.map(({ type, value, periodSeconds }) => ({ type, value, periodSeconds })),
    }),
    ...(ratio !== undefined && { tolerance: ratio }),
  };
}
