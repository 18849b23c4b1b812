import { MINUTE, type Millis } from '../model/time.ts';

/**
 * The planner's own speed limits. A raised `minReplicas` jumps past the autoscaler's rates, and a lowered one past its
 * stabilization window, so nothing else slows these steps down.
 */
export interface Ramp {
  readonly upRatioPerMinute: number;
  readonly downRatioPerMinute: number;
}

/** A floor and since when it is in force. Newest last. */
export type FloorHistory = readonly { readonly at: Millis; readonly floor: number }[];

/** Binary noise of a ratio must not cost a replica. */
const EPSILON = 1e-9;

/** The highest floor one minute after `base`: at least one replica more. */
export function highestAfterMinute(base: number, { upRatioPerMinute }: Ramp): number {
  return Math.max(base + 1, Math.floor(base * (1 + upRatioPerMinute) + EPSILON));
}

/** The lowest floor one minute after `base`: at least one replica less. */
export function lowestAfterMinute(base: number, { downRatioPerMinute }: Ramp): number {
  return Math.max(0, Math.min(base - 1, Math.ceil(base * (1 - downRatioPerMinute) - EPSILON)));
}

/**
 * The floors within reach now: no minute may see more than its share of change. `history` is not empty, and to stay is
 * always within reach: what somebody else changed within this minute is neither followed nor undone.
 */
export function reachable(history: FloorHistory, ramp: Ramp, now: Millis): { low: number; high: number } {
  const floors = lastMinute(history, now).map(({ floor }) => floor);
  const inForce = floors.at(-1)!;
  return {
    low: Math.min(lowestAfterMinute(Math.max(...floors), ramp), inForce),
    high: Math.max(highestAfterMinute(Math.min(...floors), ramp), inForce),
  };
}

/** How long the way up to `floor` takes, from what was lowest within the last minute. */
export function timeToReach(floor: number, history: FloorHistory, ramp: Ramp, now: Millis): number {
  let reached = Math.min(...lastMinute(history, now).map((entry) => entry.floor));
  let minutes = 0;
  while (reached < floor) {
    reached = highestAfterMinute(reached, ramp);
    minutes++;
  }
  return minutes * MINUTE;
}

/** What was in force at some time in (now - 1 min, now]: the entries of that minute and the one before them. */
function lastMinute(history: FloorHistory, now: Millis): FloorHistory {
  const first = history.findIndex(({ at }) => at > now - MINUTE);
  return first === -1 ? history.slice(-1) : history.slice(Math.max(0, first - 1));
}

/**
 * The history with what is in force now as its newest entry: what the cluster says counts. Where that is what the last
 * plan was to replace, the plan did not come into force. Any other value was set by somebody else, or by a write of
 * which no record was kept, and nobody knows when: it counts as set now.
 */
export function correctedHistory(history: FloorHistory, inForce: number, now: Millis): FloorHistory {
  // After a clock was set back, what lies ahead of it counts as of now.
  const past = history.map((entry) => (entry.at > now ? { at: now, floor: entry.floor } : entry));
  const last = past.at(-1);
  if (last?.floor === inForce) return past;
  const isLost = last !== undefined && last.at > now - MINUTE && past.at(-2)?.floor === inForce;
  if (isLost) return past.slice(0, -1);
  return [...past, { at: now, floor: inForce }];
}

/**
 * The history of a floor that we set, and of which no record is left: any floor may have been in force within this
 * minute, so the first step waits for the next one.
 */
export function unknownHistory(inForce: number, lowest: number, highest: number, now: Millis): FloorHistory {
  return [lowest, highest, inForce].map((floor) => ({ at: now, floor }));
}

/** The history after a plan, as short as the next one needs it. */
export function withFloor(history: FloorHistory, floor: number, now: Millis): FloorHistory {
  const kept = lastMinute(history, now);
  return kept.at(-1)?.floor === floor ? kept : [...kept, { at: now, floor }];
}
