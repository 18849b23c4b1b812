import { readFile } from 'node:fs/promises';
import type { Clock } from '../model/clock.ts';
import type { KubernetesDiscovery, KubernetesRole, TargetGroup } from '../model/scrape-job.ts';
import { type KubeApi, type KubeApiOptions, openKubeApi } from './api.ts';
import { type KubeObject, runObjectWatch } from './object-watch.ts';
import { type EndpointSlice, kubernetesGroups, type Node, type Pod, type Service } from './scrape-groups.ts';

export interface KubernetesFinderDeps {
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  /** The cluster of the settings, for jobs that name no kubeconfig. Undefined: there is none. */
  readonly access: KubeApiOptions | undefined;
}

export interface FoundInCluster {
  readonly onGroups: (groups: readonly TargetGroup[]) => void;
  readonly onFailure: (error: Error) => void;
}

/** Changes within so long are taken in together. */
const SETTLE_MS = 100;

const PATHS: Readonly<Record<KubernetesRole, readonly [root: string, resource: string]>> = {
  pod: ['/api/v1', 'pods'],
  service: ['/api/v1', 'services'],
  endpointslice: ['/apis/discovery.k8s.io/v1', 'endpointslices'],
  node: ['/api/v1', 'nodes'],
};

/** Kinds that a role needs beside its own. */
const WITH: Readonly<Record<KubernetesRole, readonly KubernetesRole[]>> = {
  pod: [],
  service: [],
  endpointslice: ['service', 'pod'],
  node: [],
};

/** Kubernetes tells a pod its own namespace there. */
const OWN_NAMESPACE = '/var/run/secrets/kubernetes.io/serviceaccount/namespace';

/** Finds targets in a cluster and follows its changes, until aborted. */
export function kubernetesFinder({ clock, random, access }: KubernetesFinderDeps) {
  return async (discovery: KubernetesDiscovery, on: FoundInCluster, signal: AbortSignal): Promise<void> => {
    const { role, kubeconfig, attachNode } = discovery;
    const options = kubeconfig === undefined ? access : { kubeconfig };
    if (options === undefined) {
      on.onFailure(new Error('there is no cluster: set kubernetes, or kubeconfig_file of the job'));
      return;
    }
    const objects = {
      pod: new Map<string, Pod>(),
      service: new Map<string, Service>(),
      endpointslice: new Map<string, EndpointSlice>(),
      node: new Map<string, Node>(),
    };
    const kinds = new Set([role, ...WITH[role], ...(attachNode ? ['node' as const] : [])]);
    const namespaces = await namespacesOf(discovery);
    await using api = await openKubeApi(options);
    const stop = new AbortController();
    const ends = AbortSignal.any([signal, stop.signal]);
    /** Lists that have not come yet: half a cluster is none. */
    let missing = 0;
    let settling = false;
    const changed = () => {
      if (settling) return;
      settling = true;
      clock.sleep(SETTLE_MS, ends).then(
        () => {
          settling = false;
          if (missing === 0) on.onGroups(kubernetesGroups(role, objects, attachNode));
        },
        () => {},
      );
    };
    const watches = [...kinds].flatMap((kind) => {
      const scopes = kind === 'node' ? [''] : namespaces;
      const byScope = scopes.map((): ReadonlyMap<string, KubeObject> => new Map());
      return scopes.map((namespace, i) => {
        missing++;
        let listed = false;
        return watchKind(api, { kind, namespace, discovery, clock, random, onFailure: on.onFailure }, ends, (found) => {
          if (!listed) missing--;
          listed = true;
          byScope[i] = found;
          const all = new Map(byScope.flatMap((each) => [...each]));
          objects[kind] = all as never;
          changed();
        });
      });
    });
    await Promise.all(watches).finally(() => stop.abort());
  };
}

interface WatchKind {
  readonly kind: KubernetesRole;
  readonly namespace: string;
  readonly discovery: KubernetesDiscovery;
  readonly clock: Clock;
  readonly random: () => number;
  readonly onFailure: (error: Error) => void;
}

function watchKind(
  api: KubeApi,
  { kind, namespace, discovery, ...deps }: WatchKind,
  signal: AbortSignal,
  onChange: (found: ReadonlyMap<string, KubeObject>) => void,
): Promise<void> {
  const [root, resource] = PATHS[kind];
  const path = namespace === '' ? `${root}/${resource}` : `${root}/namespaces/${namespace}/${resource}`;
  const { label = '', field = '' } = discovery.selectors.find(({ role }) => role === kind) ?? {};
  return runObjectWatch({ api, ...deps, path, selector: { label, field }, onChange }, signal);
}

async function namespacesOf({ namespaces, ownNamespace }: KubernetesDiscovery): Promise<readonly string[]> {
  const own = ownNamespace ? [(await readFile(OWN_NAMESPACE, 'utf8')).trim()] : [];
  const all = [...new Set([...own, ...namespaces])];
  return all.length === 0 ? [''] : all;
}
