/** What one replica carried, and how busy it was: index by index, ascending in time. Unknown values are NaN. */
export interface CapacityPairs {
  readonly times: Float64Array;
  /** Demand for each ready replica. */
  readonly loads: Float64Array;
  /** 0 to 1 of what a replica asks for; above 1 where it may use more. */
  readonly utilizations: Float64Array;
}
