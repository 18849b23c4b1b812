import type { Chunk, Samples } from '../model/series.ts';
import type { Millis, TimeRange } from '../model/time.ts';
import type { RetentionClass, SeriesRef, WriteBatch } from '../storage/write.ts';
import { type CodecExports, MAX_CHUNK_BYTES, MAX_CHUNK_SAMPLES } from './codec.ts';
import { RETENTION_CLASSES } from './record.ts';

/**
 * The exports of `assembly/` that hold live samples. Slots, tables and chunks are addresses. Those and numbers of bytes
 * come as signed numbers: from 2 GiB on they are negative.
 */
export interface LiveExports extends CodecExports {
  /** @throws {WebAssembly.RuntimeError} If 4 GiB are used up. */
  allocate(bytes: number): number;
  release(address: number): void;

  newRefTable(): number;
  setSlot(table: number, ref: number, slot: number): void;
  clearSlot(table: number, ref: number): void;
  /** 0 where there is none. */
  slotOf(table: number, ref: number): number;
  /** The first reference from `ref` on that has a slot, or 0. */
  nextRef(table: number, ref: number): number;
  newSeries(retention: number): number;
  freeSeries(slot: number): void;
  keepAs(slot: number, retention: number): void;
  retentionOf(slot: number): number;
  newestOf(slot: number): number;
  countIn(slot: number): number;
  unsyncedIn(slot: number): number;
  hasLate(slot: number): number;
  heldBytes(): number;
  liveSamples(): number;

  limitAppends(latest: number, oldestRaw: number, oldestDemand: number, windowMs: number, mostBytes: number): void;
  appendBatch(
    table: number,
    refs: number,
    times: number,
    values: number,
    count: number,
    outcomes: number,
    record: number,
  ): number;
  recordEnd(): number;
  stagedSamples(): number;
  stagedLate(): number;
  publish(inOrder: number, late: number): void;
  restoreRecord(table: number, start: number, end: number, count: number): number;
  restoreColumns(table: number, slot: number, refs: number, times: number, values: number, count: number): number;
  attachChunk(slot: number, bytes: number, length: number, count: number, first: number, last: number): number;

  isStored(slot: number, time: number): number;
  storedLow(): number;
  storedHigh(): number;
  readSeries(slot: number, start: number, end: number): number;
  readTimes(): number;
  readValues(): number;
  readMany(
    table: number,
    refs: number,
    count: number,
    start: number,
    end: number,
    rawFloor: number,
    demandFloor: number,
    newest: number,
    out: number,
  ): number;
  manyTimesAt(): number;
  manyTimesCount(): number;
  manyValuesAt(): number;
  manyValuesCount(): number;
  hasSample(slot: number, start: number, end: number): number;
  dropBefore(slot: number, floor: number): number;
  sealSeries(slot: number): void;
  closedChunks(slot: number): number;
  dropChunks(slot: number, count: number): number;
  chunkAt(slot: number, index: number): number;
  chunkFirst(chunk: number): number;
  chunkLast(chunk: number): number;
  chunkSamples(chunk: number): number;
  chunkBytes(chunk: number): number;
  chunkLength(chunk: number): number;
}

/** What live samples are judged by. */
export interface AppendBounds {
  readonly latest: Millis;
  readonly oldest: Readonly<Record<RetentionClass, Millis>>;
  readonly outOfOrderMs: number;
  /** Bytes of all series beyond which nothing more is taken. */
  readonly mostBytes: number;
}

/** In place of `OUTCOME.appended`: appended, and not the newest of its series. */
export const APPENDED_LATE = 0x80;

export interface Appended {
  /** One `OUTCOME`, or `APPENDED_LATE`, for each sample. */
  readonly outcomes: Uint8Array;
  /** Whether there is any other than `OUTCOME.appended`. */
  readonly mixed: boolean;
  readonly count: number;
  /** The appended samples for the log. Valid until the next call. */
  readonly record: Uint8Array;
  /** Memory is used up: only the samples of `record` are held, and `outcomes` says nothing. */
  readonly failure?: { readonly error: unknown };
}

/** What is read of many series. */
export interface ManyWanted {
  readonly range: TimeRange;
  /** Since when each class is kept. */
  readonly floors: Readonly<Record<RetentionClass, Millis>>;
  /** No more of each series than its last sample in the range. */
  readonly newestAlone: boolean;
}

/** A sample with the bits of its value: a NaN's payload may not survive passing through a number. */
export interface StoredSample {
  readonly time: Millis;
  readonly low: number;
  readonly high: number;
}

/** An encoded chunk of a series that will not change by itself any more and is visible as a whole. */
export interface ClosedChunk {
  readonly first: Millis;
  readonly last: Millis;
  readonly samples: number;
  readonly bytes: Uint8Array;
}

/** Series that are read at once: a turn must not be long. */
const MANY_SERIES = 1_024;

/** The most that one sample takes in a record of the log, and what is stored behind the last one. */
const RECORD_SAMPLE_BYTES = 24;
const RECORD_SLACK = 16;

/**
 * Live samples of all tenants, in WebAssembly memory: encoded chunks, and an open buffer for each series. Every call
 * that takes samples may grow that memory, and views of it are empty then.
 */
export class LiveSamples {
  readonly core: LiveExports;
  #room = 0;
  #roomBytes = 0;
  /** Taken for a commit and not published. */
  #takenInOrder = 0;
  #takenLate = 0;
  /** Of those, late ones that the log has and that no room was left for. */
  #owedLate = 0;

  constructor(core: LiveExports) {
    this.core = core;
  }

  /** Bytes of all series. */
  get bytes(): number {
    return this.core.heldBytes() >>> 0;
  }

  get samples(): number {
    return this.core.liveSamples();
  }

  addSeries(table: number, ref: SeriesRef, retention: RetentionClass): number {
    const slot = this.core.newSeries(RETENTION_CLASSES.indexOf(retention));
    try {
      this.core.setSlot(table, ref, slot);
    } catch (error) {
      this.core.freeSeries(slot);
      throw error;
    }
    return slot;
  }

  removeSeries(table: number, ref: SeriesRef, slot: number): void {
    this.core.clearSlot(table, ref);
    this.core.freeSeries(slot);
  }

  keepAs(slot: number, retention: RetentionClass): void {
    this.core.keepAs(slot, RETENTION_CLASSES.indexOf(retention));
  }

  /** True where nothing is held and nothing waits for the log. */
  isEmpty(slot: number): boolean {
    return this.core.countIn(slot) === 0 && this.core.hasLate(slot) === 0;
  }

  /** Judges and appends the samples `from` to `to` of a batch. Columns that are views of this memory are not copied. */
  append(table: number, batch: BatchColumns, from: number, to: number, bounds: AppendBounds): Appended {
    const { core } = this;
    const count = to - from;
    const recordBytes = count * RECORD_SAMPLE_BYTES + RECORD_SLACK;
    const columns = batch.inMemory ? 0 : count * 20 + 4;
    const outcomes = this.#reserve(columns + recordBytes + count);
    const record = outcomes + count;
    const at = record + recordBytes;
    const { refs, times, values } = batch.inMemory ? batch.addressesFrom(from) : this.#copyIn(batch, from, to, at);
    const { latest, oldest, outOfOrderMs, mostBytes } = bounds;
    core.limitAppends(latest, oldest.raw, oldest.demand, outOfOrderMs, mostBytes);
    const lateBefore = core.stagedLate();
    const stagedBefore = core.stagedSamples() + lateBefore;
    let appended: number;
    let failure: { readonly error: unknown } | undefined;
    try {
      appended = core.appendBatch(table, refs, times, values, count, outcomes, record);
    } catch (error) {
      appended = core.stagedSamples() + core.stagedLate() - stagedBefore;
      failure = { error };
    }
    const { buffer } = core.memory;
    const mixed = appended !== count || core.stagedLate() !== lateBefore;
    return {
      outcomes: mixed ? new Uint8Array(buffer, outcomes, count).slice() : new Uint8Array(count),
      mixed,
      count: appended,
      record: new Uint8Array(buffer, record, (core.recordEnd() >>> 0) - record),
      ...(failure !== undefined && { failure }),
    };
  }

  /** Sets apart what was appended since the last call. What is returned makes it visible; in the order of the calls. */
  takeStaged(): () => void {
    const { core } = this;
    const inOrder = core.stagedSamples() - this.#takenInOrder;
    const late = core.stagedLate() - this.#takenLate;
    this.#takenInOrder += inOrder;
    this.#takenLate += late;
    return () => {
      this.#takenInOrder -= inOrder;
      this.#owedLate += late;
      this.#publish(inOrder);
    };
  }

  /** Makes those late samples visible that no room was left for. @returns How many are left: the log alone has them. */
  publishOwed(): number {
    if (this.#owedLate > 0) this.#publish(0);
    return this.#owedLate;
  }

  #publish(inOrder: number): void {
    const { core } = this;
    const before = core.stagedLate();
    try {
      core.publish(inOrder, this.#owedLate);
    } catch {
      // Memory is used up. They are in the log, a retry finds them, and readers will once there is room: then, or at
      // the next start.
    }
    const published = before - core.stagedLate();
    this.#takenLate -= published;
    this.#owedLate -= published;
  }

  /** The live sample of this time, visible or not. */
  find(slot: number, time: Millis): StoredSample | undefined {
    if (this.core.isStored(slot, time) === 0) return undefined;
    return { time, low: this.core.storedLow() >>> 0, high: this.core.storedHigh() >>> 0 };
  }

  /** The visible samples of a range, both ends included. */
  read(slot: number, { start, end }: TimeRange): Samples {
    const count = this.core.readSeries(slot, start, end);
    if (count <= 0) return NONE;
    const { buffer } = this.core.memory;
    const [times, values] = [this.core.readTimes() >>> 0, this.core.readValues() >>> 0];
    return {
      times: new Float64Array(buffer.slice(times, times + count * 8)),
      values: new Float64Array(buffer.slice(values, values + count * 8)),
    };
  }

  /**
   * Reads the series `from` on, as many as there is room for at once: what `read` gives of each, `undefined` for none.
   * Series that have the same times as the one before share the column. Returns which series is next.
   * @param asViews Whether what is given may be views of the memory, good until anything else is called here.
   */
  readMany(
    table: number,
    refs: Uint32Array,
    from: number,
    { range, floors, newestAlone }: ManyWanted,
    into: (Chunk | undefined)[],
    asViews = false,
  ): number {
    const { core } = this;
    const count = Math.min(refs.length - from, MANY_SERIES);
    const at = this.#reserve(count * 20);
    const out = at + count * 4;
    copyBits(refs.subarray(from, from + count), core.memory.buffer, at);
    const { start, end } = range;
    const read = core.readMany(table, at, count, start, end, floors.raw, floors.demand, newestAlone ? 1 : 0, out);
    if (read === 0 && count > 0) {
      into.push(this.#readLong(table, refs[from]!, { range, floors }));
      return from + 1;
    }
    const { buffer } = core.memory;
    const [timesAt, valuesAt] = [core.manyTimesAt() >>> 0, core.manyValuesAt() >>> 0];
    const times = asViews ? buffer : buffer.slice(timesAt, timesAt + core.manyTimesCount() * 8);
    const values = asViews ? buffer : buffer.slice(valuesAt, valuesAt + core.manyValuesCount() * 8);
    const [firstTime, firstValue] = asViews ? [timesAt, valuesAt] : [0, 0];
    const entries = new Int32Array(buffer, out, 4 * read);
    let shared: Float64Array | undefined;
    let sharedAt = 0;
    for (let i = 0; i < entries.length; i += 4) {
      const length = entries[i + 2]!;
      if (length === 0) {
        into.push(undefined);
        continue;
      }
      if (shared === undefined || sharedAt !== entries[i] || shared.length !== length) {
        sharedAt = entries[i]!;
        shared = new Float64Array(times, firstTime + sharedAt * 8, length);
      }
      into.push({
        encoding: 'plain',
        times: shared,
        values: new Float64Array(values, firstValue + entries[i + 1]! * 8, length),
        ascends: entries[i + 3] === 1 ? true : undefined,
      });
    }
    return from + read;
  }

  #readLong(table: number, ref: SeriesRef, { range, floors }: Pick<ManyWanted, 'range' | 'floors'>) {
    const slot = this.core.slotOf(table, ref) >>> 0;
    const floor = floors[this.retentionOf(slot)];
    const read = this.read(slot, { start: Math.max(range.start, floor), end: range.end });
    return read.times.length === 0 ? undefined : ({ encoding: 'plain', ...read } as const);
  }

  retentionOf(slot: number): RetentionClass {
    return RETENTION_CLASSES[this.core.retentionOf(slot)]!;
  }

  hasSampleIn(slot: number, { start, end }: TimeRange): boolean {
    return this.core.hasSample(slot, start, end) !== 0;
  }

  /** Restores what `append` wrote for the log. @returns Samples whose series is unknown. */
  restoreRecord(table: number, bytes: Uint8Array, count: number): number {
    const at = this.#copyBytes(bytes);
    const orphans = this.core.restoreRecord(table, at, at + bytes.length, count);
    return orphans < 0 ? count : orphans;
  }

  /** Restores samples of many series. @returns Samples whose series is unknown. */
  restoreBatch(table: number, batch: WriteBatch): number {
    const { refs, times, values } = this.#copyIn(
      batch,
      0,
      batch.refs.length,
      this.#reserve(batch.refs.length * 20 + 4),
    );
    return this.core.restoreColumns(table, 0, refs, times, values, batch.refs.length);
  }

  /** Restores samples of one series. */
  restoreRun(slot: number, run: Samples): void {
    const at = this.#reserve(run.times.length * 16);
    copyBits(run.times, this.core.memory.buffer, at);
    copyBits(run.values, this.core.memory.buffer, at + run.times.byteLength);
    this.core.restoreColumns(0, slot, 0, at, at + run.times.byteLength, run.times.length);
  }

  /** Restores an encoded chunk. @returns False where its bytes are damaged. */
  restoreChunk(slot: number, bytes: Uint8Array): boolean {
    if (bytes.length > MAX_CHUNK_BYTES) return false;
    const { core } = this;
    const at = this.#copyBytes(bytes);
    const times = core.codecTimes();
    const count = core.decodeChunk(at, bytes.length, times, core.codecValues(), MAX_CHUNK_SAMPLES);
    if (count <= 0) return false;
    const column = new Float64Array(core.memory.buffer, times, count);
    if (core.attachChunk(slot, at, bytes.length, count, column[0]!, column[count - 1]!) === 0) {
      core.restoreColumns(0, slot, 0, times, core.codecValues(), count);
    }
    return true;
  }

  /** Chunks that are closed, in order of time; copies. */
  closedChunks(slot: number): readonly ClosedChunk[] {
    const { core } = this;
    return Array.from({ length: core.closedChunks(slot) }, (_, i) => {
      const chunk = core.chunkAt(slot, i);
      const bytes = new Uint8Array(core.memory.buffer, core.chunkBytes(chunk) >>> 0, core.chunkLength(chunk)).slice();
      return { first: core.chunkFirst(chunk), last: core.chunkLast(chunk), samples: core.chunkSamples(chunk), bytes };
    });
  }

  #copyIn({ refs, times, values }: WriteBatch, from: number, to: number, at: number): Addresses {
    const { buffer } = this.core.memory;
    const timesAt = ((at + (to - from) * 4 + 3) & ~3) >>> 0;
    const valuesAt = timesAt + (to - from) * 8;
    copyBits(refs.subarray(from, to), buffer, at);
    copyBits(times.subarray(from, to), buffer, timesAt);
    copyBits(values.subarray(from, to), buffer, valuesAt);
    return { refs: at, times: timesAt, values: valuesAt };
  }

  #copyBytes(bytes: Uint8Array): number {
    const at = this.#reserve(bytes.length + 8);
    new Uint8Array(this.core.memory.buffer, at, bytes.length).set(bytes);
    return at;
  }

  /** Memory for one call. */
  #reserve(bytes: number): number {
    if (bytes > this.#roomBytes) {
      if (this.#room !== 0) this.core.release(this.#room);
      this.#room = 0;
      this.#roomBytes = 0;
      this.#room = this.core.allocate(bytes * 2) >>> 0;
      this.#roomBytes = bytes * 2;
    }
    return this.#room;
  }
}

interface Addresses {
  readonly refs: number;
  readonly times: number;
  readonly values: number;
}

/** A batch, and where it is while views of the memory may become empty. */
export class BatchColumns implements WriteBatch {
  readonly refs: Uint32Array;
  readonly times: Float64Array;
  readonly values: Float64Array;
  readonly starts?: Float64Array;
  readonly length: number;
  /** Whether all columns are views of the store's own memory. */
  readonly inMemory: boolean;
  /** Whether the columns stay readable while memory grows. */
  readonly steady: boolean;
  readonly #addresses: Addresses;

  constructor({ refs, times, values, starts }: WriteBatch, { buffer }: WebAssembly.Memory, steady: boolean) {
    this.steady = steady;
    this.inMemory = !steady && refs.buffer === buffer && times.buffer === buffer && values.buffer === buffer;
    // A view among copies would be empty once the memory grows.
    const copied = <T extends Float64Array | Uint32Array>(column: T) =>
      !this.inMemory && column.buffer === buffer ? (column.slice() as T) : column;
    this.refs = copied(refs);
    this.times = copied(times);
    this.values = copied(values);
    if (starts !== undefined) this.starts = copied(starts);
    this.length = refs.length;
    this.#addresses = { refs: refs.byteOffset, times: times.byteOffset, values: values.byteOffset };
  }

  addressesFrom(index: number): Addresses {
    const { refs, times, values } = this.#addresses;
    return { refs: refs + 4 * index, times: times + 8 * index, values: values + 8 * index };
  }
}

const NONE: Samples = { times: new Float64Array(), values: new Float64Array() };

function copyBits(from: Float64Array | Uint32Array, buffer: ArrayBuffer, at: number): void {
  new Uint8Array(buffer, at, from.byteLength).set(new Uint8Array(from.buffer, from.byteOffset, from.byteLength));
}
