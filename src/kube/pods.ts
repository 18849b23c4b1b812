import type { PodStart } from '../scaling/lead-time-estimate.ts';
import { type KubeApi, messageOf } from './api.ts';
import { KubernetesApiError } from './errors.ts';

/** A workload by its kind: pods are found by the selector that its scale subresource tells. */
export interface PodOwner {
  readonly namespace: string;
  readonly kind: string;
  readonly name: string;
}

/** Kinds of apps/v1 that have pods of their own. */
const PLURALS: ReadonlyMap<string, string> = new Map([
  ['Deployment', 'deployments'],
  ['StatefulSet', 'statefulsets'],
  ['ReplicaSet', 'replicasets'],
]);

/**
 * How the workload's pods that are ready now came to be so. Two requests, the second answered from the API server's own
 * memory (`resourceVersion=0`): a list some seconds old is as good. Empty for a kind that it does not know.
 * @throws {KubernetesApiError} If the API server refuses, or does not answer.
 */
export async function readPodStarts(
  api: KubeApi,
  { namespace, kind, name }: PodOwner,
  signal?: AbortSignal,
): Promise<readonly PodStart[]> {
  const plural = PLURALS.get(kind);
  if (plural === undefined) return [];
  const folder = encodeURIComponent(namespace);
  const scalePath = `/apis/apps/v1/namespaces/${folder}/${plural}/${encodeURIComponent(name)}/scale`;
  const scale = await ask(api, { method: 'GET', path: scalePath }, signal);
  const labelSelector = (scale as { status?: { selector?: string } } | undefined)?.status?.selector;
  if (labelSelector === undefined || labelSelector === '') return [];
  const query = { labelSelector, resourceVersion: '0' };
  const list = await ask(api, { method: 'GET', path: `/api/v1/namespaces/${folder}/pods`, query }, signal);
  const pods = (list as { items?: readonly Pod[] } | undefined)?.items ?? [];
  return pods.map(startOf).filter((start) => start !== undefined);
}

async function ask(api: KubeApi, call: Parameters<KubeApi['request']>[0], signal?: AbortSignal): Promise<unknown> {
  const answer = await api.request(call, signal);
  if (answer.status === 404) return undefined;
  if (answer.status === 200) return answer.body;
  throw new KubernetesApiError(`cannot read ${call.path}: ${messageOf(answer)}`, answer.status);
}

/** The parts of a pod that tell how it started. */
export interface Pod {
  readonly metadata: {
    readonly uid: string;
    readonly creationTimestamp: string;
    readonly deletionTimestamp?: string;
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
