import type { Model } from './models/model.ts';
import type { Track } from './track.ts';

/** Each model's predictions in a row of their own: model e's for `horizons[i]` at `e * horizons.length + i`. */
export function predictAll(models: readonly Model[], track: Track, origin: number, horizons: Int32Array): Float64Array {
  const { length } = horizons;
  const all = new Float64Array(models.length * length);
  for (let e = 0; e < models.length; e++)
    models[e]!.predict(track, origin, horizons, all.subarray(e * length, (e + 1) * length));
  return all;
}
