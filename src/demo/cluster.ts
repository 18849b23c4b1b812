import type { Clock } from '../model/clock.ts';
import type { Millis } from '../model/time.ts';
import type { Announcement, Cluster, TargetRef, TargetState } from '../scaling/cluster.ts';
import { applyChange, type BoundsObject, formatRef, newBoundsObject } from './bounds-object.ts';
import { newDeployment, type SimulatedDeployment, syncDeployment } from './deployment.ts';
import type { DemoWorkload } from './workloads.ts';

/** What survives a restart of the demo. Plain JSON. */
export interface SavedCluster {
  readonly targets: readonly { readonly object: BoundsObject; readonly replicas: number }[];
}

export interface BoundsMove {
  readonly ref: TargetRef;
  readonly at: Millis;
  readonly before: { readonly min: number; readonly max: number };
  readonly after: { readonly min: number; readonly max: number };
}

export interface DemoClusterOptions {
  readonly workloads: readonly DemoWorkload[];
  readonly firstStart: Millis;
  readonly clock: Clock;
  readonly saved?: SavedCluster | undefined;
  readonly onMove?: (move: BoundsMove) => void;
  readonly onAnnouncement?: (target: TargetRef, event: Announcement) => void;
}

/** The cluster stand-in: deployments and HPAs in memory, moved by the faithful HPA model in real time. */
export interface DemoCluster extends Cluster {
  /** One pass of the HPA controller over every workload. */
  sync(): void;
  /** Each workload as it is now, for the demo's own gauges. */
  readonly states: () => readonly TargetState[];
  readonly ready: (target: TargetRef) => number;
  readonly save: () => SavedCluster;
}

interface Entry {
  readonly workload: DemoWorkload;
  object: BoundsObject;
  deployment: SimulatedDeployment;
}

/** Builds the stand-in; `saved` continues where an earlier run stopped. */
export function openDemoCluster(options: DemoClusterOptions): DemoCluster {
  const { clock, firstStart } = options;
  const entries = options.workloads.map((workload) => entryOf(workload, options));
  const find = (ref: TargetRef) => entries.find(({ object }) => formatRef(object.ref) === formatRef(ref));

  return {
    async read(target) {
      const entry = find(target);
      if (entry !== undefined) return stateOf(entry);
      return { kind: 'missing', message: `there is no HorizontalPodAutoscaler ${formatRef(target)}` };
    },
    async apply(change) {
      const entry = find(change.ref);
      if (entry === undefined) return { kind: 'refused', message: 'the HorizontalPodAutoscaler is gone' };
      const { object, outcome } = applyChange(entry.object, change);
      const before = { min: entry.object.min, max: entry.object.max };
      const after = { min: object.min, max: object.max };
      entry.object = object;
      const moved = before.min !== after.min || before.max !== after.max;
      if (moved) options.onMove?.({ ref: object.ref, at: clock.now(), before, after });
      return outcome;
    },
    listOwned: async () => entries.filter(({ object }) => object.ownership !== null).map(stateOf),
    announce: async (target, event) => options.onAnnouncement?.(target, event),

    sync() {
      for (const entry of entries) {
        const now = clock.now();
        const before = entry.deployment.pods.length;
        entry.deployment = syncDeployment(entry.deployment, { ...entry, firstStart }, now);
        // The controller writes the HPA's status, so its version moves on: a stale apply conflicts, as it would there.
        if (entry.deployment.pods.length !== before)
          entry.object = { ...entry.object, version: entry.object.version + 1 };
      }
    },
    states: () => entries.map(stateOf),
    ready: (target) => find(target)?.deployment.pods.filter((pod) => pod.readyAt <= clock.now()).length ?? 0,
    save: () => ({ targets: entries.map(({ object, deployment }) => ({ object, replicas: deployment.pods.length })) }),
  };
}

function entryOf(workload: DemoWorkload, { saved, clock, firstStart }: DemoClusterOptions): Entry {
  const fresh = newBoundsObject(workload);
  const kept = saved?.targets.find(({ object }) => formatRef(object.ref) === formatRef(fresh.ref));
  const object = kept?.object ?? fresh;
  return { workload, object, deployment: newDeployment({ workload, object, firstStart }, clock.now(), kept?.replicas) };
}

function stateOf({ object, deployment }: Entry): TargetState {
  const { version, ...rest } = object;
  const replicas = deployment.pods.length;
  return {
    kind: 'found',
    ...rest,
    resourceVersion: String(version),
    controller: null,
    workload: { kind: 'Deployment', name: object.ref.name },
    specReplicas: replicas,
    statusReplicas: replicas,
  };
}
