import {
  type Announcement,
  type ApplyOutcome,
  type Cluster,
  type Ownership,
  type TargetRef,
  type TargetState,
  targetKey,
} from '../scaling/cluster.ts';
import type { TargetPause } from '../scaling/plan-types.ts';

/**
 * A cluster in memory with the API server's rules of field ownership, as far as bounds go. Targets are named by their
 * keys: `web` is an HPA, `ScaledObject:web` is one that KEDA scales from and to zero.
 */
export interface FakeCluster extends Cluster {
  /** Another manager sets the minimum, as `kubectl apply` does: the field is its own then, or shared at the same value. */
  set(name: string, min: number, manager?: string): void;
  setMax(name: string, max: number): void;
  /** The workload's own replicas, where no bound moves them. */
  setReplicas(name: string, replicas: number): void;
  /** A person pauses a ScaledObject by annotation, or ends that. */
  pause(name: string, pause: TargetPause | undefined): void;
  /** The object is deleted and made again: another uid, nothing of ours. */
  recreate(name: string): void;
  state(name: string): TargetState;
  readonly announcements: readonly Announcement[];
  /** Writes that reached the cluster, refused ones included. */
  readonly writes: () => number;
  /** The next applies meet a change that came in between. */
  interfere(times: number): void;
}

interface Entry {
  uid: string;
  min: number;
  max: number;
  managers: string[];
  ownership: Ownership | null;
  version: number;
  replicas: number;
  pause: TargetPause | undefined;
}

const OURS = 'foresail';
const FIRST_MANAGER = 'kubectl-client-side-apply';

/** What a key of a target says. */
export function targetOfKey(key: string): Pick<TargetRef, 'kind' | 'name'> {
  const [name, ...kind] = key.split(':').reverse();
  return { kind: kind.length === 0 ? 'HorizontalPodAutoscaler' : 'ScaledObject', name: name! };
}

/** The minimum that each kind begins with: a ScaledObject without one has 0. */
export function firstMin(key: string, min = 2): number {
  return targetOfKey(key).kind === 'ScaledObject' ? 0 : min;
}

export function fakeCluster(
  namespace: string,
  names: readonly string[],
  { min: given = 2, max = 50 } = {},
): FakeCluster {
  let made = 0;
  const newEntry = (name: string): Entry => {
    const uid = `uid-${name}-${made++}`;
    const min = firstMin(name, given);
    // Nobody holds what is not set.
    const managers = min === 0 ? [] : [FIRST_MANAGER];
    return { uid, min, max, managers, ownership: null, version: made, replicas: min, pause: undefined };
  };
  const entries = new Map<string, Entry>(names.map((name) => [name, newEntry(name)]));
  const announcements: Announcement[] = [];
  let writes = 0;
  let interferences = 0;
  const stateOf = (name: string, entry: Entry): TargetState => {
    const ref = { ...targetOfKey(name), namespace };
    const isKeda = ref.kind === 'ScaledObject';
    const sleeps = entry.replicas === 0 && !(isKeda && entry.min > 0);
    const replicas = sleeps ? 0 : Math.min(Math.max(entry.replicas, entry.min), entry.max);
    return {
      kind: 'found',
      ref,
      uid: entry.uid,
      resourceVersion: String(entry.version),
      min: entry.min,
      max: entry.max,
      minManagers: [...entry.managers],
      maxManagers: [FIRST_MANAGER],
      controller: null,
      workload: { kind: 'Deployment', name: ref.name },
      specReplicas: replicas,
      statusReplicas: replicas,
      ownership: entry.ownership,
      ...(entry.pause !== undefined && { pause: entry.pause }),
      ...(isKeda && { wakesFromZero: true as const }),
    };
  };
  const entryOf = (ref: Pick<TargetRef, 'kind' | 'name'>) => entries.get(targetKey(ref));

  return {
    announcements,
    writes: () => writes,
    interfere: (times) => {
      interferences = times;
    },
    state: (name) => stateOf(name, entries.get(name)!),
    set(name, value, manager = FIRST_MANAGER) {
      const entry = entries.get(name)!;
      if (entry.min !== value) entry.managers = [manager];
      else if (!entry.managers.includes(manager)) entry.managers.push(manager);
      entry.min = value;
      entry.version++;
    },
    setMax(name, value) {
      const entry = entries.get(name)!;
      entry.max = value;
      entry.version++;
    },
    setReplicas(name, replicas) {
      entries.get(name)!.replicas = replicas;
    },
    pause(name, pause) {
      entries.get(name)!.pause = pause;
      entries.get(name)!.version++;
    },
    recreate(name) {
      entries.set(name, newEntry(name));
    },
    async read(ref) {
      const entry = entryOf(ref);
      if (entry === undefined) return { kind: 'missing', message: `there is no ${ref.namespace}/${ref.name}` };
      return stateOf(targetKey(ref), entry);
    },
    async apply(change): Promise<ApplyOutcome> {
      writes++;
      const entry = entryOf(change.ref);
      if (entry === undefined) return { kind: 'refused', message: 'it is gone' };
      if (interferences > 0) {
        interferences--;
        entry.version++;
      }
      if (change.uid !== entry.uid || change.resourceVersion !== String(entry.version)) {
        return { kind: 'conflict', message: 'it changed' };
      }
      if (change.min > change.max) return { kind: 'refused', message: 'maxReplicas must be at least minReplicas' };
      const others = entry.managers.filter((manager) => manager !== OURS);
      if (change.min !== entry.min && others.length > 0 && !change.force) {
        return { kind: 'owned', managers: others, message: `conflict with ${others}` };
      }
      if (change.ownership === null)
        entry.managers = others.length > 0 ? others : [...(entry.ownership?.takenFrom ?? [])];
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
