import { decodeLabels, encodeLabels, type Labels } from '../model/labels.ts';
import { compileMatcher, type Matcher } from '../model/matcher.ts';
import type { Millis } from '../model/time.ts';
import { finished, type Work } from '../model/work.ts';
import type { RetentionClass, SeriesRef } from '../storage/write.ts';
import type { HeadChunk } from './chunk.ts';
import type { HeadSeries } from './head-series.ts';
import type { LabelTexts } from './label-texts.ts';
import type { LiveSamples } from './live-samples.ts';
import { RETENTION_CLASSES } from './record.ts';

/** An index without series takes less. */
const INDEX_BYTES = 2_048;

/** Looked at in one go: by their labels, and values by a regular expression. */
const PIECE_SERIES = 256;
const PIECE_VALUES = 64;

/** What few series have. */
interface Rest {
  readonly past: HeadChunk[];
  diskTo: Millis | undefined;
}

/**
 * The series of one tenant in memory, by reference and by labels. All but what few of them have is in WebAssembly memory:
 * a series is an object for as long as somebody looks at it.
 */
export class SeriesIndex {
  /** From references to slots, in WebAssembly memory. */
  readonly table: number;
  readonly live: LiveSamples;
  readonly texts: LabelTexts;
  /** Of series that have such. */
  readonly rest = new Map<SeriesRef, Rest>();
  readonly #index: number;
  /** How often a series was added, and removed. */
  added = 0;
  removed = 0;
  /** No reference was ever greater. */
  newest: SeriesRef = 0;
  /** How often a series was added whose reference is less than that of one before. */
  reordered = 0;
  /** What was looked for last: it is added next where it was not found. */
  #sought: { readonly bytes: Uint8Array; readonly hash: number } | undefined;

  constructor(live: LiveSamples, texts: LabelTexts) {
    this.live = live;
    this.texts = texts;
    // More than what follows takes, which leaves nothing half made then.
    texts.core.release(texts.core.allocate(INDEX_BYTES));
    this.table = live.core.newRefTable() >>> 0;
    this.#index = texts.core.newLabelSets(this.table) >>> 0;
  }

  get size(): number {
    return this.texts.core.labelSetCount(this.#index);
  }

  has(ref: SeriesRef): boolean {
    return this.live.core.slotOf(this.table, ref) !== 0;
  }

  get(ref: SeriesRef): HeadSeries | undefined {
    const slot = this.live.core.slotOf(this.table, ref) >>> 0;
    return slot === 0 ? undefined : new IndexedSeries(this, ref, slot);
  }

  /** In order of their references, from one on. Series may come and go meanwhile. */
  *values(first: SeriesRef = 1): Generator<HeadSeries> {
    const { core } = this.live;
    for (let ref = core.nextRef(this.table, first) >>> 0; ref !== 0; ref = core.nextRef(this.table, ref + 1) >>> 0) {
      yield this.get(ref)!;
    }
  }

  /** The series with exactly these labels. */
  find(labelBytes: Uint8Array): HeadSeries | undefined {
    const { core } = this.texts;
    const at = this.texts.put(labelBytes);
    const hash = core.hashLabels(at, labelBytes.length);
    this.#sought = { bytes: labelBytes, hash };
    const slot = core.findSeries(this.#index, at, labelBytes.length, hash) >>> 0;
    return slot === 0 ? undefined : new IndexedSeries(this, this.texts.refOf(core.labelSetOf(slot) >>> 0), slot);
  }

  /**
   * Adds a series whose labels no other has.
   * @throws {RangeError} If the bytes are no label set.
   */
  add(ref: SeriesRef, labelBytes: Uint8Array, retention: RetentionClass): HeadSeries {
    const { core } = this.texts;
    const at = this.texts.put(labelBytes);
    const sought = this.#sought;
    this.#sought = undefined;
    const hash = sought?.bytes === labelBytes ? sought.hash : core.hashLabels(at, labelBytes.length);
    const slot = this.live.addSeries(this.table, ref, retention) >>> 0;
    let isAdded = 0;
    try {
      isAdded = core.addLabelSet(this.#index, slot, ref, at, labelBytes.length, hash);
    } finally {
      if (isAdded === 0) {
        this.live.removeSeries(this.table, ref, slot);
        core.dropUnusedLabels(this.#index, at, labelBytes.length);
      }
    }
    if (isAdded === 0) {
      decodeLabels(labelBytes);
      throw new RangeError('cannot decode labels: a name is there twice');
    }
    this.added++;
    if (ref < this.newest) this.reordered++;
    this.newest = Math.max(this.newest, ref);
    return new IndexedSeries(this, ref, slot);
  }

  remove({ ref, slot }: HeadSeries): void {
    const { core } = this.texts;
    const set = core.labelSetOf(slot);
    this.removed++;
    this.live.removeSeries(this.table, ref, slot);
    core.dropLabelSet(this.#index, set);
    this.rest.delete(ref);
  }

  /** How many series have the label of this name that these label bytes have. */
  countLike(labelBytes: Uint8Array, name: string): number {
    const { length } = labelBytes;
    const nameBytes = encodeLabels([[name, '']]);
    const at = this.texts.put(Buffer.concat([labelBytes, nameBytes]));
    return this.texts.core.likeInName(this.#index, at, length, at + length, nameBytes.length - 1);
  }

  /**
   * Series that match all matchers. An absent label is an empty one.
   * @throws {RangeError} If a regular expression is not valid.
   */
  select(matchers: readonly Matcher[]): readonly HeadSeries[] {
    return finished(this.#selecting(matchers)).map((ref) => this.get(ref)!);
  }

  /**
   * References of series that match all matchers, looked for in pieces: those may be gone by its end, and others there
   * that came meanwhile.
   * @throws {RangeError} If a regular expression is not valid.
   */
  selectRefs(matchers: readonly Matcher[]): Work<readonly SeriesRef[]> {
    return this.texts.steadily(() => this.#selecting(matchers));
  }

  /** Those of the series from a reference on, in its order. Good as `selectRefs` is. */
  selectRefsFrom(first: SeriesRef, matchers: readonly Matcher[]): Work<readonly SeriesRef[]> {
    return this.texts.steadily(() => this.#selectingFrom(first, this.matches(matchers)));
  }

  *#selectingFrom(first: SeriesRef, passes: (slot: number) => boolean): Work<readonly SeriesRef[]> {
    const { core } = this.live;
    const found: SeriesRef[] = [];
    let looked = 0;
    for (let ref = core.nextRef(this.table, first) >>> 0; ref !== 0; ref = core.nextRef(this.table, ref + 1) >>> 0) {
      if (passes(core.slotOf(this.table, ref) >>> 0)) found.push(ref);
      if (++looked % PIECE_SERIES === 0) yield;
    }
    return found;
  }

  /** Goes on for as long as no text is freed: what it knows is the addresses of texts. */
  *#selecting(matchers: readonly Matcher[]): Work<readonly SeriesRef[]> {
    const tests = matchers.map((matcher) => ({ matcher, test: compileMatcher(matcher) }));
    let smallest: { readonly texts: readonly number[]; readonly size: number; readonly by: Matcher } | undefined;
    for (const { matcher, test } of tests) {
      // A matcher that accepts the empty value also accepts series without the label: it can only filter.
      if (test('')) continue;
      const texts = yield* this.#textsOf(matcher, test);
      yield;
      const size = texts.reduce((sum, text) => sum + this.texts.seriesWith(text), 0);
      if (size === 0) return [];
      if (smallest === undefined || size < smallest.size) smallest = { texts, size, by: matcher };
    }
    const rest = tests
      .filter(({ matcher }) => matcher !== smallest?.by)
      .map(({ matcher, test }) => this.#acceptor(matcher.name, test));
    const passes = (slot: number) => rest.every((accepts) => accepts(slot));
    const { core } = this.live;
    const found: SeriesRef[] = [];
    let looked = 0;
    if (smallest === undefined) return yield* this.#selectingFrom(1, passes);
    for (const text of smallest.texts) {
      for (const ref of [...this.texts.refsOf(text)]) {
        const slot = core.slotOf(this.table, ref) >>> 0;
        if (slot !== 0 && passes(slot)) found.push(ref);
        if (++looked % PIECE_SERIES === 0) yield;
      }
    }
    return found;
  }

  /**
   * Whether the series of a slot matches all matchers. Good for one turn: what is freed may have other labels then.
   * @throws {RangeError} If a regular expression is not valid.
   */
  matches(matchers: readonly Matcher[]): (slot: number) => boolean {
    const acceptors = matchers.map((matcher) => this.#acceptor(matcher.name, compileMatcher(matcher)));
    return (slot) => acceptors.every((accepts) => accepts(slot));
  }

  /** Those that match any of the lists, each once; none given: all. */
  selectAny(matcherSets: readonly (readonly Matcher[])[]): readonly HeadSeries[] {
    if (matcherSets.length === 0) return [...this.values()];
    const lists = matcherSets.map((matchers) => this.select(matchers));
    if (lists.length === 1) return lists[0]!;
    return [...new Map(lists.flat().map((series) => [series.ref, series])).values()];
  }

  /** Texts of the labels of a name, the newest first. */
  textsNamed(name: string): Iterable<number> {
    const of = this.texts.nameOf(this.#index, name);
    return of === 0 ? [] : this.texts.labelsNamed(of);
  }

  *#textsOf({ name, op, value }: Matcher, test: (value: string) => boolean): Work<readonly number[]> {
    if (op === '=') {
      const text = this.texts.textOf(this.#index, [name, value]);
      return text === 0 ? [] : [text];
    }
    const of = this.texts.nameOf(this.#index, name);
    if (of === 0) return [];
    const found: number[] = [];
    let tested = 0;
    for (const text of [...this.texts.labelsNamed(of)]) {
      if (test(this.texts.valueOf(text))) found.push(text);
      if (++tested % PIECE_VALUES === 0) yield;
    }
    return found;
  }

  /** Tests each distinct value once: a regular expression costs much more than a look-up. */
  #acceptor(name: string, test: (value: string) => boolean): (slot: number) => boolean {
    const isAccepted = test('');
    const of = this.texts.nameOf(this.#index, name);
    if (of === 0) return () => isAccepted;
    const { core } = this.texts;
    const seen = new Map<number, boolean>([[0, isAccepted]]);
    return (slot) => {
      const text = core.labelNamed(slot, of) >>> 0;
      let answer = seen.get(text);
      if (answer === undefined) {
        answer = test(this.texts.valueOf(text));
        seen.set(text, answer);
      }
      return answer;
    };
  }
}

const NO_PAST: readonly HeadChunk[] = [];

/** A series as it is now, for as long as its tenant has it. */
class IndexedSeries implements HeadSeries {
  readonly ref: SeriesRef;
  readonly slot: number;
  readonly #index: SeriesIndex;

  constructor(index: SeriesIndex, ref: SeriesRef, slot: number) {
    this.#index = index;
    this.ref = ref;
    this.slot = slot;
  }

  get labels(): Labels {
    const { texts } = this.#index;
    return texts.labelsOf(texts.core.labelSetOf(this.slot) >>> 0);
  }

  get labelBytes(): Uint8Array {
    const { texts } = this.#index;
    return texts.labelBytesOf(texts.core.labelSetOf(this.slot) >>> 0);
  }

  get retention(): RetentionClass {
    return RETENTION_CLASSES[this.#index.live.core.retentionOf(this.slot)]!;
  }

  get past(): readonly HeadChunk[] {
    return this.#index.rest.get(this.ref)?.past ?? NO_PAST;
  }

  get diskTo(): Millis | undefined {
    return this.#index.rest.get(this.ref)?.diskTo;
  }

  set diskTo(time: Millis | undefined) {
    this.#rest().diskTo = time;
  }

  changePast<T>(change: (past: HeadChunk[]) => T): T {
    return change(this.#rest().past);
  }

  #rest(): Rest {
    const { rest } = this.#index;
    let found = rest.get(this.ref);
    if (found === undefined) {
      found = { past: [], diskTo: undefined };
      rest.set(this.ref, found);
    }
    return found;
  }
}
