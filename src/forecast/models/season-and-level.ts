import { MINUTE } from '../../model/time.ts';
import { seasonBefore, seasonEarlier } from '../local-clock.ts';
import type { Model, ModelContext } from './model.ts';

/** How much of the present deviation is left after five minutes (or after one step, where steps are longer). */
const KEPT = 0.9;

/** The season before, corrected by how far the present is off it; the correction decays. */
export function seasonAndLevel(season: number, { stepMs }: ModelContext): Model {
  const perStep = KEPT ** Math.min(1, stepMs / (5 * MINUTE));
  return {
    name: 'yesterday-and-level',
    refit() {},
    predict(track, origin, horizons, out) {
      const before = seasonEarlier(track, origin, season);
      const off = before >= 0 ? track.z[origin]! - track.z[before]! : Number.NaN;
      for (let i = 0; i < horizons.length; i++) {
        const at = seasonBefore(track, origin, horizons[i]!, season);
        out[i] = at >= 0 ? track.z[at]! + off * perStep ** horizons[i]! : Number.NaN;
      }
    },
  };
}
