import { type Labels, labelsKey, labelValue, METRIC_NAME } from '../../model/labels.ts';
import type { Matcher } from '../../model/matcher.ts';
import { decodeSamples, isStaleMarker } from '../../model/series.ts';
import type { Millis } from '../../model/time.ts';
import type { AttachmentReader, SeriesReader } from '../../storage/storage.ts';
import type { HistogramSample } from '../../storage/write.ts';
import { decodeNativeHistogram } from '../../wire/native-histogram.ts';
import { accumulate, type Counter, type CumulativeSample, type Delta, pastOf } from './delta.ts';

export interface SeriesDelta extends Delta {
  readonly labels: Labels;
}

/** What a delta comes to. */
export type Counted =
  | { readonly kind: 'samples'; readonly samples: readonly CumulativeSample[] }
  /** It is counted already: a retry. */
  | { readonly kind: 'duplicate' }
  /** Something later is counted already, and it is not known to be. */
  | { readonly kind: 'late' };

type Reader = Pick<SeriesReader, 'select'> & Pick<AttachmentReader, 'histograms' | 'starts'>;

/** Series whose counters are kept at hand. The others are read from the store again. */
const MAX_COUNTERS = 200_000;
/** Samples may be this far ahead of now. */
const MAX_AHEAD_MS = 10 * 60_000;

/**
 * The counters of one tenant's delta series. They are nothing but what the store has: a counter stands at the last
 * sample of its series, so it is as durable as that, and a retry finds its own sample. What is in memory is a copy.
 */
export class DeltaCounters {
  readonly #counters = new Map<string, Counter>();
  readonly #now: () => Millis;
  #last: Promise<unknown> = Promise.resolve();

  constructor(now: () => Millis) {
    this.#now = now;
  }

  /** Runs one at a time: from reading a counter until its next sample is durable, nobody else may move it. */
  exclusively<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#last.then(run);
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** The samples that deltas make, in their order; `keys` has each one's series. Call within `exclusively`. */
  async count(deltas: readonly SeriesDelta[], keys: readonly string[], reader: Reader): Promise<readonly Counted[]> {
    const pasts = await this.#read(deltas, keys, reader);
    const counted = new Array<Counted>(deltas.length);
    // A series' own order counts, whatever the order in which its points were sent.
    const order = deltas.map((_, i) => i).sort((a, b) => deltas[a]!.time - deltas[b]!.time);
    for (const i of order) {
      const key = keys[i]!;
      const counter = this.#counters.get(key);
      const delta = deltas[i]!;
      if (counter !== undefined && delta.time <= counter.time) {
        counted[i] = { kind: holds(pasts.get(key), delta) ? 'duplicate' : 'late' };
        continue;
      }
      const { counter: next, samples } = accumulate(counter, delta);
      this.#counters.delete(key);
      if (next !== undefined) this.#counters.set(key, next);
      counted[i] = { kind: 'samples', samples };
    }
    return counted;
  }

  /** What was counted did not reach the store, or may not have: the store is asked the next time. */
  forget(keys: Iterable<string>): void {
    for (const key of keys) this.#counters.delete(key);
  }

  /** Drops the counters that were not used for longest. */
  trim(): void {
    for (const key of this.#counters.keys()) {
      if (this.#counters.size <= MAX_COUNTERS) return;
      this.#counters.delete(key);
    }
  }

  /** Reads the counters that are not at hand, and the times of those that a delta does not come after. */
  async #read(deltas: readonly SeriesDelta[], keys: readonly string[], reader: Reader): Promise<Map<string, Past>> {
    const wanted = new Map<string, { readonly matchers: readonly Matcher[]; from: Millis; histograms: boolean }>();
    const newest = new Map<string, Millis>();
    deltas.forEach((delta, i) => {
      const key = keys[i]!;
      const known = newest.get(key) ?? this.#counters.get(key)?.time;
      if (known !== undefined && delta.time > known) {
        newest.set(key, delta.time);
        return;
      }
      newest.set(key, Math.max(delta.time, known ?? 0));
      const names = [METRIC_NAME, 'job', 'instance'].map((name) => [name, labelValue(delta.labels, name)] as const);
      const group = JSON.stringify(names);
      const entry = wanted.get(group) ?? {
        matchers: names.map(([name, value]) => ({ name, op: '=' as const, value })),
        from: Infinity,
        histograms: false,
      };
      entry.from = Math.min(entry.from, pastOf(delta));
      entry.histograms ||= typeof delta.value === 'object';
      wanted.set(group, entry);
    });
    const pasts = new Map<string, Past>();
    const asked = new Set(keys);
    const end = this.#now() + MAX_AHEAD_MS;
    for (const { matchers, from, histograms } of wanted.values()) {
      const range = { start: from, end };
      const starts = await reader.starts(matchers, range);
      const startsOf = new Map(starts.map((each) => [labelsKey(each.labels), each]));
      const found = (labels: Labels, pastOfIt: () => Past) => {
        const key = labelsKey(labels);
        if (!asked.has(key)) return;
        const past = pastOfIt();
        pasts.set(key, past);
        const counter = this.#counters.has(key) ? undefined : counterOf(past, startsOf.get(key));
        if (counter !== undefined) this.#counters.set(key, counter);
      };
      if (histograms) {
        const selected = await reader.histograms(matchers, range);
        for (const { labels, histograms: samples } of selected) found(labels, () => pastOfHistograms(samples));
      } else {
        const selected = await reader.select(matchers, range);
        for (const { labels, chunks } of selected) found(labels, () => decodeSamples(chunks, range));
      }
    }
    return pasts;
  }
}

/** The stored samples of a series from some time on. `values` of histograms are their sums. */
interface Past {
  readonly times: Float64Array;
  readonly values: Float64Array;
  readonly histograms?: readonly ReturnType<typeof decodeNativeHistogram>[];
  readonly starts?: readonly Millis[];
}

function pastOfHistograms(samples: readonly HistogramSample[]): Past {
  const histograms = samples.map(({ bytes }) => decodeNativeHistogram(bytes));
  const values = new Float64Array(samples.length);
  // Copied as memory: a staleness marker must not pass through a number.
  for (const [i, each] of histograms.entries()) if (each !== undefined) values.set(each.sum, i);
  const times = Float64Array.from(samples, ({ time }) => time);
  return { times, values, histograms, starts: samples.map(({ start }) => start) };
}

function counterOf(
  { times, values, histograms, starts }: Past,
  changes: { readonly times: Float64Array; readonly starts: Float64Array } | undefined,
): Counter | undefined {
  for (let i = times.length - 1; i >= 0; i--) {
    if (isStaleMarker(values, i)) continue;
    const value = histograms === undefined ? values[i]! : histograms[i];
    if (value === undefined) return undefined;
    const start = starts?.[i] ?? changes?.starts[changes.times.findLastIndex((time) => time <= times[i]!)] ?? 0;
    // A marker after it is the newest sample, and nothing goes before that.
    return { start, time: times.at(-1)!, value };
  }
  return undefined;
}

/**
 * Whether the store has what the delta made: a sample at its time, and above the one before by as much. Another delta
 * of the same time, such as of a second writer, is not stored.
 */
function holds(past: Past | undefined, { time, value }: Delta): boolean {
  const at = past === undefined ? -1 : past.times.indexOf(time);
  if (at === -1) return false;
  const { values, histograms } = past!;
  if (value === undefined) return isStaleMarker(values, at);
  if (histograms !== undefined || typeof value === 'object') return true;
  let before = at - 1;
  while (before >= 0 && isStaleMarker(values, before)) before--;
  if (before < 0) return true;
  const stored = values[at]!;
  const added = stored - values[before]!;
  return Object.is(added, value) || Math.abs(added - value) <= Math.abs(stored) * ROUNDING;
}

/** Of sums of doubles, relative to the sum. */
const ROUNDING = 1e-12;
