import type { CoreMemory } from './core-memory.ts';
import { WireError } from './errors.ts';
import { faultOf, snappyFault } from './faults.ts';
import type { TenantLabels } from './label-tables.ts';
import {
  type AttachedPlace,
  readAttached,
  readMetadata,
  readUnseen,
  type UnseenSeries,
  type WireMetadata,
  type WriteProtocol,
} from './part-lists.ts';
import type { WireCore } from './wire-core.ts';

/** A part of a request, or all of it. The columns are views of the module's memory, overwritten by the next part. */
export interface WritePart {
  /** 0 where the sample belongs to one of `unseen`. */
  readonly refs: Uint32Array;
  /** Milliseconds. */
  readonly times: Float64Array;
  readonly values: Float64Array;
  /** Absent where no sample has one. */
  readonly starts?: Float64Array;
  readonly unseen: readonly UnseenSeries[];
  /** What the places in `unseen` are in. A copy. */
  readonly text: Uint8Array;
  readonly metadata: readonly WireMetadata[];
  readonly exemplars: readonly AttachedPlace[];
  readonly histograms: readonly AttachedPlace[];
  /** Series that carry nothing. */
  readonly empties: number;
  /** Where the rest starts; the request's length when nothing is left. */
  readonly next: number;
}

/** What a label set may have for its canonical bytes to be made while it is decoded. */
export interface DecodedLabelLimits {
  readonly maxNames: number;
  readonly maxNameBytes: number;
  readonly maxValueBytes: number;
}

export interface DecodeOptions {
  readonly protocol: WriteProtocol;
  readonly maxBytes: number;
}

/** Copied in a step. */
const STEP_BYTES = 1 << 20;
/** Of assembly/snappy.ts: the step is over, and there is more. */
const UNFINISHED = 5;

/** Readers may look this far behind what they were given. */
const SLACK_BYTES = 64;
/** Walked in a turn of a millisecond or two, whatever a sender made of it. */
const CHECKED_BYTES = 1 << 20;
const NOTHING = new Uint8Array();

/** A request's bytes in the module's memory, until it is disposed of. */
export class WriteBody implements Disposable {
  readonly protocol: WriteProtocol;
  readonly length: number;
  readonly memory: CoreMemory;
  #address: number;
  /** How much of it is known to be sound, but for symbols. */
  #checked = 0;

  private constructor(memory: CoreMemory, protocol: WriteProtocol, address: number, length: number) {
    this.memory = memory;
    this.protocol = protocol;
    this.#address = address;
    this.length = length;
  }

  /** Where its bytes begin. */
  get address(): number {
    return this.#address;
  }

  /**
   * Decodes a snappy block (not the framed format) that came in pieces.
   * @param maxBytes A block that announces more is refused before anything is allocated.
   * @throws {WireError} If the block is damaged, or decodes to more than `maxBytes`.
   */
  static decode(memory: CoreMemory, pieces: readonly Uint8Array[], options: DecodeOptions): WriteBody {
    const steps = WriteBody.decodeInSteps(memory, pieces, options);
    for (;;) {
      const step = steps.next();
      if (step.done) return step.value;
    }
  }

  /** As `decode`, in steps of a millisecond or so. The pieces must stay as they are until the end. */
  static *decodeInSteps(
    memory: CoreMemory,
    pieces: readonly Uint8Array[],
    { protocol, maxBytes }: DecodeOptions,
  ): Generator<void, WriteBody> {
    const { core } = memory;
    const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
    const { length, end } = announcedLength(pieces);
    if (length > maxBytes) {
      throw new WireError('snappy block', `decoded length ${length} is above the limit of ${maxBytes}`, 0);
    }
    // No element decodes to more than 64 bytes for each of its own 3 (a copy with a 2-byte offset).
    if (length * 3 > (size - end) * 64) {
      throw new WireError('snappy block', `${size} bytes cannot hold the decoded length ${length}`, 0);
    }
    const address = memory.allocate(length + SLACK_BYTES);
    let block = 0;
    let isWhole = false;
    try {
      // Memory that is used up must not be taken by those who found it so.
      block = memory.allocate(size + SLACK_BYTES);
      let at = block;
      let copied = 0;
      for (const piece of pieces) {
        memory.bytes.set(piece, at);
        at += piece.length;
        copied += piece.length;
        if (copied < STEP_BYTES) continue;
        copied = 0;
        yield;
      }
      let from = 0;
      let done = 0;
      for (;;) {
        const fault = core.snappyDecode(block + end, size - end, address, length, from, done);
        if (fault === 0) break;
        from = core.snappyFaultAt();
        done = core.snappyDone();
        if (fault !== UNFINISHED) throw snappyFault(fault, from + end, done, length);
        yield;
      }
      isWhole = true;
    } finally {
      if (block !== 0) core.release(block);
      if (!isWhole) core.release(address);
    }
    return new WriteBody(memory, protocol, address, length);
  }

  /** A request that is not compressed. */
  static of(memory: CoreMemory, bytes: Uint8Array, protocol: WriteProtocol): WriteBody {
    const address = memory.allocate(bytes.length + SLACK_BYTES);
    memory.bytes.set(bytes, address);
    return new WriteBody(memory, protocol, address, bytes.length);
  }

  /** Whether it is so long that it is to be checked in turns, before it is read. */
  get isLong(): boolean {
    return this.length > CHECKED_BYTES;
  }

  /**
   * Checks another piece. Returns whether that was the last.
   * @throws {WireError} If the bytes are not such a message.
   */
  check(): boolean {
    const { core } = this.memory;
    const from = this.#checked;
    const until = Math.min(this.length, from + CHECKED_BYTES);
    core.beginMessage();
    const check = this.protocol === '1.0' ? core.checkWrite1 : core.checkWrite2;
    this.#checked = check(this.#address, this.length, from, until) >>> 0;
    if (core.faultCode() !== 0) throw faultOf(core, this.#address);
    return this.#checked >= this.length;
  }

  /**
   * Decodes from `offset` on, in parts. Labels that `labels` knows are not decoded. Values keep their bits. When the
   * first part is not the whole, the rest is checked too, unless it was: a damaged request is refused before any of it can
   * be stored.
   *
   * @param gone References in ascending order that count as unseen: the store does not have them any more.
   * @throws {WireError} If the bytes are not such a message.
   */
  read(labels: TenantLabels | undefined, limits: DecodedLabelLimits, offset = 0, gone?: Uint32Array): WritePart {
    const { core } = this.memory;
    const forgotten = gone === undefined ? 0 : this.#forget(gone);
    const isChecked = offset > 0 || this.#checked >= this.length;
    let next: number;
    try {
      core.limitLabels(limits.maxNames, limits.maxNameBytes, limits.maxValueBytes);
      core.beginMessage();
      next =
        this.protocol === '1.0'
          ? core.decodeWrite1(labels?.byBytes ?? 0, this.#address, this.length, offset, isChecked)
          : core.decodeWrite2(
              labels?.bySymbols ?? 0,
              labels?.symbols ?? 0,
              this.#address,
              this.length,
              offset,
              isChecked,
            );
    } finally {
      if (forgotten !== 0) {
        // For no other tenant's request, whatever became of this one.
        core.forgetRefs(0, 0);
        core.release(forgotten);
      }
    }
    if (core.faultCode() !== 0) throw faultOf(core, this.#address);
    return this.#part(core, next >>> 0);
  }

  /** Bytes of the request. A view, good until the module is called again. */
  bytes(start: number, end: number): Uint8Array<ArrayBuffer> {
    return this.memory.bytes.subarray(this.#address + start, this.#address + end);
  }

  [Symbol.dispose](): void {
    if (this.#address !== 0) this.memory.core.release(this.#address);
    this.#address = 0;
  }

  #part(core: WireCore, next: number): WritePart {
    const { memory } = this;
    const samples = core.partSamples();
    const starts = core.partStarts();
    const textLength = core.partTextLength();
    const textAt = core.partText() >>> 0;
    const text = textLength === 0 ? NOTHING : memory.bytes.slice(textAt, textAt + textLength);
    return {
      refs: memory.words(core.partRefs(), samples),
      times: memory.numbers(core.partTimes(), samples),
      values: memory.numbers(core.partValues(), samples),
      ...(starts !== 0 && { starts: memory.numbers(starts, samples) }),
      unseen: core.unseenCount() === 0 ? [] : readUnseen(memory, text),
      text,
      metadata: core.metadataCount() === 0 ? [] : readMetadata(memory, this.#address, this.protocol),
      exemplars: readAttached(memory, core.exemplarsAt(), core.exemplarCount()),
      histograms: readAttached(memory, core.histogramsAt(), core.histogramCount()),
      empties: core.partEmpties(),
      next,
    };
  }

  #forget(gone: Uint32Array): number {
    const { core } = this.memory;
    const address = this.memory.allocate(Math.max(gone.byteLength, 4));
    this.memory.words(address, gone.length).set(gone);
    core.forgetRefs(address, gone.length);
    return address;
  }
}

/**
 * The decoded length that a snappy block announces, and where its elements begin.
 * @throws {WireError} If the preamble is not a length below 2^32.
 */
export function announcedLength(pieces: readonly Uint8Array[]): { readonly length: number; readonly end: number } {
  let length = 0;
  let at = 0;
  for (const piece of pieces) {
    for (const byte of piece.subarray(0, 5)) {
      length += (byte & 0x7f) * 2 ** (7 * at++);
      if (byte < 0x80) {
        if (length > 0xffff_ffff) throw tooLong();
        return { length, end: at };
      }
      if (at === 5) throw tooLong();
    }
  }
  throw new WireError('snappy block', 'an element is cut short', at);
}

function tooLong(): WireError {
  return new WireError('snappy block', 'the announced length is not below 2^32', 0);
}
