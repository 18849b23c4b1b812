import { z } from 'zod';
import type { BoundsChange, Ownership, TargetRef, TargetState } from '../scaling/cluster.ts';
import { FIELD_MANAGER, type ManagedFields, managersOf } from './field-ownership.ts';

/** The annotation that keeps what a take-over must remember, so that it can be undone without a server. */
export const OWNERSHIP_ANNOTATION = 'foresail.dev/ownership';

/** The parts of a HorizontalPodAutoscaler (autoscaling/v2) that Foresail reads. */
export interface Hpa {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly {
      readonly kind: string;
      readonly name: string;
      readonly controller?: boolean;
    }[];
    readonly managedFields?: readonly ManagedFields[];
  };
  readonly spec: {
    readonly minReplicas?: number;
    readonly maxReplicas: number;
    readonly scaleTargetRef: ScaleTargetRef;
  };
  readonly status?: { readonly currentReplicas?: number; readonly desiredReplicas?: number };
}

export interface ScaleTargetRef {
  readonly apiVersion?: string;
  readonly kind: string;
  readonly name: string;
}

export interface Replicas {
  readonly spec: number;
  readonly status: number;
}

export function stateOf(hpa: Hpa, replicas: Replicas): TargetState {
  const { metadata, spec } = hpa;
  const managed = metadata.managedFields ?? [];
  const controller = metadata.ownerReferences?.find((owner) => owner.controller === true);
  return {
    kind: 'found',
    ref: { kind: 'HorizontalPodAutoscaler', namespace: metadata.namespace, name: metadata.name },
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    min: minOf(hpa),
    max: spec.maxReplicas,
    minManagers: managersOf(managed, 'minReplicas'),
    maxManagers: managersOf(managed, 'maxReplicas'),
    controller: controller === undefined ? null : { kind: controller.kind, name: controller.name },
    workload: { kind: spec.scaleTargetRef.kind, name: spec.scaleTargetRef.name },
    specReplicas: replicas.spec,
    statusReplicas: replicas.status,
    ownership: ownershipOf(hpa),
  };
}

/** What the HPA itself last saw of its workload: good enough where the workload cannot be asked. */
export function replicasSeenBy({ status }: Hpa): Replicas {
  return { spec: status?.desiredReplicas ?? 0, status: status?.currentReplicas ?? 0 };
}

export function minOf({ spec }: Hpa): number {
  return spec.minReplicas ?? 1;
}

const bounds = z.object({ min: z.int().min(0), max: z.int().min(1) });
const Annotation = z.object({
  policy: z.string(),
  original: bounds,
  takenFrom: z.array(z.string()),
  written: bounds,
  setBackAt: z.array(z.number()),
  givenUp: z.object({ at: z.number(), manager: z.string() }).nullable(),
});

/** Null where there is no annotation, or where somebody has made it unreadable (`carriesAnnotation` tells them apart). */
export function ownershipOf({ metadata }: Hpa): Ownership | null {
  const text = metadata.annotations?.[OWNERSHIP_ANNOTATION];
  if (text === undefined) return null;
  try {
    return Annotation.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

export function carriesAnnotation({ metadata }: Hpa): boolean {
  return metadata.annotations?.[OWNERSHIP_ANNOTATION] !== undefined;
}

/**
 * The document of one server-side apply.
 *
 * A field is named where its value is to change, or where nobody but Foresail holds it (leaving it out would remove
 * the value). A bound that another manager holds at the very value wanted is left to that manager: owning it too would
 * make its next change a conflict.
 */
export function applyDocument(hpa: Hpa, change: BoundsChange) {
  const managed = hpa.metadata.managedFields ?? [];
  const onlyOurs = (managers: readonly string[]) => managers.length === 1 && managers[0] === FIELD_MANAGER;
  const nameMin = change.min !== minOf(hpa) || onlyOurs(managersOf(managed, 'minReplicas'));
  const nameMax = change.max !== hpa.spec.maxReplicas || onlyOurs(managersOf(managed, 'maxReplicas'));
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: {
      name: change.ref.name,
      namespace: change.ref.namespace,
      uid: change.uid,
      resourceVersion: change.resourceVersion,
      annotations: { [OWNERSHIP_ANNOTATION]: JSON.stringify(change.ownership ?? ownershipOf(hpa)) },
    },
    ...((nameMin || nameMax) && {
      spec: { ...(nameMin && { minReplicas: change.min }), ...(nameMax && { maxReplicas: change.max }) },
    }),
  };
}

export function hpaPath({ namespace, name }: TargetRef): string {
  return `/apis/autoscaling/v2/namespaces/${encodeURIComponent(namespace)}/horizontalpodautoscalers/${encodeURIComponent(name)}`;
}
