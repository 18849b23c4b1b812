import { seasonBefore } from '../local-clock.ts';
import type { Model } from './model.ts';

/** Repeats the season before: the same time yesterday, or last week. */
export function sameLastSeason(name: string, season: number): Model {
  return {
    name,
    refit() {},
    predict(track, origin, horizons, out) {
      for (let i = 0; i < horizons.length; i++) {
        const at = seasonBefore(track, origin, horizons[i]!, season);
        out[i] = at >= 0 ? track.z[at]! : Number.NaN;
      }
    },
  };
}
