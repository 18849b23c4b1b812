import { type Chunk, joinSamples, lowerBound, type Samples } from '../model/series.ts';

/** Full chunks have this many samples; merging may leave fewer. */
const CHUNK_SAMPLES = 2_048;

/** Backfilled samples of one series in ascending order of time. Readers may hold views of the arrays: they never change. */
export interface HeadChunk {
  readonly times: Float64Array;
  readonly values: Float64Array;
  readonly count: number;
}

/** Merges samples in ascending order into the chunks. Where both have a time, the chunks' sample stays. */
export function mergeRun(chunks: HeadChunk[], run: Samples): void {
  const { times } = run;
  if (times.length === 0) return;
  const first = times[0]!;
  const last = times[times.length - 1]!;
  let from = 0;
  while (from < chunks.length && lastTime(chunks[from]!) < first) from++;
  let to = from;
  while (to < chunks.length && chunks[to]!.times[0]! <= last) to++;
  const stored = joinSamples(chunks.slice(from, to));
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

function chunkOf(samples: Samples): HeadChunk {
  const times = samples.times.slice();
  const values = samples.values.slice();
  return { times, values, count: times.length };
}

export function lastTime(chunk: HeadChunk): number {
  return chunk.times[chunk.count - 1]!;
}

/** Both in order of time; where both have a time, the first one's sample stays. */
export function mergeSamples(winner: Samples, other: Samples): Samples {
  // Most often one is behind the other. What is not a number is neither.
  if (winner.times.at(-1)! < other.times[0]!) return joinSamples([winner, other]);
  if (other.times.at(-1)! < winner.times[0]!) return joinSamples([other, winner]);
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
    // Whatever the times are, damaged ones too, each pass goes on by a sample.
    if (i < winner.times.length && (a <= b || j >= other.times.length)) {
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

/** The samples from `floor` on, of the chunks that touch `start` to `end`. */
export function viewChunks(chunks: readonly HeadChunk[], start: number, end: number, floor: number): Chunk[] {
  const views: Chunk[] = [];
  for (const { times, values, count } of chunks) {
    if (times[count - 1]! < start || times[count - 1]! < floor) continue;
    if (times[0]! > end) break;
    const from = times[0]! < floor ? lowerBound(times, floor) : 0;
    views.push({ encoding: 'plain', times: times.subarray(from), values: values.subarray(from) });
  }
  return views;
}
