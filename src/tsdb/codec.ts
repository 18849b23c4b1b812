import type { Samples } from '../model/series.ts';
import type { EncodedValues, SampleCodec } from './partition-chunk.ts';

/** The codec's exports of `assembly/`. */
export interface CodecExports {
  readonly memory: WebAssembly.Memory;
  /** Addresses of room for the columns of one chunk, and for its bytes. */
  codecTimes(): number;
  codecValues(): number;
  codecBytes(): number;
  encodeChunk(times: number, values: number, count: number, out: number): number;
  countOf(bytes: number, length: number): number;
  decodeChunk(bytes: number, length: number, times: number, values: number, capacity: number): number;
  /** The times alone; `timesEnd` is where they end. */
  decodeTimes(bytes: number, length: number, times: number, capacity: number): number;
  timesEnd(): number;
  /** 0 where the bytes are damaged. */
  decodeValues(at: number, end: number, values: number, count: number): number;
}

/** Samples that one chunk can hold. */
export const MAX_CHUNK_SAMPLES = 8_192;
/** No chunk is longer. */
export const MAX_CHUNK_BYTES = 40 * MAX_CHUNK_SAMPLES + 256;

/**
 * Samples of one series in few bytes. Bits of values and of times come back as they are.
 * @param times Ascending; whole milliseconds take least.
 * @throws {RangeError} If there are no samples, more than 8,192, or if times do not ascend.
 */
export function encodeSamples(core: CodecExports, times: Float64Array, values: Float64Array): Uint8Array {
  const count = times.length;
  if (count === 0 || count > MAX_CHUNK_SAMPLES || values.length !== count) {
    throw new RangeError(`cannot encode ${count} times and ${values.length} values: 1 to ${MAX_CHUNK_SAMPLES} of both`);
  }
  copyBits(times, core.memory.buffer, core.codecTimes());
  copyBits(values, core.memory.buffer, core.codecValues());
  const out = core.codecBytes();
  const length = core.encodeChunk(core.codecTimes(), core.codecValues(), count, out);
  if (length < 0) throw new RangeError('cannot encode samples: their times do not ascend');
  return new Uint8Array(core.memory.buffer, out, length).slice();
}

/**
 * The samples of bytes that `encodeSamples` made.
 * @throws {RangeError} If the bytes are damaged. Nothing outside of them is read.
 */
export function decodeSampleBytes(core: CodecExports, bytes: Uint8Array): Samples {
  const count = decodeInPlace(core, bytes);
  return {
    times: new Float64Array(core.memory.buffer, core.codecTimes(), count).slice(),
    values: new Float64Array(core.memory.buffer, core.codecValues(), count).slice(),
  };
}

/** The same for chunks that follow one another in time: one pair of columns for all of them. */
export function decodeSampleChunks(core: CodecExports, chunks: readonly Uint8Array[]): Samples {
  const capacity = chunks.reduce((sum, bytes) => sum + countSamples(bytes), 0);
  const times = new Float64Array(capacity);
  const values = new Float64Array(capacity);
  let at = 0;
  for (const bytes of chunks) {
    const count = decodeInPlace(core, bytes);
    const { buffer } = core.memory;
    times.set(new Float64Array(buffer, core.codecTimes(), count), at);
    values.set(new Float64Array(buffer, core.codecValues(), count), at);
    at += count;
  }
  return { times, values };
}

/**
 * How many samples encoded bytes hold, without decoding them.
 * @throws {RangeError} If the bytes do not say.
 */
export function countSamples(bytes: Uint8Array): number {
  const low = bytes[1] ?? 0;
  const count = low < 0x80 ? low : (low & 0x7f) | ((bytes[2] ?? 0) << 7);
  if (count === 0 || count > MAX_CHUNK_SAMPLES) throw damagedBytes();
  return count;
}

function decodeInPlace(core: CodecExports, bytes: Uint8Array): number {
  if (bytes.length <= MAX_CHUNK_BYTES) {
    const at = core.codecBytes();
    new Uint8Array(core.memory.buffer, at, bytes.length).set(bytes);
    const count = core.decodeChunk(at, bytes.length, core.codecTimes(), core.codecValues(), MAX_CHUNK_SAMPLES);
    if (count > 0) return count;
  }
  throw damagedBytes();
}

/** Samples to bytes and back, in the core's memory. */
export function sampleCodecOf(core: CodecExports): SampleCodec {
  return {
    encode: (times, values) => encodeSamples(core, times, values),
    decode: (bytes) => decodeSampleBytes(core, bytes),
    decodeTimes: (bytes) => decodeTimeBytes(core, bytes),
    decodeValues: (chunks, into, at) => decodeValueBytes(core, chunks, into, at),
  };
}

function decodeTimeBytes(core: CodecExports, bytes: Uint8Array) {
  if (bytes.length > MAX_CHUNK_BYTES) throw damagedBytes();
  const at = core.codecBytes();
  new Uint8Array(core.memory.buffer, at, bytes.length).set(bytes);
  const count = core.decodeTimes(at, bytes.length, core.codecTimes(), MAX_CHUNK_SAMPLES);
  if (count <= 0) throw damagedBytes();
  const times = new Float64Array(core.memory.buffer, core.codecTimes(), count).slice();
  return { times, length: core.timesEnd() - at };
}

/** As many chunks at once as there is room for: what passes between the core's memory and this one has its price. */
function decodeValueBytes(core: CodecExports, chunks: EncodedValues, into: Float64Array, at: number): void {
  const { bytes, ends, counts, to } = chunks;
  const { buffer } = core.memory;
  const [room, columns] = [core.codecBytes(), core.codecTimes()];
  for (let chunk = chunks.from; chunk < to; ) {
    const start = chunk === 0 ? 0 : ends[chunk - 1]!;
    let end = start;
    let samples = 0;
    const first = chunk;
    while (chunk < to && ends[chunk]! - start <= MAX_CHUNK_BYTES && samples + counts[chunk]! <= 2 * MAX_CHUNK_SAMPLES) {
      end = ends[chunk]!;
      samples += counts[chunk++]!;
    }
    if (chunk === first) throw damagedBytes();
    new Uint8Array(buffer, room, end - start).set(bytes.subarray(start, end));
    let [from, values] = [room, columns];
    for (let i = first; i < chunk; i++) {
      const until = room + ends[i]! - start;
      if (core.decodeValues(from, until, values, counts[i]!) === 0) throw damagedBytes();
      from = until;
      values += 8 * counts[i]!;
    }
    // Copied as memory: a NaN's payload may not survive passing through a number.
    into.set(new Float64Array(buffer, columns, samples), at);
    at += samples;
  }
}

function damagedBytes(): RangeError {
  return new RangeError('cannot read a chunk: its bytes are damaged');
}

/** The flag of values that stand as they are beside the others, in the byte before all values. */
const HAS_EXCEPTIONS = 64;

/** Whether encoded values may be other than finite numbers: those stand beside the others. */
export function mayHaveSpecial(values: Uint8Array): boolean {
  return (values[0]! & HAS_EXCEPTIONS) !== 0;
}

/** Copies memory, since a NaN's payload may not survive passing through a number. */
function copyBits(from: Float64Array, buffer: ArrayBuffer, at: number): void {
  new Uint8Array(buffer, at, from.byteLength).set(new Uint8Array(from.buffer, from.byteOffset, from.byteLength));
}
