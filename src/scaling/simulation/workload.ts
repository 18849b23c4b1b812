import type { Millis } from '../../model/time.ts';

/** The pods of one simulated workload: how many are asked for, and when each is ready. */
export interface SimulatedWorkload {
  readonly replicas: () => number;
  readonly ready: (now: Millis) => number;
  /** New pods are ready after the start-up time. Starting pods go first, then the youngest, as a ReplicaSet deletes them. */
  scale(replicas: number, now: Millis): void;
}

export function simulatedWorkload(replicas: number, startUpMs: number, now: Millis): SimulatedWorkload {
  /** Ascending: a pod that was asked for later is ready later. */
  const readyAt: Millis[] = Array.from({ length: replicas }, () => now);
  return {
    replicas: () => readyAt.length,
    ready: (t) => {
      let starting = 0;
      while (starting < readyAt.length && readyAt[readyAt.length - 1 - starting]! > t) starting++;
      return readyAt.length - starting;
    },
    scale: (wanted, t) => {
      while (readyAt.length > wanted) readyAt.pop();
      while (readyAt.length < wanted) readyAt.push(t + startUpMs);
    },
  };
}
