import { crc32 } from 'node:zlib';
import { joinSamples, lowerBound, type Samples } from '../model/series.ts';
import { DAY, type Millis } from '../model/time.ts';
import { mergeSamples } from './chunk.ts';
import { dayOf } from './partition-key.ts';

/** Samples to bytes and back, all bits kept. `codec.ts` in the server. */
export interface SampleCodec {
  encode(times: Float64Array, values: Float64Array): Uint8Array;
  /** @throws {RangeError} If the bytes are damaged. */
  decode(bytes: Uint8Array): Samples;
  /**
   * The times alone, and how many bytes they take with all before them; what stands behind them are the values.
   * @throws {RangeError} If they are damaged.
   */
  decodeTimes(bytes: Uint8Array): { readonly times: Float64Array; readonly length: number };
  /**
   * Writes values to `into`, from index `at` on.
   * @throws {RangeError} If they are damaged.
   */
  decodeValues(chunks: EncodedValues, into: Float64Array, at: number): void;
}

/** The values of chunks `from` to `to` (exclusive), whose times are known. */
export interface EncodedValues {
  /** Of more chunks, one behind another. */
  readonly bytes: Uint8Array;
  /** Where each chunk's values end in them. */
  readonly ends: Uint32Array;
  /** How many each chunk has. */
  readonly counts: Uint32Array;
  readonly from: number;
  readonly to: number;
}

/** Encoded samples of one series and one day. */
export interface EncodedChunk {
  readonly first: Millis;
  readonly last: Millis;
  readonly bytes: Uint8Array;
}

/** Eight hours of samples 15 seconds apart. */
const CHUNK_SAMPLES = 1_920;
const VERSION = 2;
/** Version, the time of the last sample, and the CRC-32 of that time and the chunk: LevelDB checks none when it reads. */
const HEADER_BYTES = 13;
/** Values of before have no sum. */
const UNSUMMED_VERSION = 1;
const UNSUMMED_HEADER_BYTES = 9;

/** Cuts samples at midnights, and the rest of each day into chunks. */
export function encodeChunks(codec: SampleCodec, { times, values }: Samples): readonly EncodedChunk[] {
  const chunks: EncodedChunk[] = [];
  for (let from = 0; from < times.length; ) {
    const midnight = lowerBound(times, dayOf(times[from]!) + DAY);
    const to = Math.min(midnight, from + CHUNK_SAMPLES);
    const bytes = codec.encode(times.subarray(from, to), values.subarray(from, to));
    chunks.push({ first: times[from]!, last: times[to - 1]!, bytes });
    from = to;
  }
  return chunks;
}

/** What a partition stores under a chunk's key. */
export function chunkValue({ last, bytes }: EncodedChunk): Uint8Array {
  const value = new Uint8Array(HEADER_BYTES + bytes.length);
  value[0] = VERSION;
  const view = new DataView(value.buffer);
  view.setFloat64(1, last, true);
  value.set(bytes, HEADER_BYTES);
  view.setUint32(9, sumOf(value), true);
  return value;
}

function sumOf(value: Uint8Array): number {
  return crc32(value.subarray(HEADER_BYTES), crc32(value.subarray(1, 9)));
}

export function lastTimeOf(value: Uint8Array): Millis {
  return new DataView(value.buffer, value.byteOffset, value.byteLength).getFloat64(1, true);
}

/** @throws {RangeError} If the bytes are damaged, or of a form that this release does not know. */
export function decodeChunk(codec: SampleCodec, value: Uint8Array): Samples {
  return codec.decode(chunkBytesOf(value));
}

/**
 * The encoded samples of what `chunkValue` made, their sum checked.
 * @throws {RangeError} If it is wrong, or the value is of a form that this release does not know.
 */
export function chunkBytesOf(value: Uint8Array): Uint8Array {
  if (value[0] === UNSUMMED_VERSION) return value.subarray(UNSUMMED_HEADER_BYTES);
  if (value[0] !== VERSION) throw new RangeError(`cannot read a chunk: it has version ${value[0]}`);
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  if (value.length < HEADER_BYTES || view.getUint32(9, true) !== sumOf(value)) {
    throw new RangeError('cannot read a chunk: its sum is wrong');
  }
  return value.subarray(HEADER_BYTES);
}

/** Chunks in order of their first times as one run. They may overlap; of two samples at one time the first chunk's stays. */
export function joinChunks(chunks: readonly Samples[]): Samples {
  let joined: Samples[] = [];
  for (const chunk of chunks) {
    const before = joined.at(-1);
    if (before === undefined || before.times.at(-1)! < chunk.times[0]!) joined.push(chunk);
    else joined = [mergeSamples(joinSamples(joined), chunk)];
  }
  return joinSamples(joined);
}
