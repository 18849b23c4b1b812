import type { HistogramValue } from '../model/histogram-value.ts';
import { compareLabels, type Labels, labelsKey, labelValue, METRIC_NAME } from '../model/labels.ts';
import { compileMatcher, type Matcher } from '../model/matcher.ts';
import { lowerBound, type SelectedSeries, setStaleMarker, upperBound } from '../model/series.ts';
import type { Millis, TimeRange } from '../model/time.ts';
import { sameHistogram } from '../promql/histograms/equal.ts';
import type { SeriesSource } from '../promql/load.ts';
import { encodeHistogramValue } from './encode-histogram.ts';

/** What a series has at one time. */
export type BookValue = number | 'stale' | HistogramValue;

/** What became of a sample. `duplicate`: the same is there already. `conflict`: something else is there at its time. */
export type BookOutcome = 'appended' | 'duplicate' | 'conflict' | 'out of order';

interface BookSeries {
  readonly labels: Labels;
  times: Float64Array;
  values: Float64Array;
  length: number;
  /** In order of time. */
  readonly histograms: { readonly time: Millis; readonly start: 0; readonly bytes: Uint8Array }[];
  lastTime: Millis;
  lastValue: BookValue | undefined;
}

/** Samples in memory, in order of time as rules make them: what unit tests of rules are evaluated on. Nothing bounds it. */
export interface SeriesBook extends SeriesSource {
  append(labels: Labels, time: Millis, value: BookValue): BookOutcome;
}

export function openSeriesBook(): SeriesBook {
  const byKey = new Map<string, BookSeries>();
  const byName = new Map<string, BookSeries[]>();
  const matching = (matchers: readonly Matcher[]): readonly BookSeries[] => {
    const name = matchers.find((matcher) => matcher.name === METRIC_NAME && matcher.op === '=')?.value;
    const candidates = name === undefined ? [...byKey.values()] : (byName.get(name) ?? []);
    const tests = matchers.map((matcher) => [matcher.name, compileMatcher(matcher)] as const);
    return candidates
      .filter(({ labels }) => tests.every(([label, test]) => test(labelValue(labels, label))))
      .sort((a, b) => compareLabels(a.labels, b.labels));
  };
  return {
    append(labels, time, value) {
      const key = labelsKey(labels);
      let series = byKey.get(key);
      if (series === undefined) {
        series = emptySeries(labels);
        byKey.set(key, series);
        const name = labelValue(labels, METRIC_NAME);
        const named = byName.get(name);
        if (named === undefined) byName.set(name, [series]);
        else named.push(series);
      }
      return appendTo(series, time, value);
    },
    async select(matchers, range) {
      return matching(matchers).flatMap((series) => selected(series, range));
    },
    async histograms(matchers, { start, end }) {
      return matching(matchers).flatMap(({ labels, histograms: all }) => {
        const inside = all.filter(({ time }) => time >= start && time <= end);
        return inside.length === 0 ? [] : [{ labels, histograms: inside }];
      });
    },
  };
}

function emptySeries(labels: Labels): BookSeries {
  const columns = { times: new Float64Array(8), values: new Float64Array(8), length: 0 };
  return { labels, ...columns, histograms: [], lastTime: Number.NEGATIVE_INFINITY, lastValue: undefined };
}

function appendTo(series: BookSeries, time: Millis, value: BookValue): BookOutcome {
  if (time < series.lastTime) return 'out of order';
  if (time === series.lastTime) return sameValue(series.lastValue, value) ? 'duplicate' : 'conflict';
  series.lastTime = time;
  series.lastValue = value;
  if (typeof value === 'object') {
    series.histograms.push({ time, start: 0, bytes: encodeHistogramValue(value) });
    return 'appended';
  }
  if (series.length === series.times.length) {
    series.times = grown(series.times);
    series.values = grown(series.values);
  }
  series.times[series.length] = time;
  if (value === 'stale') setStaleMarker(series.values, series.length);
  else series.values[series.length] = value;
  series.length++;
  return 'appended';
}

function selected({ labels, times, values, length }: BookSeries, range: TimeRange): readonly SelectedSeries[] {
  const filled = times.subarray(0, length);
  const from = lowerBound(filled, range.start);
  const to = upperBound(filled, range.end);
  if (from >= to) return [];
  const chunk = { encoding: 'plain', times: times.slice(from, to), values: values.slice(from, to) } as const;
  return [{ labels, chunks: [chunk] }];
}

function sameValue(a: BookValue | undefined, b: BookValue): boolean {
  if (typeof a === 'object' && typeof b === 'object') return sameHistogram(a, b);
  return Object.is(a, b);
}

function grown(array: Float64Array): Float64Array {
  const larger = new Float64Array(array.length * 2);
  larger.set(array);
  return larger;
}
