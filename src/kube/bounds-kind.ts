import type { TargetRef } from '../scaling/cluster.ts';

/** What differs between the kinds of objects whose bounds are written. */
export interface BoundsKind {
  readonly kind: TargetRef['kind'];
  readonly apiVersion: string;
  /** As paths have it. */
  readonly plural: string;
  readonly minField: string;
  readonly maxField: string;
  /** The bounds in force where the fields are not set. */
  readonly unset: { readonly min: number; readonly max: number };
  /** What a reference to the workload means where it does not say. */
  readonly workload: { readonly apiVersion: string; readonly kind: string };
}

/**
 * An HPA without `minReplicas` has 1, by the API server. A ScaledObject without its counts has 0 and 100, by KEDA
 * (`GetHPAMinReplicas`, `GetHPAMaxReplicas`): with a minimum of 0 the HPA that KEDA makes has 1, and KEDA itself scales
 * to zero while no trigger is active.
 */
const KINDS: Readonly<Record<TargetRef['kind'], BoundsKind>> = {
  HorizontalPodAutoscaler: {
    kind: 'HorizontalPodAutoscaler',
    apiVersion: 'autoscaling/v2',
    plural: 'horizontalpodautoscalers',
    minField: 'minReplicas',
    maxField: 'maxReplicas',
    unset: { min: 1, max: 1 },
    workload: { apiVersion: 'v1', kind: '' },
  },
  ScaledObject: {
    kind: 'ScaledObject',
    apiVersion: 'keda.sh/v1alpha1',
    plural: 'scaledobjects',
    minField: 'minReplicaCount',
    maxField: 'maxReplicaCount',
    unset: { min: 0, max: 100 },
    workload: { apiVersion: 'apps/v1', kind: 'Deployment' },
  },
};

export function kindOf({ kind }: Pick<TargetRef, 'kind'>): BoundsKind {
  return KINDS[kind];
}

/** The path of one target. */
export function pathOf({ kind, namespace, name }: TargetRef): string {
  const { apiVersion, plural } = KINDS[kind];
  return `/apis/${apiVersion}/namespaces/${encodeURIComponent(namespace)}/${plural}/${encodeURIComponent(name)}`;
}
