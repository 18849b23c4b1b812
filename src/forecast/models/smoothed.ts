import type { Model } from './model.ts';

/** Values that carry nearly all of the weight. */
const SPAN = 16;
const RATE = 0.3;

/** The exponentially weighted mean of the last values: what is left when every step is mostly noise. */
export function smoothed(): Model {
  return {
    name: 'smoothed',
    refit() {},
    predict(track, origin, _horizons, out) {
      let sum = 0;
      let total = 0;
      let weight = 1;
      for (let lag = 0; lag < SPAN && lag <= origin; lag++, weight *= 1 - RATE) {
        sum += weight * track.z[origin - lag]!;
        total += weight;
      }
      out.fill(sum / total);
    },
  };
}
