import { encodeLabels, type Label, type Labels } from '../model/labels.ts';
import type { Millis, TimeRange } from '../model/time.ts';
import { finished, type Work } from '../model/work.ts';
import type { RetentionClass } from '../storage/write.ts';

/** The exports of `assembly/` that hold label sets of series. Indexes, texts and label sets are addresses. */
export interface LabelExports {
  readonly memory: WebAssembly.Memory;
  allocate(bytes: number): number;
  release(address: number): void;

  /** The key of the hashes. To be called once, before there is an index. */
  seedLabelSets(a: number, b: number, c: number, d: number): void;
  newLabelSets(refTable: number): number;
  labelSetCount(index: number): number;
  /** Of all indexes. */
  labelSetBytes(): number;
  /** How often a text was freed: what stands at its address may be another one now. */
  freedTexts(): number;
  hashLabels(start: number, length: number): number;
  /** The slot of the series with these label bytes, or 0. */
  findSeries(index: number, start: number, length: number, hash: number): number;
  /** 0 where the bytes are no label set. */
  addLabelSet(index: number, slot: number, ref: number, start: number, length: number, hash: number): number;
  dropUnusedLabels(index: number, start: number, length: number): void;
  dropLabelSet(index: number, set: number): void;
  labelSetOf(slot: number): number;
  findText(index: number, start: number, length: number): number;
  /** How many series have the label of a name that these label bytes have. */
  likeInName(index: number, start: number, length: number, name: number, nameLength: number): number;
  labelNamed(slot: number, name: number): number;
  markSampled(
    table: number,
    texts: number,
    count: number,
    start: number,
    end: number,
    rawFloor: number,
    demandFloor: number,
    out: number,
  ): void;
}

type Floors = Readonly<Record<RetentionClass, Millis>>;

/** Words of a text and of a label set, as assembly/label-sets.ts has them. */
const TEXT = { length: 2, next: 4, live: 6, gone: 7, first: 8, last: 9, bytes: 10 } as const;
const SET = { ref: 3, labels: 4, first: 5 } as const;
/** Bytes before the references of a block, as assembly/postings.ts has them. */
const BLOCK_HEAD_BYTES = 8;

/** Labels that were read last are held as they are, twice as many at most: readers ask for the same ones again. */
const CACHED = 32_768;

/** After so many that were given up, work is done in one go. */
const MOST_TRIES = 4;

/** Labels in WebAssembly memory, each held once. Read in one turn: what is added may move that memory. */
export class LabelTexts {
  readonly core: LabelExports;
  #words = new Uint32Array();
  #bytes: Buffer = Buffer.alloc(0);
  #recent = new Map<number, Label>();
  #before = new Map<number, Label>();
  /** `freedTexts` when those were read. */
  #freed = 0;
  #scratch = 0;
  #scratchBytes = 0;

  constructor(core: LabelExports) {
    this.core = core;
  }

  /** Copies bytes to where they are good until the next call, as are so many more behind them. */
  put(bytes: Uint8Array, more = 0): number {
    if (bytes.length + more > this.#scratchBytes) {
      if (this.#scratch !== 0) this.core.release(this.#scratch);
      this.#scratch = 0;
      this.#scratchBytes = 0;
      const size = Math.max(4_096, (bytes.length + more) * 2);
      this.#scratch = this.core.allocate(size) >>> 0;
      this.#scratchBytes = size;
    }
    this.#look();
    this.#bytes.set(bytes, this.#scratch);
    return this.#scratch;
  }

  /** The text of a name, or 0. */
  nameOf(index: number, name: string): number {
    const bytes = encodeLabels([[name, '']]);
    // The length of the value, which is none.
    return this.core.findText(index, this.put(bytes), bytes.length - 1) >>> 0;
  }

  /** The text of a label, or 0. */
  textOf(index: number, label: Label): number {
    const bytes = encodeLabels([label]);
    return this.core.findText(index, this.put(bytes), bytes.length) >>> 0;
  }

  /** Texts of the labels of a name. */
  *labelsNamed(name: number): Generator<number> {
    this.#look();
    for (let text = this.#words[(name >>> 2) + TEXT.next]!; text !== 0; text = this.#words[(text >>> 2) + TEXT.next]!) {
      yield text;
    }
  }

  /** How many series have a label. */
  seriesWith(text: number): number {
    this.#look();
    return this.#words[(text >>> 2) + TEXT.live]!;
  }

  /** References of the series that have a label. May have some of series that are gone. */
  *refsOf(text: number): Generator<number> {
    this.#look();
    const at = text >>> 2;
    const words = this.#words;
    if (words[at + TEXT.live] === 0) return;
    if (words[at + TEXT.last] === 0) {
      yield words[at + TEXT.first]!;
      return;
    }
    for (let block = words[at + TEXT.first]!; block !== 0; block = words[block >>> 2]!) {
      const used = words[(block >>> 2) + 1]! & 0xffff;
      const from = (block + BLOCK_HEAD_BYTES) >>> 2;
      for (let i = from; i < from + used; i++) yield words[i]!;
    }
  }

  /** The reference of the series that has a label set. */
  refOf(set: number): number {
    this.#look();
    return this.#words[(set >>> 2) + SET.ref]!;
  }

  labelsOf(set: number): Labels {
    this.#look();
    const at = set >>> 2;
    const count = this.#words[at + SET.labels]!;
    const labels = new Array<Label>(count);
    for (let i = 0; i < count; i++) labels[i] = this.label(this.#words[at + SET.first + i]!);
    return labels;
  }

  /** What `encodeLabels` writes; a copy. */
  labelBytesOf(set: number): Uint8Array {
    this.#look();
    const words = this.#words;
    const at = set >>> 2;
    const texts = words.subarray(at + SET.first, at + SET.first + words[at + SET.labels]!);
    let length = 0;
    for (const text of texts) length += words[(text >>> 2) + TEXT.length]!;
    const bytes = new Uint8Array(length);
    let end = 0;
    for (const text of texts) {
      const size = words[(text >>> 2) + TEXT.length]!;
      const from = text + 4 * TEXT.bytes;
      for (let i = 0; i < size; i++) bytes[end + i] = this.#bytes[from + i]!;
      end += size;
    }
    return bytes;
  }

  label(text: number): Label {
    this.#forgetFreed();
    const recent = this.#recent.get(text);
    if (recent !== undefined) return recent;
    const label = this.#before.get(text) ?? this.#read(text);
    if (this.#recent.size >= CACHED) {
      this.#before = this.#recent;
      this.#recent = new Map();
    }
    this.#recent.set(text, label);
    return label;
  }

  /** Not for the cache: where all values of a name are read. */
  valueOf(text: number): string {
    this.#forgetFreed();
    const recent = this.#recent.get(text);
    if (recent !== undefined) return recent[1];
    this.#look();
    return this.#textAt(this.#textEnd(text + 4 * TEXT.bytes));
  }

  /** Marks those of some labels' texts that a series with a sample has, by 1. */
  sampled(table: number, texts: Uint32Array, { start, end }: TimeRange, floors: Floors): Uint8Array {
    const { length } = texts;
    const at = this.put(new Uint8Array(texts.buffer, texts.byteOffset, texts.byteLength), length);
    const out = at + texts.byteLength;
    this.core.markSampled(table, at, length, start, end, floors.raw, floors.demand, out);
    return new Uint8Array(this.core.memory.buffer, out, length).slice();
  }

  /**
   * Work that knows addresses of texts: it begins anew where one was freed during a rest, since another may be there
   * then. What that happens to again and again is done in one go.
   */
  *steadily<T>(begin: () => Work<T>): Work<T> {
    for (let tries = 1; tries < MOST_TRIES; tries++) {
      const freed = this.core.freedTexts();
      const work = begin();
      while (this.core.freedTexts() === freed) {
        const { done, value } = work.next();
        if (done === true) return value;
        yield;
      }
    }
    return finished(begin());
  }

  #forgetFreed(): void {
    const freed = this.core.freedTexts();
    if (freed === this.#freed) return;
    this.#recent.clear();
    this.#before.clear();
    this.#freed = freed;
  }

  #read(text: number): Label {
    this.#look();
    const valueAt = this.#textEnd(text + 4 * TEXT.bytes);
    return [this.#textAt(text + 4 * TEXT.bytes), this.#textAt(valueAt)];
  }

  #textAt(start: number): string {
    const end = this.#textEnd(start);
    let at = start;
    while (this.#bytes[at++]! > 0x7f);
    return this.#bytes.toString('utf8', at, end);
  }

  /** Where a text ends that stands behind its length. */
  #textEnd(start: number): number {
    let at = start;
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes[at++]!;
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) return at + length;
    }
  }

  /** Views of the module's memory that are of its present buffer. */
  #look(): void {
    const { buffer } = this.core.memory;
    if (this.#words.buffer === buffer) return;
    this.#words = new Uint32Array(buffer);
    this.#bytes = Buffer.from(buffer);
  }
}
