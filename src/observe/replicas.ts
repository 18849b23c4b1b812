import { type Labels, labelValue } from '../model/labels.ts';
import { MINUTE, type Millis, type TimeRange } from '../model/time.ts';
import type { Evaluator } from '../storage/storage.ts';
import { REPLICAS } from './workload-state.ts';

/** Before a range, so that what changed shortly before it is seen. */
const BEFORE_MS = 20 * MINUTE;
const MOST_STEPS = 1000;
const WORKLOAD_LABELS = ['workload', 'deployment', 'statefulset'];
const QUERY = `max by (namespace, workload) (
  ${REPLICAS}
  or label_replace(kube_deployment_spec_replicas, "workload", "$1", "deployment", "(.+)")
  or label_replace(kube_statefulset_replicas, "workload", "$1", "statefulset", "(.+)")
)`;

/** How many replicas the tenant's workloads had: as policies recorded it, and as kube-state-metrics told it. */
export async function readReplicas(evaluator: Pick<Evaluator, 'range'>, { start, end }: TimeRange) {
  const stepMs = Math.max(MINUTE, Math.ceil((end - start) / MOST_STEPS / MINUTE) * MINUTE);
  const from = Math.floor((start - BEFORE_MS) / stepMs) * stepMs;
  const range = { start: from, end: Math.max(from, end), stepMs };
  const { value } = await evaluator.range(QUERY, range, { signal: AbortSignal.timeout(10_000) });
  const known = new Map<string, Float64Array>();
  const steps = Math.floor((range.end - from) / stepMs) + 1;
  for (const { labels, times, values } of value.kind === 'matrix' ? value.series : []) {
    const counts = new Float64Array(steps).fill(Number.NaN);
    for (const [i, time] of times.entries()) counts[Math.round((time - from) / stepMs)] = values[i]!;
    known.set(`${labelValue(labels, 'namespace')}/${labelValue(labels, 'workload')}`, counts);
  }
  return {
    /** By a label of its name, or by the name of a pod, which begins with it. */
    workloadOf(labels: Labels): string | undefined {
      const namespace = labelValue(labels, 'namespace');
      for (const name of WORKLOAD_LABELS) {
        const workload = `${namespace}/${labelValue(labels, name)}`;
        if (known.has(workload)) return workload;
      }
      let pod = labelValue(labels, 'pod');
      for (let cut = pod.lastIndexOf('-'); cut > 0; cut = pod.lastIndexOf('-')) {
        pod = pod.slice(0, cut);
        if (known.has(`${namespace}/${pod}`)) return `${namespace}/${pod}`;
      }
      return undefined;
    },
    at(workload: string, time: Millis): number | undefined {
      const count = known.get(workload)?.[Math.floor((time - from) / stepMs)];
      return count === undefined || Number.isNaN(count) ? undefined : count;
    },
  };
}
