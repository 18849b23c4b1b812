import { compareLabels, type Labels, labelsKey, labelValue } from '../model/labels.ts';
import { decodeSamples, type SelectedSeries } from '../model/series.ts';
import type { TenantId } from '../model/tenant.ts';
import { finishPaced, mergedInPieces, type Work } from '../model/work.ts';
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
  const series: SeriesReader['series'] = async (matcherSets, range, options = {}) => {
    const inMemory = await head.series(matcherSets, range, options);
    const onDisk = await partitions.series(tenant, matcherSets, range, floors(), options);
    if (onDisk.length === 0) return inMemory;
    return await finishPaced(united(inMemory, onDisk), { pause: options.pause, signal: options.signal });
  };
  /** The newest sample that was found on disk: what begins behind it is asked of the head alone first. */
  let newestOnDisk = Number.NEGATIVE_INFINITY;
  return {
    async selectEach(matchers, range, take, options) {
      if (range.start <= newestOnDisk) return false;
      // The head first, as below; what is on disk as well can be merged by `select` alone.
      if ((await head.selectEach?.(matchers, range, take, options)) !== true) return false;
      const onDisk = await partitions.find(tenant, [matchers], range, floors(), options);
      for (const { last } of onDisk) newestOnDisk = Math.max(newestOnDisk, last);
      return onDisk.length === 0;
    },
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
        const inHead = found.get(key);
        // The same empty columns for all: runs of equal times, and of none behind them, share these.
        const live = inHead === undefined ? NO_SAMPLES : decodeSamples(inHead.chunks, range);
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
    async labelNames(matcherSets, range, options) {
      const inMemory = await head.labelNames(matcherSets, range, options);
      const onDisk = await partitions.series(tenant, matcherSets, range, floors(), options);
      return onDisk.length === 0 ? inMemory : [...new Set([...inMemory, ...namesOf(onDisk)])].sort();
    },
    async labelValues(wanted, matcherSets, range, options) {
      const inMemory = await head.labelValues(wanted, matcherSets, range, options);
      const onDisk = await partitions.series(tenant, matcherSets, range, floors(), options);
      if (onDisk.length === 0) return inMemory;
      return [...new Set([...inMemory, ...valuesOf(wanted, onDisk)])].sort();
    },
    metadata: () => head.metadata(),
  };
}

/** Both in order; what is in both once. */
function* united(a: readonly Labels[], b: readonly Labels[]): Work<readonly Labels[]> {
  const all = yield* mergedInPieces(a, b, compareLabels);
  return all.filter((labels, i) => i === 0 || compareLabels(all[i - 1]!, labels) !== 0);
}

export function namesOf(series: readonly Labels[]): readonly string[] {
  const names = new Set<string>();
  for (const labels of series) for (const [name] of labels) names.add(name);
  return [...names].sort();
}

export function valuesOf(wanted: string, series: readonly Labels[]): readonly string[] {
  const values = new Set<string>();
  for (const labels of series) {
    const value = labelValue(labels, wanted);
    if (value !== '') values.add(value);
  }
  return [...values].sort();
}
