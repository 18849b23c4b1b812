import type { Clock } from '../../model/clock.ts';
import type { KubernetesDiscovery, TargetGroup } from '../../model/scrape-job.ts';

export interface DiscoveryDeps {
  readonly clock: Clock;
  readonly userAgent: string;
  /** Keeps what a cluster has, until aborted. */
  readonly runKubernetes: (
    discovery: KubernetesDiscovery,
    on: Pick<DiscoveryDeps, 'onGroups' | 'onFailure'>,
    signal: AbortSignal,
  ) => Promise<void>;
  /** All groups that there are now, those of before included. */
  readonly onGroups: (groups: readonly TargetGroup[]) => void;
  readonly onFailure: (error: Error) => void;
}
