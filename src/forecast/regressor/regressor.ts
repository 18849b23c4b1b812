/** What a network takes and gives. Plain data, kept in its model file. */
export interface RegressorShape {
  /** Values in a row of inputs; `inputCount` of `inputs.ts` as the network was trained. */
  readonly inputs: number;
  /** Steps ahead of the outputs, ascending. */
  readonly steps: readonly number[];
  /** Ascending; 0.5 is one of them. */
  readonly quantiles: readonly number[];
}

/**
 * A global network: one that was trained across many series, and so has something to say of a series that it never saw.
 * Its outputs are changes from a row's last value in units of the row's spread.
 */
export interface Regressor extends RegressorShape {
  /** Which version answers: it appears in logs and scores. */
  readonly version: string;
  /** What computes: `wasm`, `tensorflow` or `cpu`. */
  readonly backend: string;
  /**
   * One batch, computed at once on the calling thread: 1,000 rows take about 3 ms of CPU.
   * @param rows `count` rows of `inputs` values.
   * @returns `count` rows of `quantiles.length * steps.length` values: all steps of the first quantile, then of the next.
   */
  predict(rows: Float32Array, count: number): Float32Array;
}

/** Steps ahead that networks are trained for. Between two of them outputs are interpolated, beyond the last there are none. */
export const REGRESSOR_STEPS = [1, 2, 3, 4, 6, 8, 12, 18, 24, 36, 48, 72, 120] as const;

export const REGRESSOR_QUANTILES = [0.1, 0.5, 0.9] as const;
