import { type Chunk, joinSamples, lowerBound, type Samples, upperBound } from '../model/series.ts';

/** Full chunks have this many samples; merging may leave fewer, or up to twice as many. */
const CHUNK_SAMPLES = 2_048;
const FIRST_CAPACITY = 16;
const NEXT_CAPACITY = 256;

/**
 * Samples of one series in ascending order of time. The arrays only ever gain samples behind `count`, or are replaced
 * as a whole, so that views handed to readers stay as they were.
 */
export interface HeadChunk {
  times: Float64Array;
  values: Float64Array;
  /** Bits of `values`: low word, high word. */
  words: Uint32Array;
  /** Samples held. */
  count: number;
  /** Samples that readers may see: those that the log has synced. Always the first ones. */
  visible: number;
}

function newChunk(capacity: number): HeadChunk {
  const values = new Float64Array(capacity);
  return { times: new Float64Array(capacity), values, words: new Uint32Array(values.buffer), count: 0, visible: 0 };
}

/** Appends behind the last chunk's last sample, where `time` belongs. Returns the chunk that took it. */
export function appendToChunks(chunks: HeadChunk[], time: number, low: number, high: number): HeadChunk {
  let chunk = chunks[chunks.length - 1];
  if (chunk === undefined || chunk.count >= CHUNK_SAMPLES) {
    chunk = newChunk(chunks.length === 0 ? FIRST_CAPACITY : NEXT_CAPACITY);
    chunks.push(chunk);
  } else if (chunk.count === chunk.times.length) {
    setCapacity(chunk, chunk.times.length * 2);
  }
  const i = chunk.count++;
  chunk.times[i] = time;
  chunk.words[2 * i] = low;
  chunk.words[2 * i + 1] = high;
  return chunk;
}

function setCapacity(chunk: HeadChunk, capacity: number): void {
  const grown = newChunk(capacity);
  grown.times.set(chunk.times.subarray(0, chunk.count));
  grown.words.set(chunk.words.subarray(0, 2 * chunk.count));
  chunk.times = grown.times;
  chunk.values = grown.values;
  chunk.words = grown.words;
}

/** Where a sample of exactly this time is, visible or not. */
export function findSample(
  chunks: readonly HeadChunk[],
  time: number,
): { readonly chunk: HeadChunk; readonly at: number } | undefined {
  const chunk = chunks[chunkFor(chunks, time)];
  if (chunk === undefined) return undefined;
  const at = lowerBound(chunk.times.subarray(0, chunk.count), time);
  return at < chunk.count && chunk.times[at] === time ? { chunk, at } : undefined;
}

/** The index of the last chunk that starts at or before `time`; the first where none does. */
function chunkFor(chunks: readonly HeadChunk[], time: number): number {
  let low = 0;
  let high = chunks.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (chunks[middle]!.times[0]! <= time) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

/** Puts one visible sample among visible ones. Everything before it in the log must be visible already. */
export function insertSample(chunks: HeadChunk[], time: number, low: number, high: number): void {
  const index = chunkFor(chunks, time);
  const chunk = chunks[index];
  if (chunk === undefined) {
    appendToChunks(chunks, time, low, high).visible = 1;
    return;
  }
  const at = upperBound(chunk.times.subarray(0, chunk.count), time);
  const { times, words, count } = chunk;
  // Readers may hold views of these arrays: the new order gets arrays of its own.
  const merged = newChunk(Math.max(FIRST_CAPACITY, times.length > count ? times.length : times.length * 2));
  merged.times.set(times.subarray(0, at));
  merged.times[at] = time;
  merged.times.set(times.subarray(at, count), at + 1);
  merged.words.set(words.subarray(0, 2 * at));
  merged.words[2 * at] = low;
  merged.words[2 * at + 1] = high;
  merged.words.set(words.subarray(2 * at, 2 * count), 2 * at + 2);
  chunk.times = merged.times;
  chunk.values = merged.values;
  chunk.words = merged.words;
  chunk.count++;
  chunk.visible++;
  if (chunk.count > 2 * CHUNK_SAMPLES && chunk.visible >= CHUNK_SAMPLES) splitChunk(chunks, index);
}

/** Moves the older half into a chunk of its own; the samples that are not visible yet stay where they were staged. */
function splitChunk(chunks: HeadChunk[], index: number): void {
  const chunk = chunks[index]!;
  const { times, words, count, visible } = chunk;
  const older = chunkOf({ times: times.subarray(0, CHUNK_SAMPLES), values: chunk.values.subarray(0, CHUNK_SAMPLES) });
  const rest = newChunk(count);
  rest.times.set(times.subarray(CHUNK_SAMPLES, count));
  rest.words.set(words.subarray(2 * CHUNK_SAMPLES, 2 * count));
  chunk.times = rest.times;
  chunk.values = rest.values;
  chunk.words = rest.words;
  chunk.count = count - CHUNK_SAMPLES;
  chunk.visible = visible - CHUNK_SAMPLES;
  chunks.splice(index, 0, older);
}

/** Merges visible samples in ascending order into visible chunks. Where both have a time, the chunks' sample stays. */
export function mergeRun(chunks: HeadChunk[], run: Samples): void {
  const { times } = run;
  if (times.length === 0) return;
  const first = times[0]!;
  const last = times[times.length - 1]!;
  let from = 0;
  while (from < chunks.length && lastTime(chunks[from]!) < first) from++;
  let to = from;
  while (to < chunks.length && chunks[to]!.times[0]! <= last) to++;
  const stored = joinSamples(chunks.slice(from, to).map(visibleSamples));
  const merged = stored.times.length === 0 ? run : mergeSamples(stored, run);
  const pieces: HeadChunk[] = [];
  for (let at = 0; at < merged.times.length; at += CHUNK_SAMPLES) {
    pieces.push(
      chunkOf({
        times: merged.times.subarray(at, at + CHUNK_SAMPLES),
        values: merged.values.subarray(at, at + CHUNK_SAMPLES),
      }),
    );
  }
  chunks.splice(from, to - from, ...pieces);
}

function chunkOf({ times, values }: Samples): HeadChunk {
  const chunk = newChunk(times.length);
  chunk.times.set(times);
  chunk.values.set(values);
  chunk.count = times.length;
  chunk.visible = times.length;
  return chunk;
}

export function lastTime(chunk: HeadChunk): number {
  return chunk.times[chunk.count - 1]!;
}

export function visibleSamples({ times, values, visible }: HeadChunk): Samples {
  return { times: times.subarray(0, visible), values: values.subarray(0, visible) };
}

/** Both in order of time; where both have a time, the first one's sample stays. */
export function mergeSamples(winner: Samples, other: Samples): Samples {
  const capacity = winner.times.length + other.times.length;
  const times = new Float64Array(capacity);
  const values = new Float64Array(capacity);
  const bits = bitsOf(values);
  const winnerBits = bitsOf(winner.values);
  const otherBits = bitsOf(other.values);
  let i = 0;
  let j = 0;
  let n = 0;
  while (i < winner.times.length || j < other.times.length) {
    const a = i < winner.times.length ? winner.times[i]! : Number.POSITIVE_INFINITY;
    const b = j < other.times.length ? other.times[j]! : Number.POSITIVE_INFINITY;
    if (a <= b) {
      times[n] = a;
      bits[2 * n] = winnerBits[2 * i]!;
      bits[2 * n + 1] = winnerBits[2 * i + 1]!;
      i++;
      if (a === b) j++;
    } else {
      times[n] = b;
      bits[2 * n] = otherBits[2 * j]!;
      bits[2 * n + 1] = otherBits[2 * j + 1]!;
      j++;
    }
    n++;
  }
  return { times: times.subarray(0, n), values: values.subarray(0, n) };
}

/** The same memory as low and high words, in which a NaN's payload survives copying. */
export function bitsOf(values: Float64Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, 2 * values.length);
}

/** The visible samples from `floor` on, of the chunks that touch `start` to `end`. */
export function viewChunks(chunks: readonly HeadChunk[], start: number, end: number, floor: number): Chunk[] {
  const views: Chunk[] = [];
  for (const { times, values, visible } of chunks) {
    if (visible === 0 || times[visible - 1]! < start || times[visible - 1]! < floor) continue;
    if (times[0]! > end) break;
    const from = times[0]! < floor ? lowerBound(times.subarray(0, visible), floor) : 0;
    views.push({ encoding: 'plain', times: times.subarray(from, visible), values: values.subarray(from, visible) });
  }
  return views;
}
