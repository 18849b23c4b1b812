import { MINUTE, type Millis, SECOND } from '../model/time.ts';
import { reconcile } from '../scaling/hpa/reconcile.ts';
import { type HpaState, NEW_HPA } from '../scaling/hpa/types.ts';
import type { BoundsObject } from './bounds-object.ts';
import { hashed } from './noise.ts';
import type { DemoWorkload } from './workloads.ts';

/** A deployment in memory: its pods, oldest first, and what the HPA controller remembers of it. */
export interface SimulatedDeployment {
  readonly pods: readonly { readonly readyAt: Millis }[];
  readonly hpa: HpaState;
}

export interface Autoscaled {
  readonly workload: DemoWorkload;
  readonly object: BoundsObject;
  readonly firstStart: Millis;
}

/** What the HPA sees is the mean of the last minute, half a minute late: the usual lag of a metrics pipeline. */
const METRIC_LAG = 30 * SECOND;

/** A deployment that has been running: `replicas` of an earlier run, else as many as the HPA would have by now. */
export function newDeployment(autoscaled: Autoscaled, now: Millis, replicas?: number): SimulatedDeployment {
  const { workload, object } = autoscaled;
  const { perReplica, hpa } = workload;
  const fitting = Math.ceil(seenDemand(autoscaled, now) / (perReplica * hpa.targetUtilization));
  const count = Math.min(object.max, Math.max(object.min, replicas ?? fitting));
  return { pods: Array.from({ length: count }, () => ({ readyAt: now })), hpa: NEW_HPA };
}

/** One pass of the HPA controller, and what the deployment makes of it: the youngest pods go first. */
export function syncDeployment(
  deployment: SimulatedDeployment,
  autoscaled: Autoscaled,
  now: Millis,
): SimulatedDeployment {
  const { workload, object } = autoscaled;
  const averageValue = workload.perReplica * workload.hpa.targetUtilization;
  const count = deployment.pods.length;
  const { state, desired } = reconcile(
    deployment.hpa,
    {
      minReplicas: object.min,
      maxReplicas: object.max,
      metrics: [{ type: 'External', name: 'requests_per_second', target: { averageValue } }],
    },
    {
      specReplicas: count,
      statusReplicas: count,
      // An external metric with an average value is divided by the replica count alone.
      pods: [],
      metrics: [{ kind: 'values', values: [seenDemand(autoscaled, now)] }],
    },
    now,
  );
  const started = Array.from({ length: Math.max(0, desired - count) }, (_, i) => ({
    readyAt: now + workload.startUpMs * (0.85 + 0.3 * hashed(71, now + i)),
  }));
  return { pods: [...deployment.pods.slice(0, desired), ...started], hpa: state };
}

function seenDemand({ workload, firstStart }: Autoscaled, now: Millis): number {
  const end = now - METRIC_LAG;
  let sum = 0;
  for (let ago = 0; ago < 4; ago++) sum += workload.demandRps(end - (ago * MINUTE) / 4, firstStart);
  return sum / 4;
}
