import type { Model } from './model.ts';

/** Repeats the last value: the baseline that everything else has to beat. */
export function lastValue(): Model {
  return {
    name: 'last-value',
    refit() {},
    predict(track, origin, _horizons, out) {
      out.fill(track.z[origin]!);
    },
  };
}
