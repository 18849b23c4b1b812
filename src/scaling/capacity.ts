import { DAY, HOUR, type Millis } from '../model/time.ts';
import { newestRegime } from './capacity-drift.ts';
import { kneeOf } from './capacity-knee.ts';
import type { CapacityPairs } from './capacity-pairs.ts';

/** What is known of the demand that one replica carries. Plain JSON: it is part of a plan's input. */
export type CapacityReading = LearnedCapacity | { readonly kind: 'not-learnable'; readonly why: CapacityObstacle };

export interface LearnedCapacity {
  readonly kind: 'learned';
  /** Demand at which a replica's utilization is the target. */
  readonly perReplica: number;
  /** Pairs that it rests on, and since when: earlier ones were of a replica that carried another load. */
  readonly pairs: number;
  readonly since: Millis;
  /** Root mean square of what the line leaves unexplained, over that of the utilization. */
  readonly error: number;
  /** The largest load that was seen carried: the end of the range in which the line is known to hold. */
  readonly highest: number;
  /** Why `perReplica` is less than the line says: beyond `knee` more load made no replica busier, beyond `range` none was seen. */
  readonly limitedBy?: 'knee' | 'range';
  /** A replica carries so many times what it carried before `since`. Left out where nothing changed. */
  readonly drift?: number;
}

export type CapacityObstacle =
  | { readonly code: 'too-few-pairs'; readonly have: number; readonly need: number }
  | { readonly code: 'unrelated'; readonly error: number }
  | { readonly code: 'saturated'; readonly ratio: number }
  | { readonly code: 'idle'; readonly highest: number; readonly target: number }
  | { readonly code: 'unreadable'; readonly message: string };

/** Four hours of five-minute pairs: less than that is a mood of the day. */
const LEAST_PAIRS = 48;
/** A pair counts half after two days: releases change what a replica carries, and the newest one runs. */
const HALF_LIFE_MS = 2 * DAY;
/** Utilization that the load leaves unexplained to this degree is not about the load. */
const MOST_ERROR = 0.3;
/** A line is not drawn further than this beyond the largest load that it was seen at. */
const REACH = 1.5;
/** A replica that was never busier than this share of the target says too little of the target. */
const LEAST_BUSY = 0.2;
/** Saturated for more of the time than this, there is no line to see. */
const MOST_SATURATED = 0.6;

/**
 * Learns what one replica carries from how busy replicas were: the regression of utilization on load through the
 * origin, with recent pairs weighing more, saturated ones left out, and those of before the last change left out.
 *
 * Through the origin, since a replica without load should not be busy: what it does at rest makes the line steeper at
 * small loads, and the capacity smaller, which errs on the safe side.
 *
 * @param options.target Utilization of a replica that carries all that it should, above 0.
 */
export function learnCapacity(
  all: CapacityPairs,
  { target, now }: { readonly target: number; readonly now: Millis },
): CapacityReading {
  const usable = usablePairs(all, now);
  const obstacle = (why: CapacityObstacle): CapacityReading => ({ kind: 'not-learnable', why });
  const tooFew = (have: number) => obstacle({ code: 'too-few-pairs', have, need: LEAST_PAIRS });
  if (usable.times.length < LEAST_PAIRS) return tooFew(usable.times.length);

  const carried = under(usable, kneeOf(usable)?.load ?? Number.POSITIVE_INFINITY);
  const regime = newestRegime(carried);
  const recent = usable.times.findIndex((time) => time >= regime.since);
  const pairs = slice(usable, Math.max(0, recent));
  if (pairs.times.length < LEAST_PAIRS) return tooFew(pairs.times.length);

  const knee = kneeOf(pairs);
  if (knee !== undefined && knee.saturated > MOST_SATURATED) {
    return obstacle({ code: 'saturated', ratio: knee.saturated });
  }
  const line = under(pairs, knee?.load ?? Number.POSITIVE_INFINITY);
  const { slope, error } = weightedLine(line, now);
  if (!(slope > 0) || error > MOST_ERROR) return obstacle({ code: 'unrelated', error });

  // What was carried before a change counts too, as far as a replica carries now what it did then.
  const before = regime.ratio === undefined ? 0 : Math.min(1, regime.ratio) * highestOf(slice(carried, 0, regime.from));
  const highest = Math.max(highestOf(line), before);
  if (slope * highest < LEAST_BUSY * target) return obstacle({ code: 'idle', highest: slope * highest, target });
  const limits = { line: target / slope, knee: knee?.load ?? Number.POSITIVE_INFINITY, range: REACH * highest };
  const perReplica = Math.min(limits.line, limits.knee, limits.range);
  return {
    kind: 'learned',
    perReplica,
    pairs: line.times.length,
    since: line.times[0]!,
    error,
    highest,
    ...(perReplica < limits.line && { limitedBy: perReplica === limits.knee ? ('knee' as const) : ('range' as const) }),
    ...(regime.ratio !== undefined && { drift: regime.ratio }),
  };
}

/** A new reading that says nearly the same as the last one is the last one: floors must not move for the sake of noise. */
export function steadyCapacity(before: CapacityReading | undefined, next: CapacityReading): CapacityReading {
  if (before?.kind !== 'learned' || next.kind !== 'learned') return next;
  const isSame = Math.abs(next.perReplica / before.perReplica - 1) < STEADY;
  return isSame ? { ...next, perReplica: before.perReplica } : next;
}

const STEADY = 0.03;

/** Why a capacity is not learned, in words. Without the full stop. */
export function obstacleText(why: CapacityObstacle): string {
  const percent = (ratio: number) => `${Number((100 * ratio).toPrecision(2))} %`;
  switch (why.code) {
    case 'too-few-pairs':
      return `${why.have} moments with load, replicas and utilization are known, and ${why.need} are needed`;
    case 'unrelated':
      return `the utilization does not follow the load: ${percent(why.error)} of it are left unexplained`;
    case 'saturated':
      return `replicas were saturated ${percent(why.ratio)} of the time, where utilization says nothing of the load`;
    case 'idle':
      return `replicas were never busier than ${percent(why.highest)}, which says too little of ${percent(why.target)}`;
    case 'unreadable':
      return `the utilization cannot be asked for: ${why.message}`;
  }
}

/** How long pairs are of use: beyond it their weight is a tenth. */
export const CAPACITY_HISTORY_MS = 7 * DAY;
/** Between two pairs. */
export const CAPACITY_STEP_MS = HOUR / 12;

function usablePairs({ times, loads, utilizations }: CapacityPairs, now: Millis): CapacityPairs {
  const kept = [...times.keys()].filter(
    (i) => times[i]! <= now && loads[i]! > TINY && loads[i]! < 1 / TINY && isShare(utilizations[i]!),
  );
  return pick({ times, loads, utilizations }, kept);
}

/** Loads and utilizations beyond these are no measurements, and their squares no numbers. */
const TINY = 1e-12;

function isShare(value: number): boolean {
  return value >= 0 && value < 1 / TINY;
}

function under(pairs: CapacityPairs, load: number): CapacityPairs {
  if (load === Number.POSITIVE_INFINITY) return pairs;
  return pick(
    pairs,
    [...pairs.loads.keys()].filter((i) => pairs.loads[i]! <= load),
  );
}

function slice({ times, loads, utilizations }: CapacityPairs, from: number, to?: number): CapacityPairs {
  const of = (values: Float64Array) => values.subarray(from, to);
  return { times: of(times), loads: of(loads), utilizations: of(utilizations) };
}

function pick({ times, loads, utilizations }: CapacityPairs, kept: readonly number[]): CapacityPairs {
  const of = (values: Float64Array) => Float64Array.from(kept, (i) => values[i]!);
  return { times: of(times), loads: of(loads), utilizations: of(utilizations) };
}

/** But for one in a hundred, which may be a fault of measurement. */
function highestOf({ loads }: CapacityPairs): number {
  return loads.slice().sort()[Math.floor(0.99 * (loads.length - 1))] ?? 0;
}

function weightedLine({ times, loads, utilizations }: CapacityPairs, now: Millis) {
  let xu = 0;
  let xx = 0;
  let uu = 0;
  for (let i = 0; i < times.length; i++) {
    const weight = 2 ** ((times[i]! - now) / HALF_LIFE_MS);
    xu += weight * loads[i]! * utilizations[i]!;
    xx += weight * loads[i]! * loads[i]!;
    uu += weight * utilizations[i]! * utilizations[i]!;
  }
  const slope = xu / xx;
  return { slope, error: uu > 0 ? Math.sqrt(Math.max(0, 1 - (slope * xu) / uu)) : 1 };
}
