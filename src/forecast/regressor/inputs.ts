import { DAY, HOUR, MINUTE, WEEK } from '../../model/time.ts';
import { seasonBefore } from '../local-clock.ts';
import { blockMean, isKnown, type Track } from '../track.ts';
import { REGRESSOR_STEPS } from './regressor.ts';

/** What rows of one series are made with. */
export interface InputPlan {
  readonly stepMs: number;
  /** Steps in a day, a week and an hour; 0 where they are no whole number of steps, or too few to tell apart. */
  readonly day: number;
  readonly week: number;
  readonly hour: number;
}

const RECENT_LAGS = 16;
/** Ends of the blocks of older lags. */
const BLOCK_ENDS = [20, 24, 30, 36, 48, 60, 72, 96, 144, 192, 288];
const STEPS = REGRESSOR_STEPS.length;
const SEASONS_AVERAGED = 7;
const HOURS_AVERAGED = 6;
/** The short window of the spread, in steps. */
const SHORT_WINDOW = 48;
const LONGEST_WINDOW = 1440;
/** Beyond so many spreads an input says no more than "far off". */
const FAR = 6;
const OTHERS = 10;

/** Known values that a row needs before its origin. */
export const LEAST_ORIGIN = RECENT_LAGS;

/** Values in a row. Another number is another generation of networks. */
export const INPUT_COUNT = RECENT_LAGS + 2 * BLOCK_ENDS.length + 3 * (STEPS + 2) + (STEPS + 1) + OTHERS;

export function planInputs(stepMs: number): InputPlan {
  const wholeSteps = (length: number, least: number) =>
    length % stepMs === 0 && length / stepMs >= least ? length / stepMs : 0;
  return { stepMs, day: wholeSteps(DAY, 6), week: wholeSteps(WEEK, 7), hour: wholeSteps(HOUR, 4) };
}

/**
 * Writes the row of one origin: the past relative to the last value in units of the local spread, so that it looks the
 * same whatever a series measures. What the history is too short for is 0 with a mask of 0. Reads nothing after `origin`.
 *
 * @returns The spread in model space: outputs times it, plus the last value, are forecasts. 0 where nothing moved.
 */
export function writeInputs(plan: InputPlan, track: Track, origin: number, out: Float32Array, from: number): number {
  const { z } = track;
  const last = z[origin]!;
  const { spread, shortDeviation, longDeviation } = spreadAt(plan, track, origin);
  const scale = spread > 0 ? 1 / spread : 0;
  const put = (at: number, value: number) => {
    const scaled = (value - last) * scale;
    out[at] = scaled > FAR ? FAR : scaled < -FAR ? -FAR : scaled;
  };
  const mean = (low: number, high: number) => blockMean(track, low, high);
  let at = from;
  for (let lag = 1; lag <= RECENT_LAGS; lag++) put(at++, z[origin - lag]!);
  let begin = RECENT_LAGS;
  for (const end of BLOCK_ENDS) {
    const low = Math.max(0, origin + 1 - end);
    const high = origin + 1 - begin;
    const share = high > low ? (high - low) / (end - begin) : 0;
    if (share > 0) put(at, mean(low, high));
    else out[at] = 0;
    out[at + 1] = share;
    at += 2;
    begin = end;
  }
  at = writeSeason(plan.day, 1);
  at = writeSeason(plan.day, SEASONS_AVERAGED);
  at = writeSeason(plan.week, 1);
  at = writeHours();
  const moveShort = moveOver(track, origin, 24);
  const moveLong = moveOver(track, origin, 288);
  let zeros = 0;
  let known = 0;
  for (let t = origin - RECENT_LAGS; t <= origin; t++) {
    if (Math.abs(z[t]!) < 1e-9) zeros++;
    if (isKnown(track, t)) known++;
  }
  out[at++] = bounded(last);
  out[at++] = bounded(0.5 * logOf(spread));
  out[at++] = spread > 0 ? bounded(logOf(moveShort / spread)) : 0;
  out[at++] = spread > 0 ? bounded(logOf(moveLong / spread)) : 0;
  out[at++] = spread > 0 ? bounded(logOf((shortDeviation + 1e-9) / (longDeviation + 1e-9))) : 0;
  out[at++] = zeros / (RECENT_LAGS + 1);
  out[at++] = known / (RECENT_LAGS + 1);
  out[at++] = bounded(0.5 * Math.log2(plan.stepMs / (5 * MINUTE)));
  out[at++] = track.transform.kind === 'linear' ? 1 : 0;
  out[at++] = plan.day > 0 ? Math.min(1, origin / (7 * plan.day)) : 0;
  return spread;

  /** The same time of earlier seasons, now and at each output's step, and how many of them the history has. */
  function writeSeason(season: number, most: number): number {
    const first = at;
    let count = 0;
    for (let i = -1; i < STEPS; i++) {
      const ahead = i < 0 ? 0 : REGRESSOR_STEPS[i]!;
      const half = Math.min(ahead >> 3, Math.floor(season / 96));
      let sum = 0;
      let seasons = 0;
      const newest = i < 0 ? origin - season : seasonBefore(track, origin, ahead, season);
      for (let t = newest; season > 0 && seasons < most && t >= 0; t -= season) {
        sum += mean(Math.max(0, t - half), Math.min(t + half, origin) + 1);
        seasons++;
      }
      if (seasons > 0) put(at, sum / seasons);
      else out[at] = 0;
      at++;
      if (i < 0) count = seasons;
    }
    out[at++] = count / most;
    return first + STEPS + 2;
  }

  /** The mean of earlier hours at the same part of the hour as each output's step: what runs by the clock. */
  function writeHours(): number {
    const { hour } = plan;
    const isLong = hour > 0 && origin >= 3 * hour;
    for (const ahead of REGRESSOR_STEPS) {
      let sum = 0;
      let hours = 0;
      if (isLong) {
        for (let t = seasonBefore(track, origin, ahead, hour); hours < HOURS_AVERAGED && t >= 0; t -= hour) {
          sum += z[t]!;
          hours++;
        }
      }
      if (hours > 0) put(at, sum / hours);
      else out[at] = 0;
      at++;
    }
    out[at++] = isLong ? 1 : 0;
    return at;
  }
}

/** Halfway between how far values lie apart within the last 48 steps and within the last day. */
function spreadAt({ day }: InputPlan, track: Track, origin: number) {
  const shortDeviation = deviationOver(track, origin, SHORT_WINDOW);
  const longDeviation = deviationOver(track, origin, Math.min(LONGEST_WINDOW, Math.max(SHORT_WINDOW, day)));
  const spread = Math.sqrt((shortDeviation ** 2 + longDeviation ** 2) / 2);
  return { spread: spread > 1e-7 ? spread : 0, shortDeviation, longDeviation };
}

function deviationOver(track: Track, origin: number, window: number): number {
  const { z } = track;
  const low = Math.max(0, origin + 1 - window);
  const mean = blockMean(track, low, origin + 1);
  let squares = 0;
  for (let t = low; t <= origin; t++) squares += (z[t]! - mean) * (z[t]! - mean);
  return Math.sqrt(squares / (origin + 1 - low));
}

/** The mean absolute difference between neighbours. */
function moveOver({ z }: Track, origin: number, window: number): number {
  const low = Math.max(0, origin + 1 - window);
  let moves = 0;
  for (let t = Math.max(1, low); t <= origin; t++) moves += Math.abs(z[t]! - z[t - 1]!);
  return moves / (origin + 1 - low);
}

function logOf(value: number): number {
  return Math.log(value + 1e-6);
}

function bounded(value: number): number {
  return Math.max(-FAR, Math.min(FAR, value));
}
