import { compareLabels, type Labels, labelValue } from '../model/labels.ts';
import type { Matcher } from '../model/matcher.ts';
import { lowerBound, type Samples, type SelectedSeries, upperBound } from '../model/series.ts';
import type { TimeRange } from '../model/time.ts';
import { TooManySamplesError } from '../storage/errors.ts';
import type { SelectOptions, SeriesReader } from '../storage/storage.ts';
import type { Head } from './head.ts';
import { chunksOf, type HeadSeries, hasSampleIn } from './head-series.ts';
import type { TenantHead } from './tenant-head.ts';
import { Turns } from './turns.ts';

/** Reads one tenant. `tenant` is asked each time: a tenant exists from its first write on. */
export function readerOf(head: Head, tenant: () => TenantHead | undefined): SeriesReader {
  const matching = (matcherSets: readonly (readonly Matcher[])[], range: TimeRange): readonly HeadSeries[] => {
    const of = tenant();
    if (of === undefined) return [];
    const { id, series: all, attachments } = of;
    const floors = head.floorsOf(id);
    return all.selectAny(matcherSets).filter((series) => {
      const floor = floors[series.retention];
      return hasSampleIn(head.live, series, range, floor) || attachments.hasHistogramIn(series.ref, range, floor);
    });
  };
  return {
    async select(matchers, range, { maxSamples, signal, pause, newestAlone = false }: SelectOptions = {}) {
      signal?.throwIfAborted();
      const of = tenant();
      if (of === undefined) return [];
      const turns = new Turns();
      const due = pause ?? (() => turns.due());
      const floors = head.floorsOf(of.id);
      const { refs, labels } = await head.selections.select(of.series, matchers, due);
      const selected: SelectedSeries[] = [];
      let samples = 0;
      for (let from = 0; from < refs.length; ) {
        const read: (Samples | undefined)[] = [];
        const next = head.live.readMany(of.table, refs, from, { range, floors, newestAlone }, read);
        for (let i = from; i < next; i++) {
          const live = read[i - from];
          const past = of.series.rest.size === 0 ? undefined : of.series.rest.get(refs[i]!)?.past;
          let chunks: SelectedSeries['chunks'];
          if (past !== undefined && past.length > 0) {
            const series = of.series.get(refs[i]!);
            chunks = series === undefined ? [] : chunksOf(head.live, series, range, floors[series.retention]);
          } else chunks = live === undefined ? [] : [{ encoding: 'plain', times: live.times, values: live.values }];
          if (chunks.length === 0) continue;
          if (maxSamples !== undefined) {
            for (const { times } of chunks) {
              samples += times === live?.times ? times.length : countWithin(times, range);
            }
            if (samples > maxSamples) throw new TooManySamplesError(maxSamples);
          }
          selected.push({ labels: labels[i]!, chunks });
        }
        from = next;
        const rest = due();
        if (rest !== undefined) await rest;
        signal?.throwIfAborted();
      }
      return selected;
    },
    async series(matcherSets, range) {
      return matching(matcherSets, range)
        .map(({ labels }): Labels => labels)
        .sort(compareLabels);
    },
    async labelNames(matcherSets, range) {
      const names = new Set<string>();
      for (const { labels } of matching(matcherSets, range)) for (const [name] of labels) names.add(name);
      return [...names].sort();
    },
    async labelValues(wanted, matcherSets, range) {
      const of = tenant();
      if (of === undefined) return [];
      const { series: index, attachments } = of;
      if (matcherSets.length > 0) return valuesOf(wanted, matching(matcherSets, range));
      const { values, placed, order } = head.labelValues.of(index, wanted);
      const marks = index.texts.sampled(index.table, placed, range, head.floorsOf(of.id));
      if (!marks.includes(0)) return values;
      const sampled = new Uint8Array(marks.length);
      for (const [i, value] of order.entries()) sampled[value] = marks[i]!;
      const mayHaveOthers = index.rest.size > 0 || attachments.hasHistograms;
      if (!mayHaveOthers) return values.filter((_, i) => sampled[i] === 1);
      const found = new Set(valuesOf(wanted, matching([[{ name: wanted, op: '!=', value: '' }]], range)));
      return values.filter((value, i) => sampled[i] === 1 || found.has(value));
    },
    async metadata() {
      return [...(tenant()?.metadata.values() ?? [])].sort((a, b) => (a.metric < b.metric ? -1 : 1));
    },
  };
}

function countWithin(times: Float64Array, { start, end }: TimeRange): number {
  return upperBound(times, end) - lowerBound(times, start);
}

function valuesOf(wanted: string, series: readonly HeadSeries[]): readonly string[] {
  return [...new Set(series.map(({ labels }) => labelValue(labels, wanted)))].filter((value) => value !== '').sort();
}
