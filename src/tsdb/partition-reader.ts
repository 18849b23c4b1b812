import { compareLabels, type Labels, labelsKey } from '../model/labels.ts';
import type { Matcher } from '../model/matcher.ts';
import { decodeSamples, type SelectedSeries } from '../model/series.ts';
import type { TenantId } from '../model/tenant.ts';
import type { TimeRange } from '../model/time.ts';
import { TooManySamplesError } from '../storage/errors.ts';
import type { SeriesReader } from '../storage/storage.ts';
import { mergeSamples } from './chunk.ts';
import type { Floors, Partitions } from './partitions.ts';
import { NO_SAMPLES } from './sample-columns.ts';

/**
 * One tenant's series in memory and on disk. Where both have a time the head's sample stays: it is either the same, or
 * live where the other was imported.
 */
export function readerOfBoth(
  head: SeriesReader,
  partitions: Pick<Partitions, 'find' | 'series'>,
  { tenant, floors }: { readonly tenant: TenantId; readonly floors: () => Floors },
): SeriesReader {
  const series = async (matcherSets: readonly (readonly Matcher[])[], range: TimeRange): Promise<readonly Labels[]> => {
    const found = new Map<string, Labels>();
    const parts = [
      await head.series(matcherSets, range),
      await partitions.series(tenant, matcherSets, range, floors()),
    ];
    for (const labels of parts.flat()) found.set(labelsKey(labels), labels);
    return [...found.values()].sort(compareLabels);
  };
  return {
    async select(matchers, range, options = {}) {
      const { maxSamples = Number.POSITIVE_INFINITY, mayDefer = false } = options;
      // The head first: what is flushed in between is then found twice, never missed.
      const inMemory = await head.select(matchers, range, options);
      const onDisk = await partitions.find(tenant, [matchers], range, floors(), options);
      if (onDisk.length === 0) return inMemory;
      const found = new Map<string, SelectedSeries>(inMemory.map((each) => [labelsKey(each.labels), each]));
      let samples = 0;
      for (const run of onDisk) {
        const { labels } = run;
        const key = labelsKey(labels);
        const live = decodeSamples(found.get(key)?.chunks ?? [], range);
        const isBehind = live.times.length === 0 || live.times[0]! > run.last;
        let count = run.count + live.times.length;
        if (mayDefer && isBehind) {
          found.set(key, {
            labels,
            chunks: [],
            deferred: { count, numbers: run.numbers, read: () => run.read(live, true) },
          });
        } else {
          const joined = isBehind ? run.read(live, false) : mergeSamples(live, run.read(NO_SAMPLES, false));
          count = joined.times.length;
          found.set(key, { labels, chunks: [{ encoding: 'plain', ...joined }] });
          const rest = options.pause?.();
          if (rest !== undefined) await rest;
        }
        samples += count;
        if (samples > maxSamples) throw new TooManySamplesError(maxSamples);
      }
      return [...found.values()].sort((a, b) => compareLabels(a.labels, b.labels));
    },
    series,
    async labelNames(matcherSets, range) {
      return namesOf(await series(matcherSets, range));
    },
    async labelValues(wanted, matcherSets, range) {
      const inMemory = await head.labelValues(wanted, matcherSets, range);
      const onDisk = await partitions.series(tenant, matcherSets, range, floors());
      if (onDisk.length === 0) return inMemory;
      return [...new Set([...inMemory, ...valuesOf(wanted, onDisk)])].sort();
    },
    metadata: () => head.metadata(),
  };
}

export function namesOf(series: readonly Labels[]): readonly string[] {
  return [...new Set(series.flatMap((labels) => labels.map(([name]) => name)))].sort();
}

export function valuesOf(wanted: string, series: readonly Labels[]): readonly string[] {
  return [...new Set(series.flat().flatMap(([name, value]) => (name === wanted ? [value] : [])))].sort();
}
