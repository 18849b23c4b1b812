import type { WatchedSeries } from '../anomaly/watched-series.ts';
import type { Labels } from '../model/labels.ts';
import { MINUTE, type Millis } from '../model/time.ts';

/** How many replicas workloads have, as far as that is recorded. */
export interface Replicas {
  /** The workload that a series is of; undefined where its labels name none that is known. */
  readonly workloadOf: (labels: Labels) => string | undefined;
  readonly at: (workload: string, time: Millis) => number | undefined;
}

export interface GoneContext {
  readonly time: Millis;
  readonly all: ReadonlyMap<string, WatchedSeries>;
  /** Which group of its watch a series is in. */
  readonly groupOf: (labels: Labels) => string;
  readonly replicas: Replicas | undefined;
}

/**
 * A new member may come so long before the old one has no samples any more, and replicas may fall so long before: pods
 * finish what they have begun, and a rate is known for as long as its window.
 */
const WITHIN_MS = 15 * MINUTE;

/**
 * Why a series has no samples any more, where that is as it should be. `replaced`: as many new ones of its workload or
 * group came as there are gone, those aside that its workload has more; `by` is one of them. `scaled`: its workload has
 * fewer replicas, and not yet as many are gone.
 */
export function whyGone(
  series: WatchedSeries,
  { time, all, groupOf, replicas }: GoneContext,
): { readonly kind: 'replaced'; readonly by: WatchedSeries } | { readonly kind: 'scaled' } | undefined {
  const workload = replicas?.workloadOf(series.labels);
  const group = groupOf(series.labels);
  const isPeer = ({ labels }: WatchedSeries) => groupOf(labels) === group && replicas?.workloadOf(labels) === workload;
  const from = series.alarm.lastAt - WITHIN_MS;
  let [came, scaled] = [0, 0];
  let by: WatchedSeries | undefined;
  for (const other of all.values()) {
    const isScaled = other.hasEnded && !other.isReplaced && other.alarm.lastAt >= from;
    const isNew = other.firstAt >= from && !other.isReplacement;
    if (other === series || (!isScaled && !isNew) || !isPeer(other)) continue;
    if (isScaled) scaled++;
    if (isNew) {
      came++;
      by ??= other;
    }
  }
  const [before, now] = workload === undefined ? [] : [replicas!.at(workload, from), replicas!.at(workload, time)];
  const rise = before === undefined || now === undefined ? 0 : now - before;
  if (by !== undefined && came > Math.max(0, rise)) return { kind: 'replaced', by };
  return -rise > scaled ? { kind: 'scaled' } : undefined;
}
