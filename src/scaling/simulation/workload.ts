import { MINUTE, type Millis } from '../../model/time.ts';
import { drawFrom, type Spread } from './spread.ts';

/** The pods of one simulated workload: how many are asked for, and when each is ready. */
export interface SimulatedWorkload {
  readonly replicas: () => number;
  readonly ready: (now: Millis) => number;
  /** New pods are ready after their start-up time. Starting pods go first, then the youngest, as a ReplicaSet deletes them. */
  scale(replicas: number, now: Millis): void;
}

export interface WorkloadTimes {
  /** From a pod's creation to Ready, once there is a node with room. */
  readonly startUp: Spread;
  /** Where nodes come and go with the pods. */
  readonly nodes?: NodeTimes;
  /** Numbers of [0, 1). */
  readonly random: () => number;
}

export interface NodeTimes {
  /** From the first pod without room to a node that takes it. */
  readonly delay: Spread;
  readonly podsPerNode: number;
}

/** The cluster autoscaler's default of `--scale-down-unneeded-time`. */
const NODE_KEPT_MS = 10 * MINUTE;

export function simulatedWorkload(replicas: number, times: WorkloadTimes, now: Millis): SimulatedWorkload {
  const { startUp, random } = times;
  const roomFor = nodePool(replicas, times, now);
  /** When each pod is ready, the youngest last. */
  const readyAt: Millis[] = Array.from({ length: replicas }, () => now);
  /** The last count of ready pods, and from when until when it holds. */
  let counted = { from: now, until: now, ready: replicas };

  const count = (t: Millis) => {
    let ready = 0;
    let until = Number.POSITIVE_INFINITY;
    for (const at of readyAt) {
      if (at <= t) ready++;
      else until = Math.min(until, at);
    }
    counted = { from: t, until, ready };
    return ready;
  };

  /** The youngest of the pods that are not ready, or else the youngest. */
  const remove = (t: Millis) => {
    const starting = readyAt.findLastIndex((at) => at > t);
    readyAt.splice(starting === -1 ? readyAt.length - 1 : starting, 1);
  };

  return {
    replicas: () => readyAt.length,
    ready: (t) => (t >= counted.from && t < counted.until ? counted.ready : count(t)),
    scale: (wanted, t) => {
      while (readyAt.length > wanted) remove(t);
      while (readyAt.length < wanted) {
        const placed = roomFor(readyAt.length, t);
        readyAt.push(placed + drawFrom(startUp, random));
      }
      roomFor(Math.max(0, readyAt.length - 1), t);
      count(t);
    },
  };
}

/** Tells when there is room for the pod of this index: at once, or when the node that is made for it is there. */
function nodePool(replicas: number, { nodes, random }: WorkloadTimes, start: Millis) {
  if (nodes === undefined) return (_index: number, now: Millis) => now;
  const { delay, podsPerNode } = nodes;
  /** When each node is there, and since when it has been empty. */
  const pool: { readonly at: Millis; emptySince: Millis | null }[] = [];
  for (let i = 0; i < Math.ceil(replicas / podsPerNode); i++) pool.push({ at: start, emptySince: null });
  return (index: number, now: Millis) => {
    while (pool.length > 0 && now - (pool.at(-1)!.emptySince ?? now) >= NODE_KEPT_MS) pool.pop();
    const needed = Math.floor(index / podsPerNode) + 1;
    while (pool.length < needed) pool.push({ at: now + drawFrom(delay, random), emptySince: null });
    for (const [i, node] of pool.entries()) node.emptySince = i < needed ? null : (node.emptySince ?? now);
    return Math.max(now, pool[needed - 1]!.at);
  };
}
