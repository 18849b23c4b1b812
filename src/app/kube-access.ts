import type { KubernetesAccess } from '../config/load.ts';
import type { KubeApiOptions } from '../kube/api.ts';

/** How the client finds the cluster that the settings name. */
export function kubeAccess(access: Exclude<KubernetesAccess, { kind: 'off' }>): KubeApiOptions {
  if (access.kind === 'inCluster') return {};
  const { path: kubeconfig, context } = access;
  return { kubeconfig, ...(context !== undefined && { context }) };
}
