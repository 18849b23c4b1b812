import type { Labels } from '../model/labels.ts';
import { decodeSamples, isStaleMarker, type SelectedSeries } from '../model/series.ts';
import type { Millis, TimeRange } from '../model/time.ts';
import { emptyVector, type Grid, type Head, timeOf, type Vector, withoutEmptyRows } from './value.ts';

/** Samples of one series in columns, staleness markers taken out. */
export interface Run {
  readonly labels: Labels;
  readonly dropName: boolean;
  readonly times: Float64Array;
  readonly values: Float64Array;
}

/** Where a selector looks at each step: at the step's own time, or at a pinned one, moved back by the offset. */
export interface Sight {
  readonly pinned: Millis | undefined;
  readonly offsetMs: number;
}

export function sightOf(sight: Sight, grid: Grid, step: number): Millis {
  return (sight.pinned ?? timeOf(grid, step)) - sight.offsetMs;
}

/** The samples of a series for range functions. */
export function runOf(series: SelectedSeries, range: TimeRange): Run {
  const { times, values } = decodeSamples(series.chunks, range);
  let stale = 0;
  for (let i = 0; i < values.length; i++) if (isStaleMarker(values, i)) stale++;
  if (stale === 0) return { labels: series.labels, dropName: false, times, values };
  const keptTimes = new Float64Array(times.length - stale);
  const keptValues = new Float64Array(times.length - stale);
  for (let i = 0, kept = 0; i < times.length; i++) {
    if (isStaleMarker(values, i)) continue;
    keptTimes[kept] = times[i]!;
    keptValues[kept++] = values[i]!;
  }
  return { labels: series.labels, dropName: false, times: keptTimes, values: keptValues };
}

/**
 * The newest sample in (t - lookback, t] at each step; a staleness marker hides the series.
 * @param wanted The samples' values, or their times in seconds (for `timestamp`).
 */
export function latest(
  selected: readonly SelectedSeries[],
  range: TimeRange,
  view: { readonly grid: Grid; readonly sight: Sight; readonly lookbackMs: number },
  wanted: 'values' | 'times' = 'values',
): Vector {
  const { grid, sight, lookbackMs } = view;
  const { steps } = grid;
  const heads: Head[] = selected.map(({ labels }) => ({ labels, dropName: false }));
  const vector = emptyVector(heads, steps);
  selected.forEach(({ chunks }, row) => {
    const { times, values } = decodeSamples(chunks, range);
    let newest = -1;
    for (let step = 0; step < steps; step++) {
      const t = sightOf(sight, grid, step);
      while (newest + 1 < times.length && times[newest + 1]! <= t) newest++;
      if (newest < 0 || times[newest]! <= t - lookbackMs || isStaleMarker(values, newest)) continue;
      const cell = row * steps + step;
      vector.values[cell] = wanted === 'values' ? values[newest]! : times[newest]! / 1000;
      vector.present[cell] = 1;
    }
  });
  return withoutEmptyRows(vector, steps);
}

/** Between two samples by a straight line; before the first nothing, after the last its value. */
export function smoothed(
  selected: readonly SelectedSeries[],
  range: TimeRange,
  view: { readonly grid: Grid; readonly sight: Sight; readonly lookbackMs: number },
): Vector {
  const { grid, sight, lookbackMs } = view;
  const { steps } = grid;
  const vector = emptyVector(
    selected.map(({ labels }) => ({ labels, dropName: false })),
    steps,
  );
  selected.forEach((series, row) => {
    const { times, values } = runOf(series, range);
    let next = 0;
    for (let step = 0; step < steps; step++) {
      const t = sightOf(sight, grid, step);
      while (next < times.length && times[next]! < t) next++;
      const exact = next < times.length && times[next] === t;
      const before = next > 0 && times[next - 1]! > t - lookbackMs;
      const after = next < times.length && times[next]! <= t + lookbackMs;
      if (!exact && !before) continue;
      const cell = row * steps + step;
      vector.present[cell] = 1;
      if (exact) vector.values[cell] = values[next]!;
      else if (!after) vector.values[cell] = values[next - 1]!;
      else {
        const share = (t - times[next - 1]!) / (times[next]! - times[next - 1]!);
        vector.values[cell] = values[next - 1]! + (values[next]! - values[next - 1]!) * share;
      }
    }
  });
  return withoutEmptyRows(vector, steps);
}

/** Rows of a vector as runs: what a subquery hands to a range function. */
export function runsOf(vector: Vector, grid: Grid): readonly Run[] {
  return vector.heads.map(({ labels, dropName }, row) => {
    const from = row * grid.steps;
    let count = 0;
    for (let step = 0; step < grid.steps; step++) count += vector.present[from + step]!;
    const times = new Float64Array(count);
    const values = new Float64Array(count);
    for (let step = 0, kept = 0; step < grid.steps; step++) {
      if (vector.present[from + step] === 0) continue;
      times[kept] = timeOf(grid, step);
      values[kept++] = vector.values[from + step]!;
    }
    return { labels, dropName, times, values };
  });
}
