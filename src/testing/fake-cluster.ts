import type { Announcement, ApplyOutcome, Cluster, Ownership, TargetRef, TargetState } from '../scaling/cluster.ts';

/** A cluster in memory with the API server's rules of field ownership, as far as bounds go. */
export interface FakeCluster extends Cluster {
  /** Another manager sets the minimum, as `kubectl apply` does: the field is its own then. */
  set(name: string, min: number, manager?: string): void;
  state(name: string): TargetState;
  readonly announcements: readonly Announcement[];
  /** Writes that reached the cluster, refused ones included. */
  readonly writes: () => number;
  /** The next applies meet a change that came in between. */
  interfere(times: number): void;
}

interface Entry {
  min: number;
  max: number;
  managers: string[];
  ownership: Ownership | null;
  version: number;
  replicas: number;
}

const OURS = 'foresail';

export function fakeCluster(namespace: string, names: readonly string[], { min = 2, max = 50 } = {}): FakeCluster {
  const entries = new Map<string, Entry>(
    names.map((name) => [
      name,
      { min, max, managers: ['kubectl-client-side-apply'], ownership: null, version: 1, replicas: min },
    ]),
  );
  const announcements: Announcement[] = [];
  let writes = 0;
  let interferences = 0;
  const stateOf = (name: string, entry: Entry): TargetState => ({
    kind: 'found',
    ref: { kind: 'HorizontalPodAutoscaler', namespace, name },
    uid: `uid-${name}`,
    resourceVersion: String(entry.version),
    min: entry.min,
    max: entry.max,
    minManagers: [...entry.managers],
    maxManagers: ['kubectl-client-side-apply'],
    controller: null,
    workload: { kind: 'Deployment', name },
    specReplicas: Math.max(entry.replicas, entry.min),
    statusReplicas: Math.max(entry.replicas, entry.min),
    ownership: entry.ownership,
  });
  const entryOf = (ref: Pick<TargetRef, 'name'>) => entries.get(ref.name);

  return {
    announcements,
    writes: () => writes,
    interfere: (times) => {
      interferences = times;
    },
    state: (name) => stateOf(name, entryOf({ name })!),
    set(name, value, manager = 'kubectl-client-side-apply') {
      const entry = entryOf({ name })!;
      if (entry.min !== value) entry.managers = [manager];
      entry.min = value;
      entry.version++;
    },
    async read(ref) {
      const entry = entryOf(ref);
      if (entry === undefined) return { kind: 'missing', message: `there is no ${ref.namespace}/${ref.name}` };
      return stateOf(ref.name, entry);
    },
    async apply(change): Promise<ApplyOutcome> {
      writes++;
      const entry = entryOf(change.ref);
      if (entry === undefined) return { kind: 'refused', message: 'it is gone' };
      if (interferences > 0) {
        interferences--;
        entry.version++;
      }
      if (change.resourceVersion !== String(entry.version)) return { kind: 'conflict', message: 'it changed' };
      if (change.min > change.max) return { kind: 'refused', message: 'maxReplicas must be at least minReplicas' };
      const others = entry.managers.filter((manager) => manager !== OURS);
      if (change.min !== entry.min && others.length > 0 && !change.force) {
        return { kind: 'owned', managers: others, message: `conflict with ${others}` };
      }
      if (change.ownership === null) entry.managers = [...(entry.ownership?.takenFrom ?? [])];
      else if (change.min !== entry.min) entry.managers = [OURS];
      Object.assign(entry, { min: change.min, max: change.max, ownership: change.ownership });
      entry.version++;
      return { kind: 'applied', resourceVersion: String(entry.version) };
    },
    listOwned: async () =>
      [...entries].filter(([, { ownership }]) => ownership !== null).map(([name, entry]) => stateOf(name, entry)),
    announce: async (_, event) => {
      announcements.push(event);
    },
  };
}
