import { compareLabels, decodeLabels, encodeLabels, type Labels, labelValue } from '../model/labels.ts';
import { compileMatcher, type Matcher } from '../model/matcher.ts';
import { lowerBound, type SelectedSeries, upperBound } from '../model/series.ts';
import type { TenantId } from '../model/tenant.ts';
import { MINUTE, type Millis, type TimeRange } from '../model/time.ts';
import { type EngineOptions, evaluatorOver } from '../promql/run.ts';
import { TooManySamplesError } from '../storage/errors.ts';
import type {
  AttachmentReader,
  BackfillOutcome,
  Evaluator,
  SelectOptions,
  Storage,
  TenantStorage,
} from '../storage/storage.ts';
import {
  type Attachments,
  type HistogramSample,
  type MetricMetadata,
  OUTCOME,
  type RefAnswer,
  type SeriesRef,
  type WriteBatch,
} from '../storage/write.ts';

export interface MemoryStorageOptions extends EngineOptions {
  /** The present, which bounds how far ahead a sample may lie. Without it nothing is too far ahead. */
  readonly now?: () => Millis;
}

/** Samples may be this far ahead of now, as in the real store. */
const AHEAD_MS = 10 * MINUTE;

interface MemorySeries {
  readonly labels: Labels;
  times: Float64Array;
  values: Float64Array;
  length: number;
  /** In order of time. */
  readonly histograms: HistogramSample[];
  /** From each time on, in order of time. 0: unset. */
  readonly starts: Map<Millis, Millis>;
}

/** A store that keeps everything in memory, with the contract of `storage/`. For tests: nothing bounds it. */
export function memoryStorage(options: MemoryStorageOptions = {}): Storage {
  const tenants = new Map<TenantId, TenantStorage>();
  return {
    tenant(id) {
      let tenant = tenants.get(id);
      if (tenant === undefined) {
        tenant = memoryTenant(options);
        tenants.set(id, tenant);
      }
      return tenant;
    },
    async tenants() {
      const everything = { start: Number.NEGATIVE_INFINITY, end: Number.POSITIVE_INFINITY };
      const found: TenantId[] = [];
      for (const [id, tenant] of tenants) if ((await tenant.series([], everything)).length > 0) found.push(id);
      return found;
    },
    async [Symbol.asyncDispose]() {
      tenants.clear();
    },
  };
}

/** One tenant's part on its own, which is what most tests want. */
export function memoryTenant({ now, ...engine }: MemoryStorageOptions = {}): TenantStorage {
  const refs = new Map<string, SeriesRef>();
  const all: MemorySeries[] = [];
  const families = new Map<string, MetricMetadata>();
  let pending: WriteBatch[] = [];
  let attached: Attachments['histograms'][number][] = [];

  const refOf = (labelBytes: Uint8Array): SeriesRef => {
    const key = String.fromCharCode(...labelBytes);
    let ref = refs.get(key);
    if (ref === undefined) {
      all.push({
        labels: decodeLabels(labelBytes),
        times: new Float64Array(8),
        values: new Float64Array(8),
        length: 0,
        histograms: [],
        starts: new Map(),
      });
      ref = all.length;
      refs.set(key, ref);
    }
    return ref;
  };
  const matching = (matchers: readonly Matcher[]): readonly MemorySeries[] => {
    const tests = matchers.map((matcher) => [matcher.name, compileMatcher(matcher)] as const);
    return all
      .filter(({ labels }) => tests.every(([name, test]) => test(labelValue(labels, name))))
      .sort((a, b) => compareLabels(a.labels, b.labels));
  };
  const seen = (matcherSets: readonly (readonly Matcher[])[], range: TimeRange): readonly Labels[] => {
    const sets = matcherSets.length === 0 ? [[]] : matcherSets;
    const found = new Set(sets.flatMap((matchers) => matching(matchers).filter((series) => touches(series, range))));
    return [...found].map(({ labels }) => labels).sort(compareLabels);
  };
  const select = async (
    matchers: readonly Matcher[],
    range: TimeRange,
    { maxSamples = Number.POSITIVE_INFINITY, signal }: SelectOptions = {},
  ): Promise<readonly SelectedSeries[]> => {
    signal?.throwIfAborted();
    let loaded = 0;
    const selected: SelectedSeries[] = [];
    for (const { labels, times, values, length } of matching(matchers)) {
      const from = lowerBound(times.subarray(0, length), range.start);
      const to = upperBound(times.subarray(0, length), range.end);
      if (from >= to) continue;
      loaded += to - from;
      if (loaded > maxSamples) throw new TooManySamplesError(maxSamples);
      const chunk = { encoding: 'plain', times: times.slice(from, to), values: values.slice(from, to) } as const;
      selected.push({ labels, chunks: [chunk] });
    }
    return selected;
  };
  const histograms: AttachmentReader['histograms'] = async (matchers, range) =>
    matching(matchers).flatMap(({ labels, histograms: all }) => {
      const inside = all.filter(({ time }) => time >= range.start && time <= range.end);
      return inside.length === 0 ? [] : [{ labels, histograms: inside }];
    });
  const starts: AttachmentReader['starts'] = async (matchers, { end }) =>
    matching(matchers).flatMap(({ labels, starts: all }) => {
      const inside = [...all].filter(([time]) => time <= end).sort(([a], [b]) => a - b);
      if (inside.length === 0) return [];
      const column = (at: 0 | 1) => Float64Array.from(inside, (change) => change[at]);
      return [{ labels, times: column(0), starts: column(1) }];
    });
  const evaluator: Evaluator = evaluatorOver({ select, histograms, starts }, engine);

  return {
    ...evaluator,
    select,
    async series(matcherSets, range) {
      return seen(matcherSets, range);
    },
    async labelNames(matcherSets, range) {
      return sortedSet(seen(matcherSets, range).flatMap((labels) => labels.map(([name]) => name)));
    },
    async labelValues(name, matcherSets, range) {
      const values = seen(matcherSets, range).map((labels) => labelValue(labels, name));
      return sortedSet(values.filter((value) => value !== ''));
    },
    async metadata() {
      return [...families.values()];
    },
    async describe(metadata) {
      for (const family of metadata) families.set(family.metric, family);
    },
    async ref(labelSets): Promise<readonly RefAnswer[]> {
      return labelSets.map((bytes) => ({ kind: 'ref', ref: refOf(bytes) }));
    },
    async write(batch) {
      const outcomes = batch.refs.map((ref, i) => outcomeOf(all[ref - 1], batch, i, now?.()));
      pending.push(pick(batch, outcomes));
      return Uint8Array.from(outcomes);
    },
    async attach({ exemplars, histograms: sent }) {
      attached.push(...sent);
      const refused = new Uint8Array(exemplars.length).fill(OUTCOME.unsupported);
      return { exemplars: refused, histograms: new Uint8Array(sent.length).fill(OUTCOME.appended) };
    },
    exemplars: async () => [],
    histograms,
    starts,
    async commit() {
      const batches = pending;
      pending = [];
      for (const { refs: written, times, values, starts: began } of batches) {
        written.forEach((ref, i) => {
          insert(all[ref - 1]!, times[i]!, values, i);
          if (began !== undefined) all[ref - 1]!.starts.set(times[i]!, began[i]!);
        });
      }
      for (const { ref, ...sample } of attached) all[ref - 1]!.histograms.push(sample);
      for (const ref of new Set(attached.map((one) => one.ref))) {
        all[ref - 1]!.histograms.sort((a, b) => a.time - b.time);
      }
      attached = [];
    },
    async backfill(runs): Promise<BackfillOutcome> {
      const outcome = { appended: 0, duplicates: 0, conflicts: 0, outOfBounds: 0 };
      for (const run of runs) {
        const series = all[refOf(encodeLabels(run.labels)) - 1]!;
        for (let i = 0; i < run.times.length; i++) {
          const time = run.times[i]!;
          if (now !== undefined && time > now() + AHEAD_MS) outcome.outOfBounds++;
          else outcome[insert(series, time, run.values, i)]++;
        }
      }
      return outcome;
    },
  };
}

/** Live samples are taken in the order of time; the same sample again is a duplicate. */
function outcomeOf(series: MemorySeries | undefined, { times, values }: WriteBatch, i: number, now?: Millis): number {
  if (series === undefined) return OUTCOME.gone;
  const time = times[i]!;
  if (now !== undefined && time > now + AHEAD_MS) return OUTCOME.tooFarInFuture;
  const at = lowerBound(series.times.subarray(0, series.length), time);
  if (at < series.length && series.times[at] === time) {
    return sameBits(series.values, at, values, i) ? OUTCOME.duplicate : OUTCOME.conflict;
  }
  return at < series.length ? OUTCOME.outOfOrder : OUTCOME.appended;
}

function pick({ refs, times, values, starts }: WriteBatch, outcomes: Uint32Array): WriteBatch {
  const kept = [...outcomes.keys()].filter((i) => outcomes[i] === OUTCOME.appended);
  const keptValues = new Float64Array(kept.length);
  kept.forEach((from, to) => {
    copyBits(values, from, keptValues, to);
  });
  return {
    refs: Uint32Array.from(kept, (i) => refs[i]!),
    times: Float64Array.from(kept, (i) => times[i]!),
    values: keptValues,
    ...(starts && { starts: Float64Array.from(kept, (i) => starts[i]!) }),
  };
}

/** Into its place by time. A sample that is there stays. */
function insert(
  series: MemorySeries,
  time: Millis,
  values: Float64Array,
  from: number,
): 'appended' | 'duplicates' | 'conflicts' {
  const at = lowerBound(series.times.subarray(0, series.length), time);
  if (at < series.length && series.times[at] === time) {
    return sameBits(series.values, at, values, from) ? 'duplicates' : 'conflicts';
  }
  if (series.length === series.times.length) {
    series.times = grown(series.times);
    series.values = grown(series.values);
  }
  series.times.copyWithin(at + 1, at, series.length);
  series.values.copyWithin(at + 1, at, series.length);
  series.times[at] = time;
  copyBits(values, from, series.values, at);
  series.length++;
  return 'appended';
}

function grown(array: Float64Array): Float64Array {
  const larger = new Float64Array(array.length * 2);
  larger.set(array);
  return larger;
}

function copyBits(from: Float64Array, i: number, to: Float64Array, j: number): void {
  to.set(from.subarray(i, i + 1), j);
}

function sameBits(a: Float64Array, i: number, b: Float64Array, j: number): boolean {
  const x = new Uint32Array(a.buffer, a.byteOffset + i * 8, 2);
  const y = new Uint32Array(b.buffer, b.byteOffset + j * 8, 2);
  return x[0] === y[0] && x[1] === y[1];
}

function touches({ times, length, histograms }: MemorySeries, range: TimeRange): boolean {
  if (histograms.some(({ time }) => time >= range.start && time <= range.end)) return true;
  const at = lowerBound(times.subarray(0, length), range.start);
  return at < length && times[at]! <= range.end;
}

function sortedSet(values: readonly string[]): readonly string[] {
  return [...new Set(values)].sort();
}
