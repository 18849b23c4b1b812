import { compareLabels, type Labels, labelValue } from '../model/labels.ts';
import type { Matcher } from '../model/matcher.ts';
import { type Chunk, lowerBound, type SelectedSeries, upperBound } from '../model/series.ts';
import type { TimeRange } from '../model/time.ts';
import { finishPaced, sortedInPieces, type Work } from '../model/work.ts';
import { TooManySamplesError } from '../storage/errors.ts';
import type { FindOptions, SelectOptions, SeriesReader } from '../storage/storage.ts';
import type { SeriesRef } from '../storage/write.ts';
import type { Head } from './head.ts';
import { chunksOf, hasSampleIn } from './head-series.ts';
import type { TenantHead } from './tenant-head.ts';
import { Turns } from './turns.ts';

/** Series that are looked at in one go. */
const LOOKED_AT_ONCE = 128;

/** Reads one tenant. `tenant` is asked each time: a tenant exists from its first write on. */
export function readerOf(head: Head, tenant: () => TenantHead | undefined): SeriesReader {
  /** Labels of series that match any of the lists (none given: all) and have something in the range, in no order. */
  function* matching(matcherSets: readonly (readonly Matcher[])[], range: TimeRange): Work<readonly Labels[]> {
    const of = tenant();
    if (of === undefined) return [];
    const { id, series: all, attachments } = of;
    const floors = head.floorsOf(id);
    const sets = matcherSets.length === 0 ? [[]] : matcherSets;
    const refs = new Set<SeriesRef>();
    for (const matchers of sets) {
      for (const ref of yield* all.selectRefs(matchers)) refs.add(ref);
      yield;
    }
    const found: Labels[] = [];
    let looked = 0;
    for (const ref of refs) {
      if (++looked % LOOKED_AT_ONCE === 0) yield;
      const series = all.get(ref);
      if (series === undefined) continue;
      const floor = floors[series.retention];
      if (hasSampleIn(head.live, series, range, floor) || attachments.hasHistogramIn(ref, range, floor)) {
        found.push(series.labels);
      }
    }
    return found;
  }

  function* valuesOf(wanted: string, matcherSets: readonly (readonly Matcher[])[], range: TimeRange) {
    if (matcherSets.length > 0) return yield* valuesIn(wanted, yield* matching(matcherSets, range));
    const of = tenant();
    if (of === undefined) return [];
    const { series: index, attachments } = of;
    const { values, placed, order } = yield* head.labelValues.of(index, wanted);
    const marks = index.texts.sampled(index.table, placed, range, head.floorsOf(of.id));
    if (!marks.includes(0)) return values;
    const sampled = new Uint8Array(marks.length);
    for (const [i, value] of order.entries()) sampled[value] = marks[i]!;
    const mayHaveOthers = index.rest.size > 0 || attachments.hasHistograms;
    if (!mayHaveOthers) return values.filter((_, i) => sampled[i] === 1);
    const having = yield* matching([[{ name: wanted, op: '!=', value: '' }]], range);
    const found = new Set(yield* valuesIn(wanted, having));
    return values.filter((value, i) => sampled[i] === 1 || found.has(value));
  }

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
        const read: (Chunk | undefined)[] = [];
        const next = head.live.readMany(of.table, refs, from, { range, floors, newestAlone }, read);
        for (let i = from; i < next; i++) {
          const live = read[i - from];
          const past = of.series.rest.size === 0 ? undefined : of.series.rest.get(refs[i]!)?.past;
          let chunks: SelectedSeries['chunks'];
          if (past !== undefined && past.length > 0) {
            const series = of.series.get(refs[i]!);
            chunks = series === undefined ? [] : chunksOf(head.live, series, range, floors[series.retention]);
          } else chunks = live === undefined ? [] : [live];
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
    async selectEach(matchers, range, take, { maxSamples, signal, pause, newestAlone = false } = {}) {
      signal?.throwIfAborted();
      const of = tenant();
      if (of === undefined) return true;
      const turns = new Turns();
      const due = pause ?? (() => turns.due());
      const floors = head.floorsOf(of.id);
      const { refs, labels } = await head.selections.select(of.series, matchers, due);
      let samples = 0;
      for (let from = 0; from < refs.length; ) {
        const read: (Chunk | undefined)[] = [];
        const next = head.live.readMany(of.table, refs, from, { range, floors, newestAlone }, read, true);
        for (let i = from; i < next; i++) {
          // What was imported is merged by `select`.
          if (of.series.rest.size > 0 && (of.series.rest.get(refs[i]!)?.past?.length ?? 0) > 0) return false;
          const live = read[i - from];
          if (live === undefined) continue;
          samples += live.times.length;
          if (maxSamples !== undefined && samples > maxSamples) throw new TooManySamplesError(maxSamples);
          take({ labels: labels[i]!, chunks: [live] });
        }
        from = next;
        const rest = due();
        if (rest !== undefined) await rest;
        signal?.throwIfAborted();
      }
      return true;
    },
    series: async (matcherSets, range, options) => await paced(sortedSets(matching(matcherSets, range)), options),
    labelNames: async (matcherSets, range, options) => await paced(namesIn(matching(matcherSets, range)), options),
    labelValues: async (wanted, matcherSets, range, options) =>
      await paced(valuesOf(wanted, matcherSets, range), options),
    async metadata() {
      return [...(tenant()?.metadata.values() ?? [])].sort((a, b) => (a.metric < b.metric ? -1 : 1));
    },
  };
}

function countWithin(times: Float64Array, { start, end }: TimeRange): number {
  return upperBound(times, end) - lowerBound(times, start);
}

function* sortedSets(found: Work<readonly Labels[]>): Work<readonly Labels[]> {
  return yield* sortedInPieces(yield* found, compareLabels);
}

function* namesIn(found: Work<readonly Labels[]>): Work<readonly string[]> {
  const names = new Set<string>();
  let looked = 0;
  for (const labels of yield* found) {
    for (const [name] of labels) names.add(name);
    if (++looked % LOOKED_AT_ONCE === 0) yield;
  }
  return [...names].sort();
}

function* valuesIn(wanted: string, sets: readonly Labels[]): Work<readonly string[]> {
  const values = new Set<string>();
  for (let i = 0; i < sets.length; i++) {
    const value = labelValue(sets[i]!, wanted);
    if (value !== '') values.add(value);
    if (i % LOOKED_AT_ONCE === 0) yield;
  }
  return yield* sortedInPieces([...values], (a, b) => (a < b ? -1 : 1));
}

/** In turns: the caller's where there are some. */
async function paced<T>(work: Work<T>, { pause, signal }: FindOptions = {}): Promise<T> {
  signal?.throwIfAborted();
  const turns = new Turns();
  return await finishPaced(work, { pause: pause ?? (() => turns.due()), signal });
}
