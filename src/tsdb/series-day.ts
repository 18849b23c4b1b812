import { formatLabels, type Labels } from '../model/labels.ts';
import { lowerBound, type Samples, upperBound } from '../model/series.ts';
import type { Millis, TimeRange } from '../model/time.ts';
import { mayHaveSpecial } from './codec.ts';
import { DamagedDataError } from './errors.ts';
import { chunkBytesOf, type EncodedValues, joinChunks, lastTimeOf, type SampleCodec } from './partition-chunk.ts';
import type { PartitionLayer } from './partition-key.ts';

/** A chunk as it is stored. */
export interface StoredChunk {
  readonly key: Uint8Array;
  readonly layer: PartitionLayer;
  readonly value: Uint8Array;
}

/** A series' samples of one day. */
export type LayeredSamples = Readonly<Record<PartitionLayer, Samples>>;

/** The times of a series' chunks of one day. Series that are scraped together share them. */
export interface DayTimes {
  /** Encoded, one chunk behind another. */
  readonly bytes: Uint8Array;
  /** Where those of each chunk end. */
  readonly ends: Uint32Array;
  readonly counts: Uint32Array;
  readonly firsts: Float64Array;
  readonly lasts: Float64Array;
}

/** A series' chunks of one day as they are kept in memory: their sums checked, their times apart from their values. */
export interface SeriesDay {
  readonly times: DayTimes;
  readonly values: Uint8Array;
  /** Where those of each chunk end. */
  readonly ends: Uint32Array;
  /** Whether any value may be no number. */
  readonly special: boolean;
  /** So many chunks are live, those that come first. Each layer is in order of first times. */
  readonly live: number;
  /** Chunks that are damaged, and the last time that each says it has. */
  readonly damaged: readonly { readonly last: Millis; readonly cause: RangeError }[];
  /** Of the partition. */
  readonly folder: string;
}

/** Chunks of one layer: `from` to `to` (exclusive). */
export interface DayPart {
  readonly day: SeriesDay;
  readonly from: number;
  readonly to: number;
}

/** What a day takes of memory beside its bytes, and each of its chunks. */
const DAY_BYTES = 800;
const CHUNK_BYTES = 8;

export function bytesOfDay({ values, ends }: SeriesDay): number {
  return DAY_BYTES + values.length + CHUNK_BYTES * ends.length;
}

/** Gives the same `DayTimes` for the same bytes. */
export class SharedTimes {
  readonly #known = new Map<string, DayTimes>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  share(times: DayTimes): DayTimes {
    const { bytes } = times;
    const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.#known.set(key, times);
    this.#bytes += DAY_BYTES + 2 * bytes.length + 3 * CHUNK_BYTES * times.ends.length;
    return times;
  }

  clear(): void {
    this.#known.clear();
    this.#bytes = 0;
  }
}

/** @param chunks In order of their keys. */
export function dayOfChunks(
  chunks: readonly StoredChunk[],
  codec: SampleCodec,
  shared: SharedTimes,
  folder: string,
): SeriesDay {
  const sound: { readonly time: Uint8Array; readonly value: Uint8Array; readonly times: Float64Array }[] = [];
  const damaged: { readonly last: Millis; readonly cause: RangeError }[] = [];
  let live = 0;
  for (const { layer, value } of chunks) {
    try {
      const bytes = chunkBytesOf(value);
      const { times, length } = codec.decodeTimes(bytes);
      sound.push({ time: bytes.subarray(0, length), value: bytes.subarray(length), times });
      if (layer === 'live') live++;
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause;
      damaged.push({ last: value.length < 9 ? Number.NaN : lastTimeOf(value), cause });
    }
  }
  const times = shared.share({
    ...joined(sound.map(({ time }) => time)),
    counts: Uint32Array.from(sound, (each) => each.times.length),
    firsts: Float64Array.from(sound, (each) => each.times[0]!),
    lasts: Float64Array.from(sound, (each) => each.times.at(-1)!),
  });
  const { bytes: values, ends } = joined(sound.map(({ value }) => value));
  const special = sound.some(({ value }) => mayHaveSpecial(value));
  return { times, values, ends, special, live, damaged, folder };
}

function joined(parts: readonly Uint8Array[]): { readonly bytes: Uint8Array; readonly ends: Uint32Array } {
  const ends = new Uint32Array(parts.length);
  let length = 0;
  parts.forEach((part, i) => {
    length += part.length;
    ends[i] = length;
  });
  const bytes = new Uint8Array(length);
  for (const [i, part] of parts.entries()) bytes.set(part, ends[i]! - part.length);
  return { bytes, ends };
}

/**
 * The chunks of both layers that touch a range; of a layer whose chunks overlap all.
 * @throws {DamagedDataError} If a damaged one may.
 */
export function partsWithin(
  day: SeriesDay,
  { start, end }: TimeRange,
  labels: () => Labels,
): Readonly<Record<PartitionLayer, DayPart>> {
  for (const { last, cause } of day.damaged) if (!(last < start)) throw damagedIn(day, labels(), cause);
  const { firsts, lasts } = day.times;
  const touching = (from: number, to: number): DayPart => {
    while (from < to && lasts[from]! < start) from++;
    while (to > from && firsts[to - 1]! > end) to--;
    return { day, from, to };
  };
  return { live: touching(0, day.live), past: touching(day.live, firsts.length) };
}

/** Whether chunks follow one another in time. */
export function isInOrder({ day, from, to }: DayPart): boolean {
  const { firsts, lasts } = day.times;
  for (let i = from + 1; i < to; i++) if (!(lasts[i - 1]! < firsts[i]!)) return false;
  return true;
}

export function countOf({ day, from, to }: DayPart): number {
  let count = 0;
  for (let i = from; i < to; i++) count += day.times.counts[i]!;
  return count;
}

/** How many samples of a range there are at least: of the chunks that it does not cut. */
export function leastWithin({ times }: SeriesDay, { start, end }: TimeRange): number {
  let count = 0;
  for (const [i, chunk] of times.counts.entries()) {
    if (times.firsts[i]! >= start && times.lasts[i]! <= end) count += chunk;
  }
  return count;
}

/** Which of a chunk's samples are in a range: those before `from`, and those before `to`. */
export function cutChunk({ times }: SeriesDay, chunk: number, { start, end }: TimeRange, codec: SampleCodec) {
  const count = times.counts[chunk]!;
  if (times.firsts[chunk]! >= start && times.lasts[chunk]! <= end) return { from: 0, to: count };
  const decoded = timesOfChunk(times, chunk, codec);
  return { from: lowerBound(decoded, start), to: upperBound(decoded, end) };
}

export function timesOfChunk({ bytes, ends }: DayTimes, chunk: number, codec: SampleCodec): Float64Array {
  return codec.decodeTimes(bytes.subarray(chunk === 0 ? 0 : ends[chunk - 1]!, ends[chunk]!)).times;
}

export function encodedValues({ day: { values, ends, times }, from, to }: DayPart): EncodedValues {
  return { bytes: values, ends, counts: times.counts, from, to };
}

/**
 * The samples of all chunks that touch the range, each layer as one run; of two samples at one time the first chunk's.
 * @throws {DamagedDataError}
 */
export function layersOfDay(
  day: SeriesDay,
  range: TimeRange,
  codec: SampleCodec,
  labels: () => Labels,
): LayeredSamples {
  const { live, past } = partsWithin(day, range, labels);
  const decoded = (part: DayPart): Samples => {
    const chunks: Samples[] = [];
    for (let i = part.from; i < part.to; i++) {
      const times = timesOfChunk(day.times, i, codec);
      if (times[0]! > range.end || times.at(-1)! < range.start) continue;
      const values = new Float64Array(times.length);
      codec.decodeValues(encodedValues({ day, from: i, to: i + 1 }), values, 0);
      chunks.push({ times, values });
    }
    return joinChunks(chunks);
  };
  try {
    return { live: decoded(live), past: decoded(past) };
  } catch (cause) {
    throw cause instanceof RangeError ? damagedIn(day, labels(), cause) : cause;
  }
}

export function damagedIn({ folder }: Pick<SeriesDay, 'folder'>, labels: Labels, cause: RangeError): DamagedDataError {
  return new DamagedDataError(`samples of ${formatLabels(labels)}`, folder, { cause });
}
