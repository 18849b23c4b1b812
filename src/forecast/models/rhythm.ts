import { DAY, HOUR, WEEK } from '../../model/time.ts';
import { seasonBefore, seasonEarlier } from '../local-clock.ts';
import { blockMean, type Track } from '../track.ts';
import type { Model } from './model.ts';

/** Seasons that other models know. */
const CALENDAR = [HOUR, DAY / 2, DAY, WEEK];
/** Beyond these few a rhythm is rather part of the shape of another. */
const MOST_RHYTHMS = 2;
/** Cycles behind the mean of a rhythm's shape. */
const MOST_CYCLES = 8;
/** Days behind the mean of what a day does besides. */
const MOST_DAYS = 3;

/** Of the seasons found in a series, in steps, those that are no calendar's, at most two: the shortest. */
export function rhythmsOf(seasons: readonly number[], stepMs: number): readonly number[] {
  const known = CALENDAR.map((lengthMs) => Math.round(lengthMs / stepMs));
  return seasons.filter((season) => !known.includes(season)).slice(0, MOST_RHYTHMS);
}

/**
 * A season found in the data that is neither a day nor a week: level, plus the mean shape of its last cycles, plus what
 * the last days did to the level between now and then. Means over a whole season know nothing of its shape, so that each
 * part is free of the others. Its cycles keep the time of the steps, days that of the wall clock.
 *
 * @param season In steps.
 * @param day In steps; undefined where the series has none, or where the season is not well within it.
 */
export function rhythm(name: string, season: number, day: number | undefined): Model {
  const besides = day !== undefined && 2 * season <= day ? day : undefined;
  return {
    name,
    refit() {},
    predict(track, origin, horizons, out) {
      const level = levelBefore(track, origin, season);
      for (let i = 0; i < horizons.length; i++) {
        const horizon = horizons[i]!;
        const shape = shapeAt(track, origin, horizon, season);
        out[i] = level + shape + (besides === undefined ? 0 : dayChange(track, origin, horizon, season, besides));
      }
    },
  };
}

/** The peak of the next window: the level, and the mean over the last cycles of how far their peak lay above theirs. */
export function rhythmPeak(season: number): Model {
  return {
    name: `rhythm-peak-${season}`,
    refit() {},
    predict(track, origin, horizons, out) {
      const level = levelBefore(track, origin, season);
      for (let i = 0; i < horizons.length; i++) {
        const window = horizons[i]!;
        let sum = 0;
        let count = 0;
        let start = origin - Math.ceil(window / season) * season;
        for (; count < MOST_CYCLES && start >= season; start -= season) {
          let most = track.z[start + 1]!;
          for (let t = start + 2; t <= start + window; t++) if (track.z[t]! > most) most = track.z[t]!;
          sum += most - levelBefore(track, start, season);
          count++;
        }
        out[i] = count > 0 ? level + sum / count : Number.NaN;
      }
    },
  };
}

/** The mean over the season up to `t`. */
function levelBefore(track: Track, t: number, season: number): number {
  return blockMean(track, t + 1 - season, t + 1);
}

/** How far the phase of `origin + horizon` lay off its surroundings in the last cycles. NaN where there was none. */
function shapeAt(track: Track, origin: number, horizon: number, season: number): number {
  let sum = 0;
  let count = 0;
  let at = origin + horizon - Math.ceil(horizon / season) * season;
  for (; count < MOST_CYCLES && at >= season; at -= season) {
    // The season around it, or where that is not over the last one.
    const end = Math.min(at + Math.ceil(season / 2), origin) + 1;
    sum += track.z[at]! - blockMean(track, end - season, end);
    count++;
  }
  return count > 0 ? sum / count : Number.NaN;
}

/** By how much the level rose in the last days from the time of day of now to that of the horizon. */
function dayChange(track: Track, origin: number, horizon: number, season: number, day: number): number {
  let sum = 0;
  let count = 0;
  let at = seasonBefore(track, origin, horizon, day);
  for (; count < MOST_DAYS && at - horizon >= season; at = seasonEarlier(track, at, day)) {
    const end = Math.min(at + Math.ceil(season / 2), origin) + 1;
    sum += blockMean(track, end - season, end) - levelBefore(track, at - horizon, season);
    count++;
  }
  return count > 0 ? sum / count : 0;
}
