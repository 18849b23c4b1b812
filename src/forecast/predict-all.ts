import type { Model } from './models/model.ts';
import type { Track } from './track.ts';

/** Where models write, a row each: rows are views, which cost more to make than most models take to predict. */
interface Rows {
  readonly all: Float64Array;
  readonly each: readonly Float64Array[];
}

/** By the number of models and of horizons: series of a kind have the same, and it is one at a time that predicts. */
const shared = new Map<number, Rows>();
const MOST_MODELS = 64;
/** So many kinds are kept. */
const MOST_SHARED = 32;

/**
 * Each model's predictions in a row of their own: model e's for `horizons[i]` at `e * horizons.length + i`.
 * @returns What holds until the next call.
 */
export function predictAll(models: readonly Model[], track: Track, origin: number, horizons: Int32Array): Float64Array {
  const { all, each } = rowsFor(models.length, horizons.length);
  for (let e = 0; e < models.length; e++) models[e]!.predict(track, origin, horizons, each[e]!);
  return all;
}

function rowsFor(models: number, length: number): Rows {
  const key = length * MOST_MODELS + models;
  const known = shared.get(key);
  if (known !== undefined) return known;
  const all = new Float64Array(models * length);
  const each = Array.from({ length: models }, (_, e) => all.subarray(e * length, (e + 1) * length));
  if (shared.size >= MOST_SHARED) shared.clear();
  shared.set(key, { all, each });
  return { all, each };
}
