import { MINUTE } from '../../model/time.ts';
import type { Model, ModelContext } from './model.ts';
import { seasonBefore } from './same-last-season.ts';

/** How much of the present deviation is left after five minutes (or after one step, where steps are longer). */
const KEPT = 0.9;

/** The season before, corrected by how far the present is off it; the correction decays. */
export function seasonAndLevel(season: number, { stepMs }: ModelContext): Model {
  const perStep = KEPT ** Math.min(1, stepMs / (5 * MINUTE));
  return {
    name: 'yesterday-and-level',
    refit() {},
    predict(track, origin, horizons, out) {
      const off = origin >= season ? track.z[origin]! - track.z[origin - season]! : Number.NaN;
      for (let i = 0; i < horizons.length; i++) {
        const at = seasonBefore(origin, horizons[i]!, season);
        out[i] = at >= 0 ? track.z[at]! + off * perStep ** horizons[i]! : Number.NaN;
      }
    },
  };
}
