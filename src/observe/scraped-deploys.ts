import type { Deploy } from '../model/deploy.ts';
import { labelValue } from '../model/labels.ts';
import { MINUTE, SECOND, type TimeRange } from '../model/time.ts';
import type { Evaluator } from '../storage/storage.ts';

const WITHIN_MS = 5 * SECOND;
/** One that the pods have told and kube-state-metrics, too, with clocks of their own. */
const SAME_WITHIN_MS = 5 * MINUTE;

/**
 * Deploys as kube-state-metrics tells them, where it is scraped: a Deployment's new template is a new ReplicaSet. One
 * that goes back to an earlier template is not among them.
 */
export async function readScrapedDeploys(
  evaluator: Pick<Evaluator, 'instant'>,
  { start, end }: TimeRange,
): Promise<readonly Deploy[]> {
  const made = `max by (namespace, replicaset) (kube_replicaset_created) >= ${start / SECOND}`;
  const owner = 'max by (namespace, replicaset, owner_name) (kube_replicaset_owner{owner_kind=~"Deployment|Rollout"})';
  const query = `(${made}) * on (namespace, replicaset) group_left (owner_name) ${owner}`;
  const { value } = await evaluator.instant(query, end, { signal: AbortSignal.timeout(WITHIN_MS) });
  if (value.kind !== 'vector') return [];
  return value.samples.flatMap(({ labels, value: seconds }) => {
    const workload = labelValue(labels, 'owner_name');
    const at = seconds * SECOND;
    if (!(at >= start && at <= end)) return [];
    const revision = labelValue(labels, 'replicaset').replace(`${workload}-`, '');
    return [{ namespace: labelValue(labels, 'namespace'), workload, revision, images: [], at }];
  });
}

/** What the pods tell names images; of what both tell, it is kept. */
export function mergedDeploys(ofPods: readonly Deploy[], scraped: readonly Deploy[]): readonly Deploy[] {
  const isKnown = ({ namespace, workload, revision, at }: Deploy) =>
    ofPods.some(
      (each) =>
        each.namespace === namespace &&
        each.workload === workload &&
        each.revision === revision &&
        Math.abs(each.at - at) <= SAME_WITHIN_MS,
    );
  return [...ofPods, ...scraped.filter((deploy) => !isKnown(deploy))].sort((a, b) => a.at - b.at);
}
