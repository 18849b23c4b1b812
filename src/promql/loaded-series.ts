import { type HistogramValue, NO_BUCKETS } from '../model/histogram-value.ts';
import { compareLabels, type Labels, labelsKey } from '../model/labels.ts';
import { decodeSamples, type Samples, type SelectedSeries, setStaleMarker } from '../model/series.ts';
import type { Millis, TimeRange } from '../model/time.ts';
import { decodeHistogramValue } from './histograms/decode.ts';
import { isReset, storedHint } from './histograms/resets.ts';
import { withHint } from './histograms/scale.ts';

/** What evaluation sees of a series. With histograms or starts it has one chunk, and both stand beside its samples. */
export interface LoadedSeries extends SelectedSeries {
  /** The sample at the chunk's `times[i]`, where that is a histogram; its value is NaN then, and no staleness marker. */
  readonly histograms?: readonly (HistogramValue | undefined)[] | undefined;
  /** When counting began, for each sample. 0: unset. */
  readonly starts?: Float64Array | undefined;
}

/** Native histograms of one series in order of time, as the store keeps them. */
export interface StoredHistograms {
  readonly labels: Labels;
  readonly histograms: readonly { readonly time: Millis; readonly start: Millis; readonly bytes: Uint8Array }[];
}

/** When a series began to count: samples from `times[i]` on have the start `starts[i]`, 0 where it is unset. */
export interface StoredStarts {
  readonly labels: Labels;
  readonly times: Float64Array;
  readonly starts: Float64Array;
}

interface Wanted {
  /** Histograms may come from before it too. */
  readonly range: TimeRange;
  /** Whether no more of histograms is looked at than their counts and sums. */
  readonly countsAlone: boolean;
}

/** Joins what was selected separately, in the order of `compareLabels`. */
export function joinSelected(
  selected: readonly SelectedSeries[],
  histograms: readonly StoredHistograms[],
  starts: readonly StoredStarts[],
  wanted: Wanted,
): readonly LoadedSeries[] {
  if (histograms.length === 0 && starts.length === 0) return selected;
  const startsByKey = new Map(starts.map((each) => [labelsKey(each.labels), each]));
  const histogramsByKey = new Map(histograms.map((each) => [labelsKey(each.labels), each]));
  const joined = selected.map((series): LoadedSeries => {
    const key = labelsKey(series.labels);
    const stored = histogramsByKey.get(key);
    histogramsByKey.delete(key);
    return joinSeries(series, stored, startsByKey.get(key), wanted);
  });
  if (histogramsByKey.size === 0) return joined;
  for (const [key, stored] of histogramsByKey) {
    if (!reaches(stored, wanted)) continue;
    joined.push(joinSeries({ labels: stored.labels, chunks: [] }, stored, startsByKey.get(key), wanted));
  }
  return joined.sort((a, b) => compareLabels(a.labels, b.labels));
}

function joinSeries(
  series: SelectedSeries,
  stored: StoredHistograms | undefined,
  began: StoredStarts | undefined,
  wanted: Wanted,
): LoadedSeries {
  if (!reaches(stored, wanted) && (began === undefined || began.times.length === 0)) return series;
  const floats = decodeSamples(series.chunks, wanted.range);
  const all = reaches(stored, wanted) ? interleaved(floats, stored.histograms, wanted) : undefined;
  const { times, values } = all ?? floats;
  const starts = began && startsAt(times, began);
  const ofHistograms = all?.starts;
  for (const [i, start] of ofHistograms?.entries() ?? []) if (starts && all!.histograms[i]) starts[i] = start;
  const chunk = { encoding: 'plain', times, values } as const;
  return { ...series, chunks: [chunk], histograms: all?.histograms, starts: starts ?? ofHistograms };
}

/** Whether there is more than what was before the range. */
function reaches(stored: StoredHistograms | undefined, { range }: Wanted): stored is StoredHistograms {
  return (stored?.histograms.at(-1)?.time ?? Number.NEGATIVE_INFINITY) >= range.start;
}

/** At one time a series has one sample: should there be both, the float stays. */
function interleaved({ times, values }: Samples, stored: StoredHistograms['histograms'], wanted: Wanted) {
  const read = readHistograms(stored, times, wanted);
  const most = times.length + read.length;
  const out = { times: new Float64Array(most), values: new Float64Array(most), starts: new Float64Array(most) };
  const histograms = new Array<HistogramValue | undefined>(most);
  let started = false;
  let length = 0;
  for (let i = 0, j = 0; i < times.length || j < read.length; length++) {
    const next = read[j];
    if (next === undefined || times[i]! <= next.time) {
      if (next !== undefined && times[i] === next.time) j++;
      out.times[length] = times[i]!;
      out.values.set(values.subarray(i, i + 1), length);
      i++;
      continue;
    }
    j++;
    out.times[length] = next.time;
    out.starts[length] = next.start;
    if (next.start !== 0) started = true;
    if (next.histogram === 'stale') setStaleMarker(out.values, length);
    else {
      out.values[length] = Number.NaN;
      histograms[length] = next.histogram;
    }
  }
  return {
    times: out.times.subarray(0, length),
    values: out.values.subarray(0, length),
    starts: started ? out.starts.subarray(0, length) : undefined,
    histograms: histograms.slice(0, length),
  };
}

interface ReadHistogram {
  readonly time: Millis;
  readonly start: Millis;
  readonly histogram: HistogramValue | 'stale';
}

/** Those in the range, with hints of what Prometheus would know of them. Of those before it the newest is looked at. */
function readHistograms(
  stored: StoredHistograms['histograms'],
  floatTimes: Float64Array,
  { range, countsAlone }: Wanted,
): readonly ReadHistogram[] {
  const found: ReadHistogram[] = [];
  let first = 0;
  while (first < stored.length && stored[first]!.time < range.start) first++;
  let chained: HistogramValue | undefined;
  /** In the range, floats and markers in between or not. */
  let last: HistogramValue | undefined;
  let previousTime = Number.NEGATIVE_INFINITY;
  for (let i = Math.max(0, first - 1), float = 0; i < stored.length; i++) {
    const { time, start, bytes } = stored[i]!;
    while (float < floatTimes.length && floatTimes[float]! < time) float++;
    if (float > 0 && floatTimes[float - 1]! > previousTime) chained = undefined;
    previousTime = time;
    const read = decodeHistogramValue(bytes);
    if (read === 'stale') {
      chained = undefined;
      if (i >= first) found.push({ time, start, histogram: 'stale' });
      continue;
    }
    const hint = storedHint(read, chained);
    chained = read;
    if (i < first) continue;
    if (!countsAlone) found.push({ time, start, histogram: withHint(read, hint) });
    else found.push({ time, start, histogram: withoutBuckets(read, hint === 'unknown' ? seenHint(read, last) : hint) });
    last = read;
  }
  return found;
}

/** What Prometheus finds out before it drops the buckets, in which a reset could be seen. */
function seenHint(histogram: HistogramValue, last: HistogramValue | undefined): HistogramValue['hint'] {
  if (last === undefined) return 'unknown';
  return isReset(withHint(histogram, 'unknown'), last) ? 'reset' : 'not_reset';
}

function withoutBuckets({ schema, count, sum }: HistogramValue, hint: HistogramValue['hint']): HistogramValue {
  const none = { zeroThreshold: 0, zeroCount: 0, positive: NO_BUCKETS, negative: NO_BUCKETS, bounds: [] };
  return { hint, schema, count, sum, ...none };
}

function startsAt(times: Float64Array, began: StoredStarts): Float64Array {
  const starts = new Float64Array(times.length);
  for (let i = 0, next = 0, current = 0; i < times.length; i++) {
    while (next < began.times.length && began.times[next]! <= times[i]!) current = began.starts[next++]!;
    starts[i] = current;
  }
  return starts;
}
