import { z } from 'zod';
import type { BoundsChange, Ownership, TargetRef, TargetState } from '../scaling/cluster.ts';
import { kindOf } from './bounds-kind.ts';
import { controllerOf } from './controller.ts';
import { FIELD_MANAGER, type ManagedFields, managersOf } from './field-ownership.ts';

/** The annotation that keeps what a take-over must remember, so that it can be undone without a server. */
export const OWNERSHIP_ANNOTATION = 'foresail.dev/ownership';

/** The parts of a HorizontalPodAutoscaler (autoscaling/v2) or a ScaledObject (keda.sh/v1alpha1) that Foresail reads. */
export interface BoundsObject {
  /** As it was asked for: the items of a list do not say it. */
  readonly kind: TargetRef['kind'];
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly labels?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly {
      readonly kind: string;
      readonly name: string;
      readonly controller?: boolean;
    }[];
    readonly managedFields?: readonly ManagedFields[];
  };
  readonly spec: {
    readonly scaleTargetRef: Partial<ScaleTargetRef> & Pick<ScaleTargetRef, 'name'>;
    readonly [field: string]: unknown;
  };
  readonly status?: { readonly [field: string]: unknown };
}

export interface ScaleTargetRef {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
}

export interface Replicas {
  readonly spec: number;
  readonly status: number;
}

export function stateOf(object: BoundsObject, replicas: Replicas): TargetState {
  const { kind, metadata } = object;
  const workload = workloadOf(object);
  const managed = metadata.managedFields ?? [];
  const { minField, maxField } = kindOf(object);
  const { min, max } = boundsOf(object);
  return {
    kind: 'found',
    ref: refOf(object),
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    min,
    max,
    minManagers: managersOf(managed, minField),
    maxManagers: managersOf(managed, maxField),
    controller: controllerOf(metadata),
    workload: {
      kind: workload.kind,
      name: workload.name,
      ...(workload.apiVersion !== APPS && { apiVersion: workload.apiVersion }),
    },
    specReplicas: replicas.spec,
    statusReplicas: replicas.status,
    ownership: ownershipOf(object),
    // KEDA scales from zero on its own, and does so too for a minimum above zero.
    ...(kind === 'ScaledObject' && { wakesFromZero: true as const }),
  };
}

export function refOf({ kind, metadata: { namespace, name } }: BoundsObject): TargetRef {
  return { kind, namespace, name };
}

/** The group and version of workloads, unless they say otherwise. */
const APPS = 'apps/v1';

/** The workload that it scales. */
export function workloadOf(object: BoundsObject): ScaleTargetRef {
  return { ...kindOf(object).workload, ...object.spec.scaleTargetRef };
}

/** The bounds in force. */
export function boundsOf(object: BoundsObject): { readonly min: number; readonly max: number } {
  const { minField, maxField, unset } = kindOf(object);
  const { [minField]: min, [maxField]: max } = object.spec;
  return { min: typeof min === 'number' ? min : unset.min, max: typeof max === 'number' ? max : unset.max };
}

const bounds = z.object({ min: z.int().min(0), max: z.int().min(1) });
const Annotation = z.object({
  policy: z.string(),
  original: bounds,
  takenFrom: z.array(z.string()),
  written: bounds,
  setBackAt: z.array(z.number()),
  maxSetBack: z.literal(true).optional(),
  givenUp: z.object({ at: z.number(), manager: z.string() }).nullable(),
});

/** Null where there is no annotation, or where somebody has made it unreadable (`carriesAnnotation` tells them apart). */
export function ownershipOf(object: BoundsObject): Ownership | null {
  const text = object.metadata.annotations?.[OWNERSHIP_ANNOTATION];
  if (text === undefined || !carriesAnnotation(object)) return null;
  try {
    return Annotation.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

/** KEDA copies the annotations of a ScaledObject to the HPA that it makes: there they say nothing of the HPA. */
export function carriesAnnotation({ kind, metadata }: BoundsObject): boolean {
  if (kind === 'HorizontalPodAutoscaler' && controllerOf(metadata)?.kind === 'ScaledObject') return false;
  return metadata.annotations?.[OWNERSHIP_ANNOTATION] !== undefined;
}

/**
 * The document of one server-side apply.
 *
 * A field is named where its value is to change, or where nobody but Foresail holds it (leaving it out would remove
 * the value). A bound that another manager holds at the very value wanted is left to that manager: owning it too would
 * make its next change a conflict.
 */
export function applyDocument(object: BoundsObject, change: BoundsChange) {
  const { kind, apiVersion, minField, maxField } = kindOf(object);
  const managed = object.metadata.managedFields ?? [];
  const onlyOurs = (managers: readonly string[]) => managers.length === 1 && managers[0] === FIELD_MANAGER;
  const now = boundsOf(object);
  const nameMin = change.min !== now.min || onlyOurs(managersOf(managed, minField));
  const nameMax = change.max !== now.max || onlyOurs(managersOf(managed, maxField));
  return {
    apiVersion,
    kind,
    metadata: {
      name: change.ref.name,
      namespace: change.ref.namespace,
      uid: change.uid,
      resourceVersion: change.resourceVersion,
      annotations: { [OWNERSHIP_ANNOTATION]: JSON.stringify(change.ownership ?? ownershipOf(object)) },
    },
    ...((nameMin || nameMax) && {
      spec: { ...(nameMin && { [minField]: change.min }), ...(nameMax && { [maxField]: change.max }) },
    }),
  };
}
