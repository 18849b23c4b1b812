import type { Labels } from './labels.ts';
import type { Points } from './point-columns.ts';
import type { Millis, TimeRange } from './time.ts';

/** Samples of one series, in columns. Times ascend strictly, in ms. Values keep their bits: a staleness marker is a NaN with a payload. */
export interface Samples {
  readonly times: Float64Array;
  readonly values: Float64Array;
}

export interface SampledSeries extends Samples {
  readonly labels: Labels;
}

/** One value a step: `values[i]` belongs to `start + i * stepMs`. A gap is NaN, never zero. */
export interface RegularSeries {
  readonly start: Millis;
  readonly stepMs: number;
  readonly values: Float64Array;
}

/** A run of samples as the store keeps it. More encodings join this union; readers go through `decodeSamples`. */
export interface Chunk extends Samples {
  readonly encoding: 'plain';
  /** No value is NaN or below the one before it. Left out: not so, or not known. */
  readonly ascends?: true | undefined;
}

/** What `select` returns: a series and its chunks in order of time, not overlapping. */
export interface SelectedSeries {
  readonly labels: Labels;
  readonly chunks: readonly Chunk[];
  /** Where points were asked for: then there are no chunks. */
  readonly points?: Points;
  /** Where samples may come so: then there are no chunks. */
  readonly deferred?: DeferredSamples;
}

/** Samples that are decoded when somebody reads them, each time anew: so that not all series are in memory at once. */
export interface DeferredSamples {
  readonly count: number;
  /** So many of the first ones are numbers, and no staleness markers, for certain. */
  readonly numbers: number;
  /**
   * The values are good until any others are read: whoever keeps them copies them. Times are good for ever, and one
   * array for series that have the same.
   * @throws Where what is stored cannot be read.
   */
  read(): Samples;
}

/** Joins the chunks' samples inside the range, both ends included. Copies bits, so staleness markers survive. */
export function decodeSamples(chunks: readonly Chunk[], range: TimeRange): Samples {
  const parts: Samples[] = [];
  for (const { times, values } of chunks) {
    const from = lowerBound(times, range.start);
    const to = upperBound(times, range.end);
    if (from >= to) continue;
    parts.push({ times: times.subarray(from, to), values: values.subarray(from, to) });
  }
  return joinSamples(parts);
}

/** One behind another, as they come. A single part is given as it is, not copied. */
export function joinSamples(parts: readonly Samples[]): Samples {
  if (parts.length === 1) return parts[0]!;
  const length = parts.reduce((sum, { times }) => sum + times.length, 0);
  const times = new Float64Array(length);
  const values = new Float64Array(length);
  let at = 0;
  for (const part of parts) {
    times.set(part.times, at);
    values.set(part.values, at);
    at += part.times.length;
  }
  return { times, values };
}

/** The index of the first element not below `x`. `sorted` ascends. */
export function lowerBound(sorted: Float64Array, x: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < x) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The index of the first element above `x`. `sorted` ascends. */
export function upperBound(sorted: Float64Array, x: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! <= x) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The bits of a staleness marker: a NaN that Prometheus writes when a series ends. */
const STALE_HIGH = 0x7ff00000;
const STALE_LOW = 0x00000002;

/** True where `values[index]` is a staleness marker. Looks at bits, since arithmetic would quiet the NaN. */
export function isStaleMarker(values: Float64Array, index: number): boolean {
  if (!Number.isNaN(values[index]!)) return false;
  const words = new Uint32Array(values.buffer, values.byteOffset + index * 8, 2);
  // Every platform that Node runs on is little-endian: the low word comes first.
  return words[0] === STALE_LOW && words[1] === STALE_HIGH;
}

/** Writes a staleness marker's bits at `index`. */
export function setStaleMarker(values: Float64Array, index: number): void {
  const words = new Uint32Array(values.buffer, values.byteOffset + index * 8, 2);
  words[0] = STALE_LOW;
  words[1] = STALE_HIGH;
}
