import { decodeLabels, encodeLabels, type Labels } from '../model/labels.ts';
import type { TimeRange } from '../model/time.ts';
import { type Exemplar, type HistogramSample, OUTCOME, type SeriesRef } from '../storage/write.ts';
import type { AttachmentRecord, ExemplarEntry, HistogramEntry } from './attachment-record.ts';
import { StartTimes } from './start-times.ts';

/** What an entry costs in memory beside its bytes: the object, its typed array and its places in lists. */
const OBJECT_BYTES = 240;
const CHANGE_BYTES = 16;
/** 20 bytes each. */
const MAX_RECORD_CHANGES = 65_536;

/** Entries of one kind and series are kept in order of time. Readers see what is visible: what the log has synced. */
export interface StoredExemplar extends ExemplarEntry {
  readonly labels: Labels;
  visible: boolean;
}

export interface StoredHistogram extends HistogramEntry {
  visible: boolean;
}

interface SeriesAttachments {
  readonly exemplars: StoredExemplar[];
  readonly histograms: StoredHistogram[];
  readonly starts: StartTimes;
}

/** Bytes of the attachments of all tenants. */
export interface AttachedBytes {
  held: number;
}

/** What one tenant's series have beside float samples: exemplars in a ring, native histograms, start times. */
export class TenantAttachments {
  readonly #series = new Map<SeriesRef, SeriesAttachments>();
  /** In order of arrival: the first goes first. */
  readonly #ring = new Set<StoredExemplar>();
  readonly #bytes: AttachedBytes;
  #hasStarts = false;
  #hasHistograms = false;

  constructor(bytes: AttachedBytes) {
    this.#bytes = bytes;
  }

  /** Whether any series ever had a start. */
  get hasStarts(): boolean {
    return this.#hasStarts;
  }

  /** Whether any series ever had a histogram. */
  get hasHistograms(): boolean {
    return this.#hasHistograms;
  }

  get exemplarCount(): number {
    return this.#ring.size;
  }

  /** What an exemplar is beside those of its series: stored already, in conflict, too late, or welcome. */
  judgeExemplar({ ref, time, value, labelBytes }: ExemplarEntry, windowMs: number): number {
    const stored = this.#series.get(ref)?.exemplars ?? [];
    for (let at = firstAt(stored, time); stored[at]?.time === time; at++) {
      if (!sameBytes(stored[at]!.labelBytes, labelBytes)) continue;
      return Object.is(stored[at]!.value, value) ? OUTCOME.duplicate : OUTCOME.conflict;
    }
    return isLate(stored, time, windowMs) ? OUTCOME.outOfOrder : OUTCOME.appended;
  }

  judgeHistogram({ ref, time, bytes }: HistogramEntry, windowMs: number): number {
    const stored = this.#series.get(ref)?.histograms ?? [];
    const same = stored[firstAt(stored, time)];
    if (same?.time === time) return sameBytes(same.bytes, bytes) ? OUTCOME.duplicate : OUTCOME.conflict;
    return isLate(stored, time, windowMs) ? OUTCOME.outOfOrder : OUTCOME.appended;
  }

  /** Beyond `most` exemplars the oldest to arrive goes. */
  addExemplar(entry: ExemplarEntry, most: number, visible = false): StoredExemplar {
    const stored: StoredExemplar = { ...entry, labels: decodeLabels(entry.labelBytes), visible };
    insert(this.#seriesOf(entry.ref).exemplars, stored);
    this.#ring.add(stored);
    this.#bytes.held += OBJECT_BYTES + entry.labelBytes.length;
    while (this.#ring.size > most) {
      const [oldest] = this.#ring;
      this.#forgetExemplar(oldest!);
    }
    return stored;
  }

  addHistogram(entry: HistogramEntry, visible = false): StoredHistogram {
    const stored: StoredHistogram = { ...entry, visible };
    insert(this.#seriesOf(entry.ref).histograms, stored);
    this.#hasHistograms = true;
    this.#bytes.held += OBJECT_BYTES + entry.bytes.length;
    return stored;
  }

  /**
   * Notes the start of a sample that was appended.
   * @param late Whether a later sample is there already, whose start stays as it is.
   * @param changes Where what changed is added, for the log.
   */
  noteStart(ref: SeriesRef, time: number, start: number, late: boolean, changes: StartChanges): void {
    const known = this.#series.get(ref)?.starts;
    const before = known?.at(time) ?? 0;
    if (before === start) return;
    const starts = this.#seriesOf(ref).starts;
    const change = (from: number, value: number) => {
      this.#putStart(starts, from, value);
      changes.refs.push(ref);
      changes.times.push(from);
      changes.starts.push(value);
    };
    change(time, start);
    if (late && !starts.has(time + 1)) change(time + 1, before);
  }

  /** Puts what a record holds in its place, visible at once. Records may come twice. Returns what has no series. */
  restore(record: AttachmentRecord, has: (ref: SeriesRef) => boolean, mostExemplars: number): number {
    let orphans = 0;
    const known = <T extends { readonly ref: SeriesRef }>(entry: T) => {
      const found = has(entry.ref);
      if (!found) orphans++;
      return found;
    };
    switch (record.kind) {
      case 'exemplars':
        for (const entry of record.exemplars.filter(known)) {
          const outcome = this.judgeExemplar(entry, Number.POSITIVE_INFINITY);
          if (outcome === OUTCOME.appended) this.addExemplar(entry, mostExemplars, true);
        }
        return orphans;
      case 'histograms':
        for (const entry of record.histograms.filter(known)) {
          if (this.judgeHistogram(entry, Number.POSITIVE_INFINITY) === OUTCOME.appended) this.addHistogram(entry, true);
        }
        return orphans;
      case 'starts':
        record.refs.forEach((ref, i) => {
          if (has(ref)) this.#putStart(this.#seriesOf(ref).starts, record.times[i]!, record.starts[i]!);
        });
        return 0;
    }
  }

  /** Everything visible, as records of about `recordBytes`. */
  *recordsOf(tenant: number, recordBytes: number): Generator<AttachmentRecord> {
    for (const [ref, { histograms, starts }] of [...this.#series]) {
      const { times, starts: values } = starts.within(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
      for (let at = 0; at < times.length; at += MAX_RECORD_CHANGES) {
        const part = (column: Float64Array) => [...column.subarray(at, at + MAX_RECORD_CHANGES)];
        const refs = new Array<SeriesRef>(part(times).length).fill(ref);
        yield { kind: 'starts', tenant, refs, times: part(times), starts: part(values) };
      }
      for (const part of parts(histograms.filter(isVisible), ({ bytes }) => bytes.length, recordBytes)) {
        yield { kind: 'histograms', tenant, histograms: part };
      }
    }
    const exemplars = [...this.#ring].filter(isVisible);
    for (const part of parts(exemplars, ({ labelBytes }) => labelBytes.length, recordBytes)) {
      yield { kind: 'exemplars', tenant, exemplars: part };
    }
  }

  exemplarsIn(ref: SeriesRef, range: TimeRange, floor: number): readonly Exemplar[] {
    return within(this.#series.get(ref)?.exemplars, range, floor);
  }

  histogramsIn(ref: SeriesRef, range: TimeRange, floor: number): readonly HistogramSample[] {
    return within(this.#series.get(ref)?.histograms, range, floor);
  }

  hasHistogramIn(ref: SeriesRef, range: TimeRange, floor: number): boolean {
    return this.histogramsIn(ref, range, floor).length > 0;
  }

  startsOf(ref: SeriesRef): StartTimes | undefined {
    const starts = this.#series.get(ref)?.starts;
    return starts === undefined || starts.changes === 0 ? undefined : starts;
  }

  /** True where a series has something that counts as data, visible or not. */
  holds(ref: SeriesRef): boolean {
    const found = this.#series.get(ref);
    return found !== undefined && found.exemplars.length + found.histograms.length > 0;
  }

  deleteHistograms(ref: SeriesRef, { start, end }: TimeRange): void {
    const histograms = this.#series.get(ref)?.histograms ?? [];
    const from = firstAt(histograms, start);
    let to = from;
    while (to < histograms.length && histograms[to]!.time <= end) to++;
    for (const { bytes } of histograms.splice(from, to - from)) this.#bytes.held -= OBJECT_BYTES + bytes.length;
  }

  /** Drops what is older than its series is kept. */
  dropBefore(floorOf: (ref: SeriesRef) => number): void {
    for (const [ref, { exemplars, histograms, starts }] of this.#series) {
      const floor = floorOf(ref);
      for (const exemplar of exemplars.slice(0, firstAt(exemplars, floor))) this.#forgetExemplar(exemplar);
      for (const { bytes } of histograms.splice(0, firstAt(histograms, floor))) {
        this.#bytes.held -= OBJECT_BYTES + bytes.length;
      }
      this.#bytes.held -= CHANGE_BYTES * starts.dropBefore(floor);
      if (exemplars.length + histograms.length + starts.changes === 0) this.#series.delete(ref);
    }
  }

  /** Forgets all of a series that left the head. */
  remove(ref: SeriesRef): void {
    const found = this.#series.get(ref);
    if (found === undefined) return;
    for (const exemplar of [...found.exemplars]) this.#forgetExemplar(exemplar);
    for (const { bytes } of found.histograms) this.#bytes.held -= OBJECT_BYTES + bytes.length;
    this.#bytes.held -= CHANGE_BYTES * found.starts.changes;
    this.#series.delete(ref);
  }

  #putStart(starts: StartTimes, time: number, start: number): void {
    const before = starts.changes;
    starts.put(time, start);
    this.#bytes.held += CHANGE_BYTES * (starts.changes - before);
    this.#hasStarts = true;
  }

  #forgetExemplar(exemplar: StoredExemplar): void {
    if (!this.#ring.delete(exemplar)) return;
    const of = this.#series.get(exemplar.ref)?.exemplars;
    of?.splice(of.indexOf(exemplar), 1);
    this.#bytes.held -= OBJECT_BYTES + exemplar.labelBytes.length;
  }

  #seriesOf(ref: SeriesRef): SeriesAttachments {
    let found = this.#series.get(ref);
    if (found === undefined) {
      found = { exemplars: [], histograms: [], starts: new StartTimes() };
      this.#series.set(ref, found);
    }
    return found;
  }
}

export interface StartChanges {
  readonly refs: SeriesRef[];
  readonly times: number[];
  readonly starts: number[];
}

export function exemplarEntry({ ref, time, value, labels }: Exemplar & { readonly ref: SeriesRef }): ExemplarEntry {
  return { ref, time, value, labelBytes: encodeLabels(labels) };
}

/** Cut into runs of about `most` bytes, none of them empty. */
export function* parts<T>(all: readonly T[], sizeOf: (entry: T) => number, most: number): Generator<readonly T[]> {
  let from = 0;
  let size = 0;
  for (let at = 0; at < all.length; at++) {
    size += 24 + sizeOf(all[at]!);
    if (size < most) continue;
    yield all.slice(from, at + 1);
    from = at + 1;
    size = 0;
  }
  if (from < all.length) yield all.slice(from);
}

interface Timed {
  readonly time: number;
  visible: boolean;
}

function isVisible({ visible }: Timed): boolean {
  return visible;
}

/** The index of the first entry at or after `time`. */
function firstAt(sorted: readonly Timed[], time: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]!.time < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

function insert<T extends Timed>(sorted: T[], entry: T): void {
  let at = sorted.length;
  while (at > 0 && sorted[at - 1]!.time > entry.time) at--;
  sorted.splice(at, 0, entry);
}

function isLate(stored: readonly Timed[], time: number, windowMs: number): boolean {
  const newest = stored.at(-1)?.time ?? Number.NEGATIVE_INFINITY;
  return time < newest - windowMs;
}

function within<T extends Timed>(stored: readonly T[] | undefined, { start, end }: TimeRange, floor: number): T[] {
  if (stored === undefined) return [];
  const found: T[] = [];
  for (let at = firstAt(stored, Math.max(start, floor)); at < stored.length; at++) {
    const entry = stored[at]!;
    if (entry.time > end) break;
    if (entry.visible) found.push(entry);
  }
  return found;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
