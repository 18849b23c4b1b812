import { compareLabels, type Labels } from '../model/labels.ts';
import type { Matcher } from '../model/matcher.ts';
import { lowerBound, type SelectedSeries, upperBound } from '../model/series.ts';
import type { TimeRange } from '../model/time.ts';
import { TooManySamplesError } from '../storage/errors.ts';
import type { SelectOptions, SeriesReader } from '../storage/storage.ts';
import type { Head } from './head.ts';
import { chunksOf, type HeadSeries, hasSampleIn } from './head-series.ts';
import type { TenantHead } from './tenant-head.ts';

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
    async select(matchers, range, { maxSamples, signal }: SelectOptions = {}) {
      signal?.throwIfAborted();
      const selected: SelectedSeries[] = [];
      let samples = 0;
      const of = tenant();
      if (of === undefined) return [];
      const floors = head.floorsOf(of.id);
      for (const series of of.series.select(matchers)) {
        const chunks = chunksOf(head.live, series, range, floors[series.retention]);
        if (chunks.length === 0) continue;
        if (maxSamples !== undefined) {
          for (const { times } of chunks) samples += upperBound(times, range.end) - lowerBound(times, range.start);
          if (samples > maxSamples) throw new TooManySamplesError(maxSamples);
        }
        selected.push({ labels: series.labels, chunks });
      }
      return selected.sort((a, b) => compareLabels(a.labels, b.labels));
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
      const values = new Set<string>();
      for (const { labels } of matching(matcherSets, range)) {
        for (const [name, value] of labels) if (name === wanted) values.add(value);
      }
      return [...values].sort();
    },
    async metadata() {
      return [...(tenant()?.metadata.values() ?? [])].sort((a, b) => (a.metric < b.metric ? -1 : 1));
    },
  };
}
