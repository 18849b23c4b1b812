import type { TargetState } from '../scaling/cluster.ts';

/** Where an object says whose it is. */
interface Metadata {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly {
    readonly kind: string;
    readonly name: string;
    readonly controller?: boolean;
  }[];
}

/**
 * The controller that would set an object back, or null.
 *
 * KEDA and crane write the whole HPA again within seconds of any change. Both own theirs by reference; where a backup or
 * a copy lost that, their labels still say so.
 */
export function controllerOf({ name, labels = {}, ownerReferences = [] }: Metadata): TargetState['controller'] {
  const owner =
    ownerReferences.find(({ kind }) => kind === 'ScaledObject') ??
    ownerReferences.find(({ controller }) => controller === true);
  if (owner !== undefined) return { kind: owner.kind, name: owner.name };
  if (labels['app.kubernetes.io/managed-by'] === 'keda-operator') {
    return { kind: 'ScaledObject', name: labels['app.kubernetes.io/part-of'] ?? name.replace(/^keda-hpa-/, '') };
  }
  if (labels['autoscaling.crane.io/effective-hpa-uid'] !== undefined) {
    return { kind: 'EffectiveHorizontalPodAutoscaler', name: name.replace(/^ehpa-/, '') };
  }
  return null;
}
