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
import { type KubeAnswer, type KubeApi, type KubeApiOptions, messageOf, openKubeApi } from './api.ts';
import { KubernetesApiError } from './errors.ts';
import { eventOf } from './event.ts';
import { FIELD_MANAGER, handBack } from './field-ownership.ts';
import {
  applyDocument,
  carriesAnnotation,
  type Hpa,
  hpaPath,
  minOf,
  OWNERSHIP_ANNOTATION,
  ownershipOf,
  type Replicas,
  replicasSeenBy,
  type ScaleTargetRef,
  stateOf,
} from './hpa.ts';

/** Opens the Kubernetes API behind the cluster seam. @throws {KubeconfigError} If there is no usable kubeconfig. */
export async function openKubeCluster(options: KubeApiOptions = {}): Promise<Cluster & AsyncDisposable> {
  const api = await openKubeApi(options);
  const scalePathOf = scalePaths(api);

  return {
    read: (target, signal) => readTarget(api, scalePathOf, target, signal),
    apply: (change, signal) => applyBounds(api, change, signal),
    listOwned: (signal) => listOwned(api, signal),
    announce: (target, event, signal) => announce(api, target, event, signal),
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}

type ScalePathOf = (target: ScaleTargetRef, namespace: string, signal?: AbortSignal) => Promise<string | undefined>;

async function readTarget(
  api: KubeApi,
  scalePathOf: ScalePathOf,
  target: TargetRef,
  signal: AbortSignal | undefined,
): Promise<TargetState | TargetMissing> {
  const hpa = await readHpa(api, target, signal);
  if (hpa === undefined) {
    return { kind: 'missing', message: `there is no HorizontalPodAutoscaler ${target.namespace}/${target.name}` };
  }
  if (carriesAnnotation(hpa) && ownershipOf(hpa) === null) {
    // Its originals stand in there: without them a raised floor would be taken for the owner's own minimum.
    const message = `the annotation ${OWNERSHIP_ANNOTATION} of ${target.namespace}/${target.name} cannot be read: mend it, or set minReplicas as it should be and remove it`;
    return { kind: 'missing', message };
  }
  const { scaleTargetRef } = hpa.spec;
  const path = await scalePathOf(scaleTargetRef, target.namespace, signal);
  const answer = path === undefined ? undefined : await api.request({ method: 'GET', path }, signal);
  if (answer === undefined || answer.status === 404) {
    const workload = `${scaleTargetRef.kind} ${target.namespace}/${scaleTargetRef.name}`;
    return { kind: 'missing', message: `the HorizontalPodAutoscaler scales ${workload}, which does not exist` };
  }
  if (answer.status !== 200) throw cannot(`read ${path}`, answer);
  return stateOf(hpa, replicasOf(answer.body));
}

async function readHpa(api: KubeApi, target: TargetRef, signal: AbortSignal | undefined): Promise<Hpa | undefined> {
  const answer = await api.request({ method: 'GET', path: hpaPath(target) }, signal);
  if (answer.status === 404) return undefined;
  if (answer.status !== 200) throw cannot(`read HorizontalPodAutoscaler ${target.namespace}/${target.name}`, answer);
  return answer.body as Hpa;
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
  const hpa = await readHpa(api, change.ref, signal);
  if (hpa === undefined) return { kind: 'refused', message: 'the HorizontalPodAutoscaler is gone' };
  const { uid, resourceVersion } = hpa.metadata;
  if (uid !== change.uid || resourceVersion !== change.resourceVersion) {
    return {
      kind: 'conflict',
      message: `it changed since it was read (${change.resourceVersion}, now ${resourceVersion})`,
    };
  }
  if (change.ownership !== null) return await sendApply(api, hpa, change, signal);
  const ownership = ownershipOf(hpa);
  if (ownership === null) {
    if (!carriesAnnotation(hpa)) return { kind: 'refused', message: 'it carries no annotation of Foresail to release' };
    return await sendHandBack(api, hpa, { takenFrom: [] }, signal);
  }
  if (change.min === minOf(hpa) && change.max === hpa.spec.maxReplicas) {
    return await sendHandBack(api, hpa, ownership, signal);
  }
  const written = { min: change.min, max: change.max };
  const outcome = await sendApply(api, hpa, { ...change, ownership: { ...ownership, written } }, signal);
  if (outcome.kind !== 'applied') return outcome;
  const after = await readHpa(api, change.ref, signal);
  if (after?.metadata.resourceVersion !== outcome.resourceVersion) {
    return { kind: 'conflict', message: 'it changed between the last write and the hand-back' };
  }
  return await sendHandBack(api, after, ownership, signal);
}

async function sendApply(
  api: KubeApi,
  hpa: Hpa,
  change: BoundsChange,
  signal: AbortSignal | undefined,
): Promise<ApplyOutcome> {
  const call = {
    method: 'PATCH',
    path: hpaPath(change.ref),
    query: { fieldManager: FIELD_MANAGER, force: String(change.force), fieldValidation: 'Strict' },
    // JSON is YAML, and the API server takes no other name for it.
    contentType: 'application/apply-patch+yaml',
    body: applyDocument(hpa, change),
  } as const;
  return outcomeOf(await api.request(call, signal), change.ref);
}

async function sendHandBack(
  api: KubeApi,
  hpa: Hpa,
  ownership: Pick<Ownership, 'takenFrom'>,
  signal: AbortSignal | undefined,
): Promise<ApplyOutcome> {
  const { namespace, name, uid, resourceVersion, managedFields } = hpa.metadata;
  const ref: TargetRef = { kind: 'HorizontalPodAutoscaler', namespace, name };
  const call = {
    method: 'PATCH',
    path: hpaPath(ref),
    query: { fieldManager: FIELD_MANAGER, fieldValidation: 'Strict' },
    contentType: 'application/merge-patch+json',
    body: {
      metadata: {
        uid,
        resourceVersion,
        annotations: { [OWNERSHIP_ANNOTATION]: null },
        managedFields: handBack(managedFields ?? [], ownership),
      },
    },
  } as const;
  return outcomeOf(await api.request(call, signal), ref);
}

function outcomeOf(answer: KubeAnswer, ref: TargetRef): ApplyOutcome {
  const { status, body } = answer;
  if (status === 200) return { kind: 'applied', resourceVersion: (body as Hpa).metadata.resourceVersion };
  const message = messageOf(answer);
  if (status === 409) {
    const managers = conflictingManagers(body);
    return managers.length > 0 ? { kind: 'owned', managers, message } : { kind: 'conflict', message };
  }
  // 429 and 5xx are the API server's own trouble; every other refusal is about this change.
  if (status >= 400 && status < 500 && status !== 401 && status !== 429) return { kind: 'refused', message };
  throw cannot(`change HorizontalPodAutoscaler ${ref.namespace}/${ref.name}`, answer);
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

/** The workload's replicas are taken from the HPA's own status here: a list of many must not ask for each. */
async function listOwned(api: KubeApi, signal: AbortSignal | undefined): Promise<readonly TargetState[]> {
  const owned: TargetState[] = [];
  let page = '';
  do {
    const query = { limit: '500', ...(page !== '' && { continue: page }) };
    const answer = await api.request(
      { method: 'GET', path: '/apis/autoscaling/v2/horizontalpodautoscalers', query },
      signal,
    );
    if (answer.status !== 200) throw cannot('list the HorizontalPodAutoscalers', answer);
    const list = answer.body as { items: readonly Hpa[]; metadata: { continue?: string } };
    for (const hpa of list.items) if (ownershipOf(hpa) !== null) owned.push(stateOf(hpa, replicasSeenBy(hpa)));
    page = list.metadata.continue ?? '';
  } while (page !== '');
  return owned;
}

async function announce(
  api: KubeApi,
  target: TargetRef,
  announcement: Announcement,
  signal: AbortSignal | undefined,
): Promise<void> {
  // `kubectl describe` finds events by the object's uid, so the object is read first.
  const hpa = await readHpa(api, target, signal);
  if (hpa === undefined) return;
  const path = `/apis/events.k8s.io/v1/namespaces/${encodeURIComponent(target.namespace)}/events`;
  const answer = await api.request({ method: 'POST', path, body: eventOf(hpa, announcement, new Date()) }, signal);
  if (answer.status !== 201) throw cannot(`write an event for ${target.namespace}/${target.name}`, answer);
}

/**
 * Finds the path of a workload's scale subresource through API discovery, asked once for each group and version.
 * Undefined where the kind does not exist or cannot be scaled.
 */
function scalePaths(api: KubeApi): ScalePathOf {
  const known = new Map<string, ReadonlyMap<string, string>>();
  return async ({ apiVersion = 'v1', kind, name }, namespace, signal) => {
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
