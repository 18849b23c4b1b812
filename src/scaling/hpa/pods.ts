import type { Millis } from '../../model/time.ts';
import type { ControllerFlags, PodSample, PodState } from './types.ts';

/** Milli-units by pod, as the controller counts them. */
export type PodValues = ReadonlyMap<string, number>;

export interface PodGroups {
  readonly ready: number;
  /** Starting, or not yet trusted: counted as idle on a scale up. */
  readonly unready: readonly string[];
  /** No sample: counted as idle on a scale up, as full on a scale down. */
  readonly missing: readonly string[];
  /** Going away: not counted at all. */
  readonly ignored: readonly string[];
}

/** Kubernetes quantities are read as `MilliValue()`, which rounds up. The inner rounding takes off binary noise first. */
export function toMilli(value: number): number {
  return Math.ceil(Math.round(value * 1e6) / 1e3);
}

/** Sorts the pods into those that count and those that do not. Readiness matters for the resource `cpu` alone. */
export function groupPods(
  pods: readonly PodState[],
  samples: ReadonlyMap<string, PodSample>,
  resource: string | null,
  now: Millis,
  flags: ControllerFlags,
): PodGroups {
  let ready = 0;
  const unready: string[] = [];
  const missing: string[] = [];
  const ignored: string[] = [];
  for (const pod of pods) {
    const sample = samples.get(pod.name);
    if (pod.deleting === true || pod.phase === 'Failed') ignored.push(pod.name);
    else if (pod.phase === 'Pending') unready.push(pod.name);
    else if (sample === undefined) missing.push(pod.name);
    else if (resource === 'cpu' && !countsForCpu(pod, sample, now, flags)) unready.push(pod.name);
    else ready++;
  }
  return { ready, unready, missing, ignored };
}

function countsForCpu(pod: PodState, sample: PodSample, now: Millis, flags: ControllerFlags): boolean {
  const { ready, startTime } = pod;
  if (ready === undefined || startTime === undefined) return false;
  if (startTime + flags.cpuInitializationPeriodMs > now) {
    // While it starts, a sample counts only when its whole window lies after the pod became ready.
    return ready.status && sample.time >= ready.lastTransition + sample.windowMs;
  }
  // Later, a pod that is not ready is left out only where it never was.
  return ready.status || startTime + flags.initialReadinessDelayMs <= ready.lastTransition;
}

/** Whole per cent of the requests, as the controller truncates it; null where no sample belongs to a known pod. */
export function utilizationOf(values: PodValues, requests: PodValues): number | null {
  let used = 0;
  let requested = 0;
  for (const [pod, value] of values) {
    const request = requests.get(pod);
    if (request === undefined) continue;
    used += value;
    requested += request;
  }
  return requested === 0 ? null : Math.trunc((used * 100) / requested);
}

/** The mean in milli-units, truncated. */
export function averageOf(values: PodValues): number {
  let sum = 0;
  for (const value of values.values()) sum += value;
  return Math.trunc(sum / values.size);
}

/** Pods whose traffic an Object or External `value` is divided by. A pod that is going away but still ready counts. */
export function readyRunning(pods: readonly PodState[]): number {
  return pods.filter((pod) => pod.phase === 'Running' && pod.ready?.status === true).length;
}
