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
    return ready.status !== false && sample.time >= ready.lastTransition + sample.windowMs;
  }
  // Later, a pod that is not ready is left out only where it never was.
  return ready.status !== false || startTime + flags.initialReadinessDelayMs <= ready.lastTransition;
}

export interface Utilization {
  /** Whole per cent of the requests, truncated as the controller does it. */
  readonly percent: number;
  /** Mean use of a pod in milli-units, truncated. */
  readonly average: number;
}

/** Null where nothing is requested: no sample belongs to a known pod. */
export function utilizationOf(values: PodValues, requests: PodValues): Utilization | null {
  let used = 0;
  let requested = 0;
  let pods = 0;
  for (const [pod, value] of values) {
    const request = requests.get(pod);
    if (request === undefined) continue;
    used += value;
    requested += request;
    pods++;
  }
  if (requested === 0) return null;
  return { percent: Math.trunc((used * 100) / requested), average: Math.trunc(used / pods) };
}

/**
 * What each pod requests, in milli-units, or what is missing. Every pod is asked, even one that does not count.
 *
 * A container that a pod does not have requests nothing there; that is no error.
 */
export function requestsOf(
  pods: readonly PodState[],
  resource: string,
  container: string | null,
): Map<string, number> | string {
  const requests = new Map<string, number>();
  for (const pod of pods) {
    const { name, containers = [] } = pod;
    if (container === null && pod.requests !== undefined) {
      const request = pod.requests[resource];
      if (request === undefined) return `missing pod-level request for ${resource} in Pod ${name}`;
      requests.set(name, toMilli(request));
      continue;
    }
    let sum = 0;
    for (const each of containers) {
      if (container !== null && each.name !== container) continue;
      const request = each.requests?.[resource];
      if (request === undefined) return `missing request for ${resource} in container ${each.name} of Pod ${name}`;
      sum += toMilli(request);
    }
    requests.set(name, sum);
  }
  return requests;
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
