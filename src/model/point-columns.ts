/**
 * What the samples of one series come to in each (time - stepMs, time], in columns. Times are multiples of the step and
 * ascend strictly; a step without samples has no point. Staleness markers count for nothing.
 */
export interface Points extends Readonly<Record<PointColumn, Float64Array>> {
  readonly stepMs: number;
  readonly times: Float64Array;
}

/**
 * Besides the four that every store keeps, what a counter's increase needs: its first and last value, what its resets
 * took away (the sum of the values before each), and how far its first and last sample are from the point's beginning
 * and end, in ms. After Thanos, whose counter chunks keep the total corrected for resets and the last raw value
 * (pkg/compact/downsample/downsample.go); with the two distances `rate` extrapolates as it does over samples.
 */
export const POINT_COLUMNS = [
  ...(['min', 'max', 'sum', 'count'] as const),
  ...(['first', 'last', 'lost', 'firstAfter', 'lastBefore'] as const),
] as const;
export type PointColumn = (typeof POINT_COLUMNS)[number];

/** @param make A column of each name, all of one length. */
export function mapColumns(stepMs: number, make: (column: PointColumn | 'times') => Float64Array): Points {
  const columns = (['times', ...POINT_COLUMNS] as const).map((column) => [column, make(column)] as const);
  return { stepMs, ...(Object.fromEntries(columns) as Record<PointColumn | 'times', Float64Array>) };
}
