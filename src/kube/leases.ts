import { SECOND } from '../model/time.ts';
import { type KubeAnswer, type KubeApi, messageOf } from './api.ts';
import { KubernetesApiError } from './errors.ts';

/** The Leases (coordination.k8s.io/v1) by which the processes of one group know of each other. */
export interface Leases {
  /** Renews this process's own, or makes it where there is none. Resolves once the API server has it. */
  renew(signal?: AbortSignal): Promise<void>;
  /** All of the group, this process's own too, as they are now. */
  list(signal?: AbortSignal): Promise<readonly LeaseRecord[]>;
  /** Removes one unless it has changed since it was listed. One that is gone already is no error. */
  remove(lease: Pick<LeaseRecord, 'name'> & { readonly version?: string }, signal?: AbortSignal): Promise<void>;
  /** The name of this process's own. */
  readonly own: string;
}

export interface LeaseRecord {
  readonly name: string;
  /** Changes with every renewal. */
  readonly version: string;
  readonly durationMs: number;
}

export interface LeasesOptions {
  readonly api: Pick<KubeApi, 'request'>;
  readonly namespace: string;
  /** Processes of other groups share nothing with this one. */
  readonly group: string;
  /** Of this process and run alone: never used again. */
  readonly identity: string;
  readonly durationMs: number;
  /** Wall time, for people who look at the object: nothing is decided by it. */
  readonly now: () => number;
}

const LABEL = 'foresail.dev/group';

export function openLeases({ api, namespace, group, identity, durationMs, now }: LeasesOptions): Leases {
  const folder = `/apis/coordination.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/leases`;
  const own = `foresail-${identity}`;
  const spec = () => ({
    holderIdentity: identity,
    leaseDurationSeconds: Math.ceil(durationMs / SECOND),
    renewTime: microTime(now()),
  });

  return {
    own,
    async renew(signal) {
      const path = `${folder}/${own}`;
      const contentType = 'application/merge-patch+json';
      const patched = await api.request({ method: 'PATCH', path, contentType, body: { spec: spec() } }, signal);
      if (patched.status === 200) return;
      if (patched.status !== 404) throw cannot(`renew the lease ${namespace}/${own}`, patched);
      const body = {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name: own, namespace, labels: { [LABEL]: group } },
        spec: { ...spec(), acquireTime: microTime(now()) },
      };
      const made = await api.request({ method: 'POST', path: folder, body }, signal);
      if (made.status !== 201) throw cannot(`make the lease ${namespace}/${own}`, made);
    },
    async list(signal) {
      const query = { labelSelector: `${LABEL}=${group}` };
      const answer = await api.request({ method: 'GET', path: folder, query }, signal);
      if (answer.status !== 200) throw cannot(`list the leases of ${namespace}`, answer);
      return (answer.body as { items: readonly LeaseObject[] }).items.map(({ metadata, spec }) => ({
        name: metadata.name,
        version: metadata.resourceVersion,
        durationMs: (spec.leaseDurationSeconds ?? 0) * SECOND,
      }));
    },
    async remove({ name, version }, signal) {
      const preconditions = version === undefined ? {} : { preconditions: { resourceVersion: version } };
      const body = { apiVersion: 'v1', kind: 'DeleteOptions', ...preconditions };
      const answer = await api.request({ method: 'DELETE', path: `${folder}/${name}`, body }, signal);
      // 409: it was renewed in between, so somebody still holds it.
      if (![200, 202, 404, 409].includes(answer.status)) throw cannot(`remove the lease ${namespace}/${name}`, answer);
    },
  };
}

interface LeaseObject {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
  readonly spec: { readonly leaseDurationSeconds?: number };
}

function microTime(at: number): string {
  return new Date(at).toISOString().replace('Z', '000Z');
}

function cannot(what: string, answer: KubeAnswer): KubernetesApiError {
  return new KubernetesApiError(`cannot ${what}: ${messageOf(answer)}`, answer.status);
}
