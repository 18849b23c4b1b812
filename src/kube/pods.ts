import type { PodRevision } from '../model/deploy.ts';
import type { ContainerRequests, RequestsReading, Unknown } from '../scaling/advice/types.ts';
import type { PodStart } from '../scaling/lead-time-estimate.ts';
import { type KubeApi, messageOf } from './api.ts';
import { KubernetesApiError } from './errors.ts';
import { parseQuantity } from './quantity.ts';

/** A workload of any kind that can be scaled: its pods are found by the selector that its scale subresource tells. */
export interface PodOwner {
  readonly namespace: string;
  readonly kind: string;
  readonly name: string;
  /** Default: `apps/v1`. */
  readonly apiVersion?: string;
}

/** The path of a workload's scale subresource; undefined where its kind does not exist or cannot be scaled. */
export type ScalePathOf = (
  target: { readonly apiVersion: string; readonly kind: string; readonly name: string },
  namespace: string,
  signal?: AbortSignal,
) => Promise<string | undefined>;

/**
 * How the workload's pods that are ready now came to be so. Empty for a workload that is gone.
 * @throws {KubernetesApiError} If the API server refuses, or does not answer.
 * @throws {Error} If the workload does not tell which pods are its own.
 */
export async function readPodStarts(
  api: KubeApi,
  scalePathOf: ScalePathOf,
  owner: PodOwner,
  signal?: AbortSignal,
): Promise<readonly PodStart[]> {
  const pods = await listPods(api, scalePathOf, owner, signal);
  if (pods === undefined) {
    const { kind, name } = owner;
    throw new Error(`cannot see how pods of ${kind} ${name} start: its scale subresource tells no selector`);
  }
  return pods.map(startOf).filter((start) => start !== undefined);
}

/**
 * What the workload's newest pod asks for: that needs no right to read the workload itself.
 * @throws {KubernetesApiError} If the API server refuses, or does not answer.
 */
export async function readPodRequests(
  api: KubeApi,
  scalePathOf: ScalePathOf,
  owner: PodOwner,
  signal?: AbortSignal,
): Promise<RequestsReading | Unknown> {
  const { kind, namespace, name } = owner;
  const all = await listPods(api, scalePathOf, owner, signal);
  if (all === undefined) {
    return {
      kind: 'unknown',
      message: `the scale subresource of ${kind} ${namespace}/${name} tells no selector of its pods`,
    };
  }
  const pods = all.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const [first, ...others] = pods;
  if (first === undefined)
    return { kind: 'unknown', message: `the ${kind} ${namespace}/${name} has no pods to read requests of` };
  const createdAt = ({ metadata }: Pod) => Date.parse(metadata.creationTimestamp);
  return requestsOf(others.reduce((newest, pod) => (createdAt(pod) > createdAt(newest) ? pod : newest), first));
}

/** Labels that say which template of its workload a pod was made from. */
const REVISION_LABELS = ['rollouts-pod-template-hash', 'pod-template-hash', 'controller-revision-hash'];

/**
 * The templates that the workload's pods were made from; pods that go away, and those that tell none, are left out.
 * @throws {KubernetesApiError} If the API server refuses, or does not answer.
 */
export async function readPodRevisions(
  api: KubeApi,
  scalePathOf: ScalePathOf,
  owner: PodOwner,
  signal?: AbortSignal,
): Promise<readonly PodRevision[]> {
  const pods = (await listPods(api, scalePathOf, owner, signal)) ?? [];
  return pods.flatMap(({ metadata, spec }) => {
    const { labels = {}, creationTimestamp, deletionTimestamp } = metadata;
    const revision = REVISION_LABELS.map((name) => labels[name]).find((value) => value !== undefined);
    if (revision === undefined || deletionTimestamp !== undefined) return [];
    const images = (spec?.containers ?? []).flatMap(({ image }) => (image === undefined ? [] : [image]));
    return [{ revision, images, createdAt: Date.parse(creationTimestamp) }];
  });
}

/** Of containers, and of init containers that run on beside them: those are what a pod uses for as long as it runs. */
export function requestsOf({ spec }: Pick<Pod, 'spec'>): RequestsReading {
  const { containers = [], initContainers = [] } = spec ?? {};
  const lasting = [...containers, ...initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always')];
  return {
    kind: 'read',
    containers: lasting.map(({ name, resources }): ContainerRequests => {
      const { cpu, memory } = resources?.requests ?? {};
      return { name, cpu: parseQuantity(cpu) ?? null, memory: parseQuantity(memory) ?? null };
    }),
  };
}

/**
 * The pods of a workload. Two requests, the second answered from the API server's own memory (`resourceVersion=0`): a
 * list some seconds old is as good. Empty for a workload that is gone, undefined for one that tells no selector: without
 * one the list would be of every pod in the namespace.
 * @throws {KubernetesApiError} If the API server refuses, or does not answer.
 */
async function listPods(
  api: KubeApi,
  scalePathOf: ScalePathOf,
  { namespace, kind, name, apiVersion = 'apps/v1' }: PodOwner,
  signal?: AbortSignal,
): Promise<readonly Pod[] | undefined> {
  const path = await scalePathOf({ apiVersion, kind, name }, namespace, signal);
  const scale = path === undefined ? undefined : await ask(api, { method: 'GET', path }, signal);
  if (scale === undefined) return [];
  const labelSelector = (scale as { status?: { selector?: string } }).status?.selector ?? '';
  if (labelSelector === '') return undefined;
  const query = { labelSelector, resourceVersion: '0' };
  const podsPath = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`;
  const list = await ask(api, { method: 'GET', path: podsPath, query }, signal);
  return (list as { items?: readonly Pod[] } | undefined)?.items ?? [];
}

async function ask(api: KubeApi, call: Parameters<KubeApi['request']>[0], signal?: AbortSignal): Promise<unknown> {
  const answer = await api.request(call, signal);
  if (answer.status === 404) return undefined;
  if (answer.status === 200) return answer.body;
  throw new KubernetesApiError(`cannot read ${call.path}: ${messageOf(answer)}`, answer.status);
}

interface WireContainer {
  readonly name: string;
  readonly image?: string;
  readonly restartPolicy?: string;
  readonly resources?: { readonly requests?: { readonly cpu?: unknown; readonly memory?: unknown } };
}

/** The parts of a pod that tell how it started, and what it asks for. */
export interface Pod {
  readonly spec?: {
    readonly containers?: readonly WireContainer[];
    readonly initContainers?: readonly WireContainer[];
  };
  readonly metadata: {
    readonly uid: string;
    readonly creationTimestamp: string;
    readonly deletionTimestamp?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly lastTransitionTime?: string | null;
    }[];
    readonly containerStatuses?: readonly { readonly restartCount?: number }[];
  };
}

/**
 * Undefined for a pod that is not ready, goes away, or had a container start again: when it was first ready is not
 * known then.
 */
export function startOf({ metadata, status }: Pod): PodStart | undefined {
  const since = (type: string) => {
    const condition = status?.conditions?.find((one) => one.type === type && one.status === 'True');
    return Date.parse(condition?.lastTransitionTime ?? '');
  };
  const createdAt = Date.parse(metadata.creationTimestamp);
  const readyMs = since('Ready') - createdAt;
  const restarted = status?.containerStatuses?.some(({ restartCount = 0 }) => restartCount > 0) ?? false;
  if (restarted || metadata.deletionTimestamp !== undefined || !(readyMs >= 0)) return undefined;
  const scheduledMs = since('PodScheduled') - createdAt;
  return { uid: metadata.uid, createdAt, readyMs, scheduledMs: scheduledMs >= 0 ? Math.min(scheduledMs, readyMs) : 0 };
}
