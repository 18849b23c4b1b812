import type { Labels } from '../model/labels.ts';
import { decodeSamples, isStaleMarker, lowerBound, type SelectedSeries, upperBound } from '../model/series.ts';
import type { Millis, TimeRange } from '../model/time.ts';
import type { Rows } from './rows.ts';
import { type Grid, timeOf, type Vector } from './value.ts';

/** Samples of one series: `from` to `to` (exclusive) of the columns, staleness markers taken out. */
export interface Run {
  readonly labels: Labels;
  readonly dropName: boolean;
  readonly times: Float64Array;
  readonly values: Float64Array;
  readonly from: number;
  readonly to: number;
}

/** Where a selector looks at each step: at the step's own time, or at a pinned one, moved back by the offset. */
export interface Sight {
  readonly pinned: Millis | undefined;
  readonly offsetMs: number;
}

export function sightOf(sight: Sight, grid: Grid, step: number): Millis {
  return (sight.pinned ?? timeOf(grid, step)) - sight.offsetMs;
}

/** Where a selector looks, at all steps. Never descends. */
export function sightsOf(sight: Sight, grid: Grid): Float64Array {
  const sights = new Float64Array(grid.steps);
  for (let step = 0; step < grid.steps; step++) sights[step] = sightOf(sight, grid, step);
  return sights;
}

/** The samples of a series for range functions. */
export function runOf(series: SelectedSeries, range: TimeRange): Run {
  const run = rawRunOf(series, range);
  const { labels, dropName, times, values, from, to } = run;
  let stale = 0;
  for (let i = from; i < to; i++) if (Number.isNaN(values[i]!) && isStaleMarker(values, i)) stale++;
  if (stale === 0) return run;
  const length = to - from - stale;
  const keptTimes = new Float64Array(length);
  const keptValues = new Float64Array(length);
  for (let i = from, kept = 0; i < to; i++) {
    if (isStaleMarker(values, i)) continue;
    keptTimes[kept] = times[i]!;
    keptValues[kept++] = values[i]!;
  }
  return { labels, dropName, times: keptTimes, values: keptValues, from: 0, to: length };
}

/** With staleness markers. Copies nothing where one chunk has it all. */
function rawRunOf({ labels, chunks }: SelectedSeries, range: TimeRange): Run {
  const [only] = chunks;
  if (chunks.length === 1) {
    const { times, values } = only!;
    let from = 0;
    let to = times.length;
    if (to > 0 && times[0]! < range.start) from = lowerBound(times, range.start);
    if (to > from && times[to - 1]! > range.end) to = upperBound(times, range.end);
    return { labels, dropName: false, times, values, from, to };
  }
  const { times, values } = decodeSamples(chunks, range);
  return { labels, dropName: false, times, values, from: 0, to: times.length };
}

/**
 * The newest sample in (t - lookback, t] at each step; a staleness marker hides the series.
 * @param wanted The samples' values, or their times in seconds (for `timestamp`).
 */
export function latestRows(
  selected: readonly SelectedSeries[],
  range: TimeRange,
  { sights, lookbackMs }: { readonly sights: Float64Array; readonly lookbackMs: number },
  wanted: 'values' | 'times',
): Rows {
  const steps = sights.length;
  return {
    count: selected.length,
    read(row, toValues, toPresent, at) {
      const { labels, times, values, from, to } = rawRunOf(selected[row]!, range);
      let newest = to > from && times[to - 1]! <= sights[0]! ? to - 1 : Math.min(upperBound(times, sights[0]!), to) - 1;
      let found = 0;
      for (let step = 0; step < steps; step++) {
        const t = sights[step]!;
        while (newest + 1 < to && times[newest + 1]! <= t) newest++;
        if (newest < from || times[newest]! <= t - lookbackMs || isStaleMarker(values, newest)) {
          toPresent[at + step] = 0;
          continue;
        }
        toValues[at + step] = wanted === 'values' ? values[newest]! : times[newest]! / 1000;
        toPresent[at + step] = 1;
        found++;
      }
      return found > 0 ? { labels, dropName: false } : undefined;
    },
  };
}

/** Between two samples by a straight line; before the first nothing, after the last its value. */
export function smoothedRows(
  selected: readonly SelectedSeries[],
  range: TimeRange,
  { sights, lookbackMs }: { readonly sights: Float64Array; readonly lookbackMs: number },
): Rows {
  return {
    count: selected.length,
    read(row, toValues, toPresent, at) {
      const { labels, times, values, from, to } = runOf(selected[row]!, range);
      let next = from;
      let found = 0;
      for (let step = 0; step < sights.length; step++) {
        const t = sights[step]!;
        while (next < to && times[next]! < t) next++;
        const exact = next < to && times[next] === t;
        const before = next > from && times[next - 1]! > t - lookbackMs;
        const after = next < to && times[next]! <= t + lookbackMs;
        toPresent[at + step] = exact || before ? 1 : 0;
        if (!exact && !before) continue;
        found++;
        if (exact) toValues[at + step] = values[next]!;
        else if (!after) toValues[at + step] = values[next - 1]!;
        else {
          const share = (t - times[next - 1]!) / (times[next]! - times[next - 1]!);
          toValues[at + step] = values[next - 1]! + (values[next]! - values[next - 1]!) * share;
        }
      }
      return found > 0 ? { labels, dropName: false } : undefined;
    },
  };
}

/** One row of a vector as a run: what a subquery hands to a range function. */
export function runOfRow(vector: Vector, row: number, grid: Grid): Run {
  const { labels, dropName } = vector.heads[row]!;
  const base = row * grid.steps;
  const times = new Float64Array(grid.steps);
  const values = new Float64Array(grid.steps);
  let to = 0;
  for (let step = 0; step < grid.steps; step++) {
    if (vector.present[base + step] === 0) continue;
    times[to] = timeOf(grid, step);
    values[to++] = vector.values[base + step]!;
  }
  return { labels, dropName, times, values, from: 0, to };
}
