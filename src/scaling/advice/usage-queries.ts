/** PromQL of what the containers of a workload use: cores and bytes. */
export interface UsageQueries {
  readonly cpu: string;
  readonly memory: string;
}

/** What names of pods are made of (`rand.SafeEncodeString` of k8s.io/apimachinery): no vowels, so they form no words. */
const RANDOM = '[bcdfghjklmnpqrstvwxz2456789]';
const SUFFIXES: Readonly<Record<string, string>> = {
  Deployment: `-${RANDOM}{1,10}-${RANDOM}{5}`,
  ReplicaSet: `-${RANDOM}{5}`,
  StatefulSet: '-[0-9]+',
};

/**
 * cAdvisor's series of the workload's pods, as the kubelet exposes them and Prometheus scrapes them: found by name, since
 * they carry no labels of the workload. Pods of before count too, as they do for the Vertical Pod Autoscaler.
 */
export function usageQueries(
  namespace: string,
  { kind, name }: { readonly kind: string; readonly name: string },
): UsageQueries {
  const suffix = SUFFIXES[kind] ?? '-.+';
  const pods = `${name.replaceAll('.', '\\\\.')}${suffix}`;
  const selector = `{namespace="${namespace}",pod=~"${pods}",container!="",container!="POD"}`;
  return {
    cpu: `sum by (pod, container) (rate(container_cpu_usage_seconds_total${selector}[5m]))`,
    memory: `max by (pod, container) (container_memory_working_set_bytes${selector})`,
  };
}
