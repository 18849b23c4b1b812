import type { Regressor } from '../regressor/regressor.ts';
import type { Track } from '../track.ts';
import type { ForecastTuning } from '../tuning.ts';

/** What every model of one series is built for. */
export interface ModelContext {
  readonly stepMs: number;
  /** Steps ahead at which models that fit per horizon fit; ascending, the last is the farthest asked for. */
  readonly knots: Int32Array;
  /** Coefficients may be interpolated between two knots that are no farther apart than this. */
  readonly maxGap: number;
  /** Season lengths in steps, ascending: those that the history covers at least twice. */
  readonly cycles: readonly number[];
  /** Seasons found in the data that are no calendar's, in steps. */
  readonly rhythms?: readonly number[];
  /** Known length of the history at the cold fit, in steps: models size themselves by it. */
  readonly historyLength: number;
  /** Whether the series is zero on many steps. */
  readonly sparse?: boolean;
  /** The global network, where there is one. */
  readonly regressor?: Regressor;
  readonly tuning?: ForecastTuning;
}

/** One way to see the future of a series. Works in model space on a track. */
export interface Model {
  /** A word for people: it appears in a forecast's `model`. */
  readonly name: string;
  /** Learns from the track as far as it goes. Cheap when called again with a few more values. */
  refit(track: Track): void;
  /**
   * Writes the predictions for `origin + horizons[i]` to `out[i]`; NaN where it has nothing to say. Reads no value after
   * `origin`. `horizons` ascend and need not be knots.
   */
  predict(track: Track, origin: number, horizons: Int32Array, out: Float64Array): void;
  /** Called once for each value, after the track took it in: for models whose state runs along. */
  append?(track: Track): void;
  /**
   * Says at which origins (ascending) `predict` is going to be asked for the knots, so that work can be done in one
   * batch. The track already holds the values up to the last of them; for an origin nothing after it may be read.
   * Nothing is promised: other origins may be asked, and some of these may not be.
   */
  prepare?(track: Track, origins: Int32Array): void;
  /**
   * All that was learnt, in as few bytes as it takes. A model without it is given the recent history again instead:
   * `append` for each value, then one `refit`.
   */
  save?(track: Track): Uint8Array;
  /**
   * Takes up where `save` left off, on a track whose last value is the one that was the last then.
   * @returns False if the bytes are not of this model as it was built; the model then is as it was.
   */
  restore?(saved: Uint8Array, track: Track): boolean;
}
