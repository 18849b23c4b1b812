import { MINUTE } from '../model/time.ts';
import { phaseOf, seasonBefore, seasonEarlier } from './local-clock.ts';
import type { ModelContext } from './models/model.ts';
import { createRecall, recallOf, slotOf } from './recall.ts';
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
/** Ends of the blocks before the same time yesterday, in blocks of five minutes: what yesterday's last hour was like. */
const YESTERDAY_ENDS = [1, 2, 3, 6, 12];
/** Blocks in the last hour (or in the last twelve steps, where steps are longer). */
const HOUR_BLOCKS = 12;
/** What runs by the clock (on the hour, every ten minutes) moves demand by the part of the hour. */
const HOUR_PARTS = 12;
/** What stands for "in this part": smaller than one, so that the penalty keeps a part's effect modest until it is plain. */
const PART_SIZE = 0.3;

/**
 * Regressors by origin, and means by the newest index in them: all ridges of a series ask for the same, when they forecast
 * and when they learn, at most a day apart at steps of five minutes. Series have one plan each.
 */
const bases = createRecall(512, 48);
const seasonMeans = createRecall(1024);
const hourMeans = createRecall(1024);

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
      4 +
      blockEnds.length +
      (first === undefined ? 0 : 6 + YESTERDAY_ENDS.length) +
      (second === undefined ? 0 : 1),
    horizonCount:
      (hourly > 0 ? 1 : 0) +
      (hourly > recentLags ? 1 : 0) +
      (first === undefined ? 0 : 2 * AROUND + 3) +
      (first !== undefined && halfWidth > 0 ? 1 : 0) +
      (second === undefined ? 0 : 2),
    firstOrigin: Math.max(recentLags, blockEnds.at(-1) ?? 0, (used.at(-1) ?? 0) + HOUR_BLOCKS * (2 * halfWidth + 1)),
  };
}

/**
 * Regressors that do not depend on the horizon, all relative to the last value (so that a shift of level moves the
 * forecast with it): intercept, the level itself, recent lags, means of older lags, the last hour's range, time of day,
 * yesterday until now, and what earlier seasons were on average at this time: how far today is off them is what they tell.
 */
export function baseFeatures(plan: FeaturePlan, track: Track, origin: number, out: Float64Array): void {
  const { width, values, places } = recallOf(bases, track);
  if (out.length > width) {
    writeBase(plan, track, origin, out);
    return;
  }
  const slot = slotOf(bases, origin);
  const from = slot * width;
  if (places[slot] === origin) {
    for (let i = 0; i < out.length; i++) out[i] = values[from + i]!;
    return;
  }
  writeBase(plan, track, origin, out);
  values.set(out, from);
  places[slot] = origin;
}

function writeBase(plan: FeaturePlan, track: Track, origin: number, out: Float64Array): void {
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
  const block = blockLength(plan);
  const hour = HOUR_BLOCKS * block;
  let least = last;
  let most = last;
  for (let t = Math.max(0, origin + 1 - hour); t < origin; t++) {
    if (z[t]! < least) least = z[t]!;
    if (z[t]! > most) most = z[t]!;
  }
  out[at++] = least - last;
  out[at++] = most - last;
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
  const yesterday = seasonEarlier(track, origin, first);
  out[at++] = around(plan, track, yesterday, origin) - last;
  for (let i = 1; i < YESTERDAY_ENDS.length; i++) {
    const end = yesterday + 1 - YESTERDAY_ENDS[i - 1]! * block;
    out[at++] = blockMean(track, yesterday + 1 - YESTERDAY_ENDS[i]! * block, end) - last;
  }
  let lastHour = 0;
  let seasons = 0;
  for (let t = yesterday; seasons < SEASONS_AVERAGED && t >= 0; t = seasonEarlier(track, t, first)) {
    lastHour += blockMean(track, t + 1 - hour, t + 1);
    seasons++;
  }
  out[at++] = meanOfSeasons(plan, track, yesterday, origin) - last;
  out[at++] = lastHour / seasons - last;
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
  const width = blockLength(plan);
  const newest = seasonBefore(track, origin, horizon, first);
  let at = 0;
  for (let k = -AROUND; k <= AROUND; k++) out[at++] = around(plan, track, newest + k * width, origin) - last;
  // Where a block is a single value, it is the one in the middle.
  if (plan.halfWidth > 0) out[at++] = track.z[Math.max(0, newest)]! - last;
  out[at++] = meanOfSeasons(plan, track, newest, origin) - last;
  const earlier = seasonEarlier(track, newest, first);
  out[at++] = around(plan, track, earlier >= 0 ? earlier : newest, origin) - last;
  if (plan.hourly > 0) {
    const phase = seasonBefore(track, origin, horizon, plan.hourly);
    // Else it is one of the lags.
    if (plan.hourly > plan.recentLags) out[at++] = track.z[Math.max(0, phase)]! - last;
    out[at++] = meanOfHours(track, phase, plan.hourly) - last;
  }
  if (second === undefined) return;
  const lastWeek = seasonBefore(track, origin, horizon, second);
  out[at++] = around(plan, track, lastWeek, origin) - last;
  const weekBefore = seasonEarlier(track, lastWeek, second);
  out[at++] = around(plan, track, weekBefore >= 0 ? weekBefore : lastWeek, origin) - last;
}

/** The mean over the last seasons of what was around the phase of `newest`. */
function meanOfSeasons(plan: FeaturePlan, track: Track, newest: number, origin: number): number {
  // What is cut off at this origin is another mean at the next one.
  if (newest < 0 || newest + plan.halfWidth > origin) return newMeanOfSeasons(plan, track, newest, origin);
  const { places, values } = recallOf(seasonMeans, track);
  const slot = slotOf(seasonMeans, newest);
  if (places[slot] !== newest) {
    values[slot] = newMeanOfSeasons(plan, track, newest, origin);
    places[slot] = newest;
  }
  return values[slot]!;
}

function newMeanOfSeasons(plan: FeaturePlan, track: Track, newest: number, origin: number): number {
  let sum = 0;
  let count = 0;
  for (let t = newest; count < SEASONS_AVERAGED && t >= 0; t = seasonEarlier(track, t, plan.cycles[0]!)) {
    sum += around(plan, track, t, origin);
    count++;
  }
  return sum / count;
}

/** The mean over the last hours of what was at the part of the hour of `newest`. */
function meanOfHours(track: Track, newest: number, hour: number): number {
  if (newest < 0) return Number.NaN;
  const { places, values } = recallOf(hourMeans, track);
  const slot = slotOf(hourMeans, newest);
  if (places[slot] !== newest) {
    let sum = 0;
    let count = 0;
    for (let t = newest; count < HOURS_AVERAGED && t >= 0; t = seasonEarlier(track, t, hour)) {
      sum += track.z[t]!;
      count++;
    }
    values[slot] = sum / count;
    places[slot] = newest;
  }
  return values[slot]!;
}

/** Steps in about five minutes. */
function blockLength({ halfWidth }: FeaturePlan): number {
  return 2 * halfWidth + 1;
}

/** The mean of the block around `t`, without what lies after the origin. */
function around({ halfWidth }: FeaturePlan, track: Track, t: number, origin: number): number {
  if (halfWidth === 0) return track.z[t < 0 ? 0 : t < origin ? t : origin]!;
  const end = Math.min(t + halfWidth, origin) + 1;
  return blockMean(track, Math.min(t - halfWidth, end - 1), end);
}
