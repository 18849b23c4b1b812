import { MINUTE } from '../model/time.ts';
import { phaseOf, seasonBefore, seasonEarlier } from './local-clock.ts';
import type { ModelContext } from './models/model.ts';
import { blockMean, type Track } from './track.ts';

/** Which regressors a series has: fixed at the cold fit by the length of its history. Plain data. */
export interface FeaturePlan {
  readonly recentLags: number;
  /** Steps in an hour where jobs by the minute of the hour can show, else 0. */
  readonly hourly: number;
  /** Ends of the blocks of older lags: [recentLags, ends[0]), [ends[0], ends[1]), … */
  readonly blockEnds: readonly number[];
  readonly cycles: readonly number[];
  /** Half the width of the block that stands for "about five minutes", in steps. */
  readonly halfWidth: number;
  readonly baseCount: number;
  readonly horizonCount: number;
  /** The first origin at which all regressors exist. */
  readonly firstOrigin: number;
}

const BLOCK_ENDS = [18, 24, 36, 72, 144, 288];
const RECENT_LAGS = 12;
/** Neighbours of the same time yesterday, in blocks. */
const AROUND = 2;
/** Seasons behind the mean over earlier seasons. */
const SEASONS_AVERAGED = 7;
const HOURS_AVERAGED = 6;
/** What runs by the clock (on the hour, every ten minutes) moves demand by the part of the hour. */
const HOUR_PARTS = 12;
/** What stands for "in this part": smaller than one, so that the penalty keeps a part's effect modest until it is plain. */
const PART_SIZE = 0.3;

export function planFeatures({ stepMs, cycles, historyLength }: ModelContext): FeaturePlan {
  const recentLags = Math.max(1, Math.min(RECENT_LAGS, Math.floor(historyLength / 16)));
  const blockEnds = BLOCK_ENDS.filter((end) => end > recentLags && end <= historyLength / 6);
  // A week of regressors costs a week of rows: worth it from the third week on.
  const used = cycles.filter((cycle, i) => historyLength >= (i === 0 ? 2.5 : 2.2) * cycle).slice(0, 2);
  const halfWidth = stepMs >= 5 * MINUTE ? 0 : Math.min(5, Math.round((5 * MINUTE) / stepMs / 2));
  const [first, second] = used;
  const hour = Math.round((60 * MINUTE) / stepMs);
  const hourly = hour >= 4 && first !== undefined && historyLength > 12 * hour ? hour : 0;
  return {
    recentLags,
    hourly,
    blockEnds,
    cycles: used,
    halfWidth,
    baseCount:
      (hourly > 0 ? HOUR_PARTS - 1 : 0) +
      recentLags +
      2 +
      blockEnds.length +
      (first === undefined ? 0 : 5) +
      (second === undefined ? 0 : 1),
    horizonCount: (hourly > 0 ? 2 : 0) + (first === undefined ? 0 : 2 * AROUND + 4) + (second === undefined ? 0 : 2),
    firstOrigin: Math.max(recentLags, blockEnds.at(-1) ?? 0, (used.at(-1) ?? 0) + AROUND * (2 * halfWidth + 1)),
  };
}

/**
 * Regressors that do not depend on the horizon, all relative to the last value (so that a shift of level moves the
 * forecast with it): intercept, recent lags, means of older lags, the level itself, time of day, the last seasons now.
 */
export function baseFeatures(plan: FeaturePlan, track: Track, origin: number, out: Float64Array): void {
  const { z } = track;
  const last = z[origin]!;
  let at = 0;
  out[at++] = 1;
  out[at++] = last;
  for (let lag = 1; lag <= plan.recentLags; lag++) out[at++] = z[origin - lag]! - last;
  let from = plan.recentLags;
  for (const end of plan.blockEnds) {
    out[at++] = blockMean(track, origin + 1 - end, origin + 1 - from) - last;
    from = end;
  }
  if (plan.hourly > 0) {
    const part = Math.floor((HOUR_PARTS * phaseOf(track, origin, plan.hourly)) / plan.hourly);
    for (let k = 1; k < HOUR_PARTS; k++) out[at++] = k === part ? PART_SIZE : 0;
  }
  const [first, second] = plan.cycles;
  if (first === undefined) return;
  const angle = (2 * Math.PI * phaseOf(track, origin, first)) / first;
  const cosine = Math.cos(angle);
  const sine = Math.sin(angle);
  out[at++] = cosine;
  out[at++] = sine;
  out[at++] = cosine * cosine - sine * sine;
  out[at++] = 2 * sine * cosine;
  out[at++] = around(plan, track, seasonEarlier(track, origin, first), origin) - last;
  if (second !== undefined) out[at++] = around(plan, track, seasonEarlier(track, origin, second), origin) - last;
}

/** Regressors that belong to one horizon: what earlier seasons were at that time, relative to the last value now. */
export function horizonFeatures(
  plan: FeaturePlan,
  track: Track,
  origin: number,
  horizon: number,
  out: Float64Array,
): void {
  const [first, second] = plan.cycles;
  if (first === undefined) return;
  const last = track.z[origin]!;
  const width = 2 * plan.halfWidth + 1;
  const newest = seasonBefore(track, origin, horizon, first);
  let at = 0;
  for (let k = -AROUND; k <= AROUND; k++) out[at++] = around(plan, track, newest + k * width, origin) - last;
  out[at++] = track.z[Math.max(0, newest)]! - last;
  let sum = 0;
  let count = 0;
  for (let t = newest; count < SEASONS_AVERAGED && t >= 0; t = seasonEarlier(track, t, first)) {
    sum += around(plan, track, t, origin);
    count++;
  }
  out[at++] = sum / count - last;
  const earlier = seasonEarlier(track, newest, first);
  out[at++] = around(plan, track, earlier >= 0 ? earlier : newest, origin) - last;
  if (plan.hourly > 0) {
    const phase = seasonBefore(track, origin, horizon, plan.hourly);
    out[at++] = blockMean(track, phase, phase + 1) - last;
    let hours = 0;
    let known = 0;
    for (let t = phase; known < HOURS_AVERAGED && t >= 0; t = seasonEarlier(track, t, plan.hourly)) {
      hours += track.z[t]!;
      known++;
    }
    out[at++] = hours / known - last;
  }
  if (second === undefined) return;
  const lastWeek = seasonBefore(track, origin, horizon, second);
  out[at++] = around(plan, track, lastWeek, origin) - last;
  const weekBefore = seasonEarlier(track, lastWeek, second);
  out[at++] = around(plan, track, weekBefore >= 0 ? weekBefore : lastWeek, origin) - last;
}

/** The mean of the block around `t`, without what lies after the origin. */
function around({ halfWidth }: FeaturePlan, track: Track, t: number, origin: number): number {
  const end = Math.min(t + halfWidth, origin) + 1;
  return blockMean(track, Math.min(t - halfWidth, end - 1), end);
}
