import { seasonBefore, seasonEarlier } from '../local-clock.ts';
import { blockMean } from '../track.ts';
import type { Model } from './model.ts';

const MOST_CYCLES = 4;

/** Scratch of all profiles: an array of its own costs each of thousands of series hundreds of bytes. */
const offs = new Float64Array(MOST_CYCLES);
/** Levels of earlier seasons and where they end, which is mostly the same for all horizons. */
const ends = new Int32Array(MOST_CYCLES);
const levels = new Float64Array(MOST_CYCLES);

/**
 * Level times seasonal profile: the median over the last few seasons of how far the same phase stood off its own level,
 * on top of the level of today. In model space the product is a sum. The level is the mean over `levelSteps`.
 *
 * @param halfWidth The profile is smoothed over this many steps to either side.
 */
export function profile(name: string, season: number, levelSteps: number, halfWidth: number): Model {
  return {
    name,
    refit() {},
    predict(track, origin, horizons, out) {
      const level = blockMean(track, origin + 1 - levelSteps, origin + 1);
      ends.fill(-1);
      for (let i = 0; i < horizons.length; i++) {
        let count = 0;
        let at = seasonBefore(track, origin, horizons[i]!, season);
        for (; count < MOST_CYCLES; at = seasonEarlier(track, at, season)) {
          const levelEnd = at + 1 - horizons[i]!;
          if (at < 0 || levelEnd < levelSteps) break;
          const value = blockMean(track, at - halfWidth, Math.min(at + halfWidth, origin) + 1);
          if (ends[count] !== levelEnd) {
            ends[count] = levelEnd;
            levels[count] = blockMean(track, levelEnd - levelSteps, levelEnd);
          }
          offs[count] = value - levels[count]!;
          count++;
        }
        out[i] = count > 0 ? level + medianOfFew(offs, count) : Number.NaN;
      }
    },
  };
}

/** Sorts the first `count` in place by insertion: they are at most four. */
function medianOfFew(values: Float64Array, count: number): number {
  for (let i = 1; i < count; i++) {
    const value = values[i]!;
    let at = i;
    for (; at > 0 && values[at - 1]! > value; at--) values[at] = values[at - 1]!;
    values[at] = value;
  }
  const middle = count >> 1;
  return count % 2 === 1 ? values[middle]! : (values[middle - 1]! + values[middle]!) / 2;
}
