import type { RegularSeries } from '../../model/series.ts';
import { type SeriesCalendar, zoneOffsets } from '../calendar.ts';
import { type Grid, inferGrid, toRegular } from '../prepare.ts';

/** Samples of one series as they came, and how to look at them. Plain data, so that it can be sent to a thread. */
export interface SeriesInput {
  readonly times: Float64Array;
  readonly values: Float64Array;
  /** The median distance of the samples where it is left out. */
  readonly stepMs?: number | undefined;
  /** Local time and special days; without it seasons are those of UTC. */
  readonly calendar?: SeriesCalendar | undefined;
}

/** Steps of history that a fit looks at: eight weeks of minutes, six years of hours. */
export const MOST_HISTORY_STEPS = 80_640;

/**
 * The newest part of the samples on their grid; excluded times are gaps. Undefined where there are not two times or no
 * finite value.
 */
export function regularOf({ times, values, stepMs, calendar }: SeriesInput): RegularSeries | undefined {
  const grid = inferGrid(times, stepMs);
  if (grid === undefined) return undefined;
  const { series } = toRegular({ times, values }, { ...grid, mostSteps: MOST_HISTORY_STEPS });
  const kept = withoutExcluded(series, calendar);
  return kept.values.some(Number.isFinite) ? kept : undefined;
}

/** Windows that nothing may be learnt from are gaps, whatever the length of a step. */
export function withoutExcluded(series: RegularSeries, calendar: SeriesCalendar | undefined): RegularSeries {
  const excluded = calendar?.specials?.filter(({ kind }) => kind === 'excluded') ?? [];
  if (excluded.length === 0) return series;
  const { start, stepMs } = series;
  const isExcluded = (t: number) => excluded.some((window) => t >= window.start && t < window.end);
  return { ...series, values: series.values.map((value, i) => (isExcluded(start + i * stepMs) ? Number.NaN : value)) };
}

/** The grid as it was known at an instant: what comes later must not move it. */
export function gridUntil({ times, stepMs }: SeriesInput, until: number): Grid | undefined {
  return inferGrid(
    times.filter((time) => time <= until),
    stepMs,
  );
}

/** The last `steps` of a series, as a copy that is cheap to send. */
export function tailOf({ start, stepMs, values }: RegularSeries, steps: number): RegularSeries {
  const from = Math.max(0, values.length - steps);
  return { start: start + from * stepMs, stepMs, values: values.slice(from) };
}

/** The clock of a zone over a series and its future. */
export function calendarOf(
  timeZone: string,
  { start, stepMs, values }: RegularSeries,
  horizonSteps: number,
): SeriesCalendar {
  return { offsets: zoneOffsets(timeZone, start, start + (values.length + horizonSteps) * stepMs) };
}
