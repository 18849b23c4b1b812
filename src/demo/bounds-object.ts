import { type ApplyOutcome, type BoundsChange, type Ownership, type TargetRef, targetKey } from '../scaling/cluster.ts';
import type { DemoWorkload } from './workloads.ts';

/** The part of an HPA object that Foresail reads and writes. */
export interface BoundsObject {
  readonly ref: TargetRef;
  readonly uid: string;
  /** Counts up with every write, as a resource version does. */
  readonly version: number;
  readonly min: number;
  readonly max: number;
  readonly minManagers: readonly string[];
  readonly maxManagers: readonly string[];
  readonly ownership: Ownership | null;
}

const FORESAIL = 'foresail';

/** As `kubectl apply` makes it: most real HPAs come that way, so the demo shows a take-over. */
export function newBoundsObject({ namespace, app, hpa }: DemoWorkload): BoundsObject {
  return {
    ref: { kind: 'HorizontalPodAutoscaler', namespace, name: app },
    uid: `demo-${namespace}-${app}`,
    version: 1,
    min: hpa.min,
    max: hpa.max,
    minManagers: ['kubectl-client-side-apply'],
    maxManagers: ['kubectl-client-side-apply'],
    ownership: null,
  };
}

export function formatRef(ref: TargetRef): string {
  return `${ref.namespace}/${targetKey(ref)}`;
}

/** A server-side apply under field manager `foresail`, as the API server does it: conditional, and all or nothing. */
export function applyChange(
  object: BoundsObject,
  change: BoundsChange,
): { readonly object: BoundsObject; readonly outcome: ApplyOutcome } {
  const outcome = outcomeOf(object, change);
  if (outcome.kind !== 'applied') return { object, outcome };
  const { min, max, ownership } = change;
  return {
    object: {
      ...object,
      version: object.version + 1,
      min,
      max,
      ownership,
      minManagers: managersAfter(object.minManagers, object.min === min, change, object.ownership),
      maxManagers: managersAfter(object.maxManagers, object.max === max, change, object.ownership),
    },
    outcome,
  };
}

function outcomeOf(object: BoundsObject, { uid, resourceVersion, min, max, force }: BoundsChange): ApplyOutcome {
  if (uid !== object.uid || resourceVersion !== String(object.version)) {
    const message = `it changed since it was read (${resourceVersion}, now ${object.version})`;
    return { kind: 'conflict', message };
  }
  if (!(Number.isInteger(min) && Number.isInteger(max) && min >= 1 && min <= max)) {
    return { kind: 'refused', message: `spec.minReplicas ${min} and spec.maxReplicas ${max} are not bounds` };
  }
  if (force) return { kind: 'applied', resourceVersion: String(object.version + 1) };
  // Managers may share a field as long as they agree on its value.
  const fields = [
    ...(min === object.min ? [] : object.minManagers.map((manager) => ({ manager, field: '.spec.minReplicas' }))),
    ...(max === object.max ? [] : object.maxManagers.map((manager) => ({ manager, field: '.spec.maxReplicas' }))),
  ].filter(({ manager }) => manager !== FORESAIL);
  if (fields.length === 0) return { kind: 'applied', resourceVersion: String(object.version + 1) };
  const conflicts = fields.map(({ manager, field }) => `conflict with "${manager}": ${field}`);
  return {
    kind: 'owned',
    managers: [...new Set(fields.map(({ manager }) => manager))],
    message: `apply failed with ${fields.length} conflict${fields.length === 1 ? '' : 's'}: ${conflicts.join(', ')}`,
  };
}

function managersAfter(
  managers: readonly string[],
  agreed: boolean,
  { ownership }: BoundsChange,
  before: Ownership | null,
): readonly string[] {
  const others = managers.filter((manager) => manager !== FORESAIL);
  // A finished release hands the field back to whoever held it before the take-over.
  if (ownership === null) return others.length > 0 ? others : (before?.takenFrom ?? []);
  return agreed ? [...others, FORESAIL] : [FORESAIL];
}
