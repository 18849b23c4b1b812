import type { PodRevision } from '../model/deploy.ts';
import type { AutoscalerRules, RequestsReading, Unknown } from '../scaling/advice/types.ts';
import type {
  Announcement,
  ApplyOutcome,
  BoundsChange,
  Cluster,
  Ownership,
  TargetMissing,
  TargetRef,
  TargetState,
} from '../scaling/cluster.ts';
import type { PodStart } from '../scaling/lead-time-estimate.ts';
import { type KubeAnswer, type KubeApi, type KubeApiOptions, messageOf, openKubeApi, withDeadline } from './api.ts';
import { readAutoscaler } from './autoscaler.ts';
import { kindOf, pathOf } from './bounds-kind.ts';
import {
  applyDocument,
  type BoundsObject,
  boundsOf,
  carriesAnnotation,
  OWNERSHIP_ANNOTATION,
  ownershipOf,
  type Replicas,
  refOf,
  stateOf,
  workloadOf,
} from './bounds-object.ts';
import { controllerOf } from './controller.ts';
import { KubernetesApiError } from './errors.ts';
import { eventOf } from './event.ts';
import { FIELD_MANAGER, handBack, managersOf } from './field-ownership.ts';
import { listOwned } from './list-owned.ts';
import { type PodOwner, readPodRequests, readPodRevisions, readPodStarts, type ScalePathOf } from './pods.ts';
import { hpaNameOf, pauseOf } from './scaled-object.ts';

export interface KubeClusterOptions extends KubeApiOptions {
  /** For how long this process may still write to a target, ms (`Membership`). None: always. */
  readonly msLeft?: (target: TargetRef) => number;
}

export interface KubeCluster extends Cluster, AsyncDisposable {
  /** How the ready pods of a workload started. */
  readPodStarts(workload: PodOwner, signal?: AbortSignal): Promise<readonly PodStart[]>;
  /** The templates that the pods of a workload were made from: another one is a deploy. */
  readPodRevisions(workload: PodOwner, signal?: AbortSignal): Promise<readonly PodRevision[]>;
  /** How the target's HPA scales, and what the pods of its workload ask for: what advice is made from. */
  readAutoscaler(target: TargetRef, signal?: AbortSignal): Promise<AutoscalerRules | Unknown>;
  readPodRequests(workload: PodOwner, signal?: AbortSignal): Promise<RequestsReading | Unknown>;
}

/** Opens the Kubernetes API behind the cluster seam. @throws {KubeconfigError} If there is no usable kubeconfig. */
export async function openKubeCluster(options: KubeClusterOptions = {}): Promise<KubeCluster> {
  const api = await openKubeApi(options);
  const scalePathOf = scalePaths(api);
  const { msLeft } = options;
  const boundTo = (target: TargetRef) => (msLeft === undefined ? api : withDeadline(api, () => msLeft(target)));

  return {
    read: (target, signal) => readTarget(api, scalePathOf, target, signal),
    apply: (change, signal) => applyBounds(boundTo(change.ref), change, signal),
    listOwned: (signal) => listOwned(api, signal),
    announce: (target, event, signal) => announce(api, target, event, signal),
    readPodStarts: (workload, signal) => readPodStarts(api, scalePathOf, workload, signal),
    readPodRevisions: (workload, signal) => readPodRevisions(api, scalePathOf, workload, signal),
    readAutoscaler: (target, signal) => readAutoscaler(api, target, signal),
    readPodRequests: (workload, signal) => readPodRequests(api, scalePathOf, workload, signal),
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}

async function readTarget(
  api: KubeApi,
  scalePathOf: ScalePathOf,
  target: TargetRef,
  signal: AbortSignal | undefined,
): Promise<TargetState | TargetMissing> {
  const object = await readObject(api, target, signal);
  const name = `${target.namespace}/${target.name}`;
  if (object === undefined) return { kind: 'missing', message: `there is no ${target.kind} ${name}` };
  if (carriesAnnotation(object) && ownershipOf(object) === null) {
    // Its originals stand in there: without them a raised floor would be taken for the owner's own minimum.
    const { minField } = kindOf(target);
    const message = `the annotation ${OWNERSHIP_ANNOTATION} of ${name} cannot be read: mend it, or set ${minField} as it should be and remove it`;
    return { kind: 'missing', message };
  }
  const scaled = workloadOf(object);
  const path = await scalePathOf(scaled, target.namespace, signal);
  const answer = path === undefined ? undefined : await api.request({ method: 'GET', path }, signal);
  if (answer === undefined || answer.status === 404) {
    const workload = `${scaled.kind} ${target.namespace}/${scaled.name}`;
    return { kind: 'missing', message: `the ${target.kind} scales ${workload}, which does not exist` };
  }
  if (answer.status !== 200) throw cannot(`read ${path}`, answer);
  const state = stateOf(object, replicasOf(answer.body));
  return target.kind === 'ScaledObject' ? await withKeda(api, object, state, signal) : state;
}

/** What KEDA makes of a ScaledObject: an HPA, unless a person has paused it. Without either nothing scales. */
async function withKeda(
  api: KubeApi,
  object: BoundsObject,
  state: TargetState,
  signal: AbortSignal | undefined,
): Promise<TargetState | TargetMissing> {
  const pause = pauseOf(object);
  const { namespace, name } = state.ref;
  const hpa: TargetRef = { kind: 'HorizontalPodAutoscaler', namespace, name: hpaNameOf(object) };
  const made = await readObject(api, hpa, signal);
  const owner = made === undefined ? null : controllerOf(made.metadata);
  if (pause === undefined && made === undefined) {
    const why = 'is the keda-operator running, and the ScaledObject Ready?';
    return {
      kind: 'missing',
      message: `KEDA has made no HorizontalPodAutoscaler ${hpa.name} for the ScaledObject ${namespace}/${name}: ${why}`,
    };
  }
  if (made !== undefined && (owner?.kind !== 'ScaledObject' || owner.name !== name)) {
    const message = `the HorizontalPodAutoscaler ${hpa.name} is not of the ScaledObject ${namespace}/${name}: KEDA does not scale by it`;
    return { kind: 'missing', message };
  }
  return pause === undefined ? state : { ...state, pause };
}

async function readObject(
  api: KubeApi,
  target: TargetRef,
  signal: AbortSignal | undefined,
): Promise<BoundsObject | undefined> {
  const answer = await api.request({ method: 'GET', path: pathOf(target) }, signal);
  if (answer.status === 404) return undefined;
  if (answer.status !== 200) throw cannot(`read ${target.kind} ${target.namespace}/${target.name}`, answer);
  return { ...(answer.body as BoundsObject), kind: target.kind };
}

function replicasOf(scale: unknown): Replicas {
  const { spec, status } = scale as { spec?: { replicas?: number }; status?: { replicas?: number } };
  return { spec: spec?.replicas ?? 0, status: status?.replicas ?? 0 };
}

/**
 * Writes both bounds and the annotation in one conditional server-side apply. A finished release first writes the
 * originals in the same way, with the annotation still there, and then hands the fields back: should the second write
 * be lost, the object still says whose it is, and the release is finished by the next pass.
 */
async function applyBounds(api: KubeApi, change: BoundsChange, signal: AbortSignal | undefined): Promise<ApplyOutcome> {
  const object = await readObject(api, change.ref, signal);
  if (object === undefined) return { kind: 'refused', message: `the ${change.ref.kind} is gone` };
  const controller = controllerOf(object.metadata);
  if (change.ref.kind === 'HorizontalPodAutoscaler' && controller?.kind === 'ScaledObject') {
    return { kind: 'refused', message: `it is KEDA's: only the ScaledObject ${controller.name} is ever written` };
  }
  const { uid, resourceVersion } = object.metadata;
  if (uid !== change.uid || resourceVersion !== change.resourceVersion) {
    return {
      kind: 'conflict',
      message: `it changed since it was read (${change.resourceVersion}, now ${resourceVersion})`,
    };
  }
  if (change.ownership !== null) return await sendApply(api, object, change, signal);
  const ownership = ownershipOf(object);
  if (ownership === null) {
    if (!carriesAnnotation(object)) {
      return { kind: 'refused', message: 'it carries no annotation of Foresail to release' };
    }
    return await sendHandBack(api, object, { takenFrom: [] }, signal);
  }
  const now = boundsOf(object);
  if (change.min === now.min && change.max === now.max) return await sendHandBack(api, object, ownership, signal);
  const written = { min: change.min, max: change.max };
  const outcome = await sendApply(api, object, { ...change, ownership: { ...ownership, written } }, signal);
  if (outcome.kind !== 'applied') return outcome;
  const after = await readObject(api, change.ref, signal);
  if (after?.metadata.resourceVersion !== outcome.resourceVersion) {
    return { kind: 'conflict', message: 'it changed between the last write and the hand-back' };
  }
  return await sendHandBack(api, after, ownership, signal);
}

async function sendApply(
  api: KubeApi,
  object: BoundsObject,
  change: BoundsChange,
  signal: AbortSignal | undefined,
): Promise<ApplyOutcome> {
  const call = {
    method: 'PATCH',
    path: pathOf(change.ref),
    query: { fieldManager: FIELD_MANAGER, force: String(change.force), fieldValidation: 'Strict' },
    // JSON is YAML, and the API server takes no other name for it.
    contentType: 'application/apply-patch+yaml',
    body: applyDocument(object, change),
  } as const;
  return outcomeOf(await api.request(call, signal), change.ref);
}

async function sendHandBack(
  api: KubeApi,
  object: BoundsObject,
  ownership: Pick<Ownership, 'takenFrom'>,
  signal: AbortSignal | undefined,
): Promise<ApplyOutcome> {
  const { uid, resourceVersion, managedFields = [] } = object.metadata;
  const { minField, maxField, unset } = kindOf(object);
  const left = handBack(managedFields, ownership, [minField, maxField]);
  // Nobody had set it, and nobody holds it: as it was is not to be there.
  const isUnset = managersOf(left, minField).length === 0 && boundsOf(object).min === unset.min;
  const ref = refOf(object);
  const call = {
    method: 'PATCH',
    path: pathOf(ref),
    query: { fieldManager: FIELD_MANAGER, fieldValidation: 'Strict' },
    contentType: 'application/merge-patch+json',
    body: {
      metadata: { uid, resourceVersion, annotations: { [OWNERSHIP_ANNOTATION]: null }, managedFields: left },
      ...(isUnset && ref.kind === 'ScaledObject' && { spec: { [minField]: null } }),
    },
  } as const;
  return outcomeOf(await api.request(call, signal), ref);
}

function outcomeOf(answer: KubeAnswer, ref: TargetRef): ApplyOutcome {
  const { status, body } = answer;
  if (status === 200) return { kind: 'applied', resourceVersion: (body as BoundsObject).metadata.resourceVersion };
  const message = messageOf(answer);
  if (status === 409) {
    const managers = conflictingManagers(body);
    return managers.length > 0 ? { kind: 'owned', managers, message } : { kind: 'conflict', message };
  }
  // 429 and 5xx are the API server's own trouble; every other refusal is about this change.
  if (status >= 400 && status < 500 && status !== 401 && status !== 429) return { kind: 'refused', message };
  throw cannot(`change ${ref.kind} ${ref.namespace}/${ref.name}`, answer);
}

interface StatusBody {
  readonly details?: { readonly causes?: readonly { readonly reason?: string; readonly message?: string }[] };
}

function conflictingManagers(body: unknown): readonly string[] {
  const causes = (body as StatusBody).details?.causes ?? [];
  const managers = causes
    .filter(({ reason }) => reason === 'FieldManagerConflict')
    .map(({ message }) => /conflict with "([^"]*)"/.exec(message ?? '')?.[1] ?? 'unknown');
  return [...new Set(managers)];
}

async function announce(
  api: KubeApi,
  target: TargetRef,
  announcement: Announcement,
  signal: AbortSignal | undefined,
): Promise<void> {
  // `kubectl describe` finds events by the object's uid, so the object is read first.
  const object = await readObject(api, target, signal);
  if (object === undefined) return;
  const path = `/apis/events.k8s.io/v1/namespaces/${encodeURIComponent(target.namespace)}/events`;
  const answer = await api.request({ method: 'POST', path, body: eventOf(object, announcement, new Date()) }, signal);
  if (answer.status !== 201) throw cannot(`write an event for ${target.namespace}/${target.name}`, answer);
}

/**
 * Finds the path of a workload's scale subresource through API discovery, asked once for each group and version.
 * Undefined where the kind does not exist or cannot be scaled.
 */
export function scalePaths(api: KubeApi): ScalePathOf {
  const known = new Map<string, ReadonlyMap<string, string>>();
  return async ({ apiVersion, kind, name }, namespace, signal) => {
    const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    let plurals = known.get(apiVersion);
    if (plurals === undefined) {
      const answer = await api.request({ method: 'GET', path: root }, signal);
      if (answer.status === 404) return undefined;
      if (answer.status !== 200) throw cannot(`discover ${apiVersion}`, answer);
      plurals = scalablePlurals((answer.body as { resources: readonly { name: string; kind: string }[] }).resources);
      known.set(apiVersion, plurals);
    }
    const plural = plurals.get(kind);
    if (plural === undefined) {
      // A resource definition may be installed later: an unknown kind is asked for again.
      known.delete(apiVersion);
      return undefined;
    }
    return `${root}/namespaces/${encodeURIComponent(namespace)}/${plural}/${encodeURIComponent(name)}/scale`;
  };
}

/** From kind to the plural in paths, for the kinds that have a scale subresource. */
function scalablePlurals(resources: readonly { name: string; kind: string }[]): ReadonlyMap<string, string> {
  const scalable = new Set(resources.map(({ name }) => name));
  return new Map(resources.filter(({ name }) => scalable.has(`${name}/scale`)).map(({ name, kind }) => [kind, name]));
}

function cannot(what: string, answer: KubeAnswer): KubernetesApiError {
  return new KubernetesApiError(`cannot ${what}: ${messageOf(answer)}`, answer.status);
}
