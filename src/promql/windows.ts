import type { HistogramValue } from '../model/histogram-value.ts';
import type { Labels } from '../model/labels.ts';
import { type Chunk, decodeSamples, isStaleMarker, lowerBound, upperBound } from '../model/series.ts';
import type { Millis, TimeRange } from '../model/time.ts';
import type { LoadedSelector } from './evaluation.ts';
import { withHint } from './histograms/scale.ts';
import type { LoadedSeries } from './loaded-series.ts';
import type { Rows } from './rows.ts';
import { type Grid, HISTOGRAM, timeOf, type Vector } from './value.ts';

/**
 * Samples of one series: `from` to `to` (exclusive) of the columns, staleness markers taken out.
 */
export interface Run {
  readonly labels: Labels;
  readonly dropName: boolean;
  readonly times: Float64Array;
  readonly values: Float64Array;
  /** Whether the values are good only until any other run is made, by another query too: see `keptRun`. */
  readonly lent?: boolean;
  readonly from: number;
  readonly to: number;
  /** No value is NaN or below the one before it. Left out: not so, or not known. */
  readonly ascends?: true | undefined;
  /** As `LoadedSeries` has them, beside `times` and `values`. */
  readonly histograms?: readonly (HistogramValue | undefined)[] | undefined;
  readonly starts?: Float64Array | undefined;
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
export function runOf(series: LoadedSeries, range: TimeRange): Run {
  const run = rawRunOf(series, range);
  if (run.ascends === true) return run;
  const { labels, dropName, times, values, from, to, histograms, starts } = run;
  let stale = 0;
  const first = Math.max(from, series.deferred?.numbers ?? 0);
  for (let i = first; i < to; i++) if (Number.isNaN(values[i]!) && isStaleMarker(values, i)) stale++;
  if (stale === 0) return run;
  const length = to - from - stale;
  const keptTimes = new Float64Array(length);
  const keptValues = new Float64Array(length);
  const keptHistograms = histograms && new Array<HistogramValue | undefined>(length);
  const keptStarts = starts && new Float64Array(length);
  for (let i = from, kept = 0; i < to; i++) {
    if (isStaleMarker(values, i)) continue;
    keptTimes[kept] = times[i]!;
    if (keptHistograms !== undefined) keptHistograms[kept] = histograms![i];
    if (keptStarts !== undefined) keptStarts[kept] = starts![i]!;
    keptValues[kept++] = values[i]!;
  }
  const columns = { times: keptTimes, values: keptValues, histograms: keptHistograms, starts: keptStarts };
  return { labels, dropName, ...columns, from: 0, to: length };
}

/** A run that stays good while others are made: for what rests before it is done with it. */
export function keptRun(run: Run): Run {
  return run.lent === true ? { ...run, values: run.values.slice(), lent: false } : run;
}

/** With staleness markers. Copies nothing where one chunk has it all. */
function rawRunOf({ labels, chunks, deferred, histograms, starts }: LoadedSeries, range: TimeRange): Run {
  const only: Omit<Chunk, 'encoding'> | undefined = deferred?.read() ?? chunks[0];
  if (deferred !== undefined || chunks.length === 1) {
    const { times, values, ascends } = only!;
    let from = 0;
    let to = times.length;
    if (to > 0 && times[0]! < range.start) from = lowerBound(times, range.start);
    if (to > from && times[to - 1]! > range.end) to = upperBound(times, range.end);
    const lent = deferred !== undefined;
    return { labels, dropName: false, times, values, lent, from, to, ascends, histograms, starts };
  }
  const { times, values } = decodeSamples(chunks, range);
  return { labels, dropName: false, times, values, from: 0, to: times.length };
}

/**
 * The newest sample in (t - lookback, t] at each step; a staleness marker hides the series.
 * @param wanted The samples themselves, or their times (for `timestamp`) or starts (0: unset) in seconds.
 */
export function latestRows(
  { series, range, mixed }: Pick<LoadedSelector, 'series' | 'range' | 'mixed'>,
  { sights, lookbackMs }: { readonly sights: Float64Array; readonly lookbackMs: number },
  wanted: 'values' | 'times' | 'starts',
): Rows {
  const steps = sights.length;
  return {
    count: series.length,
    mixed: mixed && wanted === 'values',
    read(row, toValues, toPresent, at, toHistograms) {
      const { labels, times, values, from, to, histograms, starts } = rawRunOf(series[row]!, range);
      let newest = to > from && times[to - 1]! <= sights[0]! ? to - 1 : Math.min(upperBound(times, sights[0]!), to) - 1;
      let found = 0;
      for (let step = 0; step < steps; step++) {
        const t = sights[step]!;
        while (newest + 1 < to && times[newest + 1]! <= t) newest++;
        if (newest < from || times[newest]! <= t - lookbackMs || isStaleMarker(values, newest)) {
          toPresent[at + step] = 0;
          continue;
        }
        found++;
        toPresent[at + step] = 1;
        if (wanted !== 'values') {
          toValues[at + step] = (wanted === 'times' ? times[newest]! : (starts?.[newest] ?? 0)) / 1000;
          continue;
        }
        toValues[at + step] = values[newest]!;
        if (histograms === undefined || histograms[newest] === undefined) continue;
        toHistograms![at + step] = histograms[newest];
        toPresent[at + step] = HISTOGRAM;
      }
      return found > 0 ? { labels, dropName: false } : undefined;
    },
  };
}

/** Between two samples by a straight line; before the first nothing, after the last its value. */
export function smoothedRows(
  { series, range }: Pick<LoadedSelector, 'series' | 'range'>,
  { sights, lookbackMs }: { readonly sights: Float64Array; readonly lookbackMs: number },
): Rows {
  return {
    count: series.length,
    mixed: false,
    read(row, toValues, toPresent, at) {
      const { labels, times, values, from, to } = runOf(series[row]!, range);
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
          const rise = (values[next]! - values[next - 1]!) * (t - times[next - 1]!);
          toValues[at + step] = values[next - 1]! + rise / (times[next]! - times[next - 1]!);
        }
      }
      return found > 0 ? { labels, dropName: false } : undefined;
    },
  };
}

/** Its steps may leave out histograms, or have one twice: what hints told of them and those before is not so any more. */
function withoutRelation(histogram: HistogramValue): HistogramValue {
  return histogram.hint === 'gauge' ? histogram : withHint(histogram, 'unknown');
}

/** One row of a vector as a run: what a subquery hands to a range function. */
export function runOfRow(vector: Vector, row: number, grid: Grid): Run {
  const { labels, dropName } = vector.heads[row]!;
  const base = row * grid.steps;
  const times = new Float64Array(grid.steps);
  const values = new Float64Array(grid.steps);
  const cells = vector.histograms;
  const histograms = cells && new Array<HistogramValue | undefined>(grid.steps);
  let to = 0;
  for (let step = 0; step < grid.steps; step++) {
    if (vector.present[base + step] === 0) continue;
    times[to] = timeOf(grid, step);
    if (histograms !== undefined && vector.present[base + step] === HISTOGRAM) {
      histograms[to] = withoutRelation(cells![base + step]!);
    }
    values[to++] = vector.values[base + step]!;
  }
  return { labels, dropName, times, values, from: 0, to, histograms };
}
