import { DAY, HOUR, type Millis, SECOND } from '../model/time.ts';

/** How one pod came to be ready. */
export interface PodStart {
  readonly uid: string;
  readonly createdAt: Millis;
  /** From its creation until it had a node. */
  readonly scheduledMs: number;
  /** From its creation until it was ready. */
  readonly readyMs: number;
}

export type LeadTimeEstimate =
  | {
      readonly kind: 'learned';
      /** From the decision to a ready pod: the 0.95 quantile of the starts, and what the autoscaler takes to act. */
      readonly ms: number;
      readonly figures: StartFigures;
    }
  | { readonly kind: 'too-few'; readonly have: number; readonly need: number };

/** What starts of pods took, the older the less they count. */
export interface StartFigures {
  readonly pods: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  /** How long they waited for a node: a long tail is a node that had to be made. */
  readonly scheduledP95Ms: number;
}

/** Fewer say nothing of a tail. */
const LEAST_PODS = 5;
/** A start counts half after a week: images and nodes change. */
const HALF_LIFE_MS = 7 * DAY;
/** The HPA looks at its bounds every 15 s (its default), and the workload's own controller acts at once. */
const REACTION_MS = 15 * SECOND;
/** A new lead time means another window of the forecast: it is rounded up, and does not move for little. */
const ROUNDED_MS = 15 * SECOND;
/** It stays while what was learned since is between this and all of it. */
const STEADY = 0.75;
/** Who became ready after this had trouble of its own, or lost its readiness in between. */
const LONGEST_START_MS = HOUR;
/** Starts that are kept of a workload, the newest. */
export const MOST_STARTS = 200;

/** @param beforeMs The lead time in force, where one was learned. */
export function estimateLeadTime(starts: readonly PodStart[], now: Millis, beforeMs?: number): LeadTimeEstimate {
  if (starts.length < LEAST_PODS) return { kind: 'too-few', have: starts.length, need: LEAST_PODS };
  const weights = starts.map(({ createdAt }) => 2 ** (Math.min(0, createdAt - now) / HALF_LIFE_MS));
  const quantileOf = (values: readonly number[], q: number) => weightedQuantile(values, weights, q);
  const ready = starts.map(({ readyMs }) => readyMs);
  const figures = {
    pods: starts.length,
    p50Ms: quantileOf(ready, 0.5),
    p95Ms: quantileOf(ready, 0.95),
    scheduledP95Ms: quantileOf(
      starts.map(({ scheduledMs }) => scheduledMs),
      0.95,
    ),
  };
  const ms = Math.ceil((figures.p95Ms + REACTION_MS) / ROUNDED_MS) * ROUNDED_MS;
  const stays = beforeMs !== undefined && ms <= beforeMs && ms >= STEADY * beforeMs;
  return { kind: 'learned', ms: stays ? beforeMs : ms, figures };
}

/** The starts with the new ones in: each pod once, as it was seen first, the newest kept. */
export function withStarts(known: readonly PodStart[], seen: readonly PodStart[]): readonly PodStart[] {
  const uids = new Set(known.map(({ uid }) => uid));
  const added = seen.filter(({ uid, readyMs }) => !uids.has(uid) && readyMs >= 0 && readyMs <= LONGEST_START_MS);
  if (added.length === 0) return known;
  return [...known, ...added].sort((a, b) => a.createdAt - b.createdAt).slice(-MOST_STARTS);
}

/** The smallest value that at least `q` of the weight is at or below. */
function weightedQuantile(values: readonly number[], weights: readonly number[], q: number): number {
  const order = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let below = 0;
  for (const i of order) {
    below += weights[i]!;
    if (below >= q * total * (1 - 1e-12)) return values[i]!;
  }
  return values[order.at(-1)!]!;
}
