import type { Announcement } from '../scaling/cluster.ts';
import type { PolicyStatus } from '../scaling/policy-status.ts';
import { type KubeApi, messageOf } from './api.ts';
import { KubernetesApiError } from './errors.ts';
import { eventAbout } from './event.ts';

/** Which custom resource: the one of this uid, and no later one of its name. */
export interface PolicyResourceId {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly apiVersion: string;
}

/** Not the manager of bounds: the two own different objects. */
const STATUS_MANAGER = 'foresail-status';

/**
 * Applies a status, whole, to the status subresource.
 * @returns Whether the resource is still there.
 * @throws {KubernetesApiError} If the API server refused or did not answer.
 */
export async function writePolicyStatus(
  api: Pick<KubeApi, 'request'>,
  { namespace, name, uid, apiVersion }: PolicyResourceId,
  status: PolicyStatus,
  signal: AbortSignal,
): Promise<'written' | 'gone'> {
  const path = `/apis/${apiVersion}/namespaces/${encodeURIComponent(namespace)}/scalingpolicies/${encodeURIComponent(name)}/status`;
  const answer = await api.request(
    {
      method: 'PATCH',
      path,
      query: { fieldManager: STATUS_MANAGER, force: 'true', fieldValidation: 'Strict' },
      contentType: 'application/apply-patch+yaml',
      body: { apiVersion, kind: 'ScalingPolicy', metadata: { name, namespace, uid }, status },
    },
    signal,
  );
  if (answer.status === 200) return 'written';
  // A conflict is one of uids: the resource was deleted and made again.
  if (answer.status === 404 || answer.status === 409) return 'gone';
  const message = `cannot write the status of ${namespace}/${name}: ${messageOf(answer)}`;
  throw new KubernetesApiError(message, answer.status);
}

/** Tells people at the resource itself, as `kubectl describe` shows it. */
export async function announceAtPolicy(
  api: Pick<KubeApi, 'request'>,
  { namespace, name, uid, apiVersion }: PolicyResourceId,
  announcement: Announcement,
  signal: AbortSignal,
): Promise<void> {
  const path = `/apis/events.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/events`;
  const regarding = { apiVersion, kind: 'ScalingPolicy', namespace, name, uid };
  const body = eventAbout(regarding, 'ReadPolicy', announcement, new Date());
  const answer = await api.request({ method: 'POST', path, body }, signal);
  if (answer.status === 201) return;
  throw new KubernetesApiError(`cannot write an event for ${namespace}/${name}: ${messageOf(answer)}`, answer.status);
}
