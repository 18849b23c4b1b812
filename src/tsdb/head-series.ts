import type { Labels } from '../model/labels.ts';
import { type Chunk, joinSamples, lowerBound, upperBound } from '../model/series.ts';
import type { Millis, TimeRange } from '../model/time.ts';
import type { RetentionClass, SeriesRef } from '../storage/write.ts';
import { type HeadChunk, lastTime, mergeSamples, viewChunks } from './chunk.ts';
import type { LiveSamples } from './live-samples.ts';

/**
 * One series in memory, in two layers. What live writers sent and what was backfilled never mix: a live sample wins
 * over a backfilled one of the same time, and only live samples decide what is out of order. So the order in which
 * live samples and imports arrive makes no difference.
 */
export interface HeadSeries {
  readonly ref: SeriesRef;
  /** Made anew each time. */
  readonly labels: Labels;
  /** What `encodeLabels` makes of them; a copy. */
  readonly labelBytes: Uint8Array;
  readonly retention: RetentionClass;
  /** Where its live samples are. */
  readonly slot: number;
  readonly past: readonly HeadChunk[];
  changePast<T>(change: (past: HeadChunk[]) => T): T;
  /** No live sample on disk is later. `undefined` where that is not known. */
  diskTo?: Millis | undefined;
}

/** The series' visible samples of a range, live ones before backfilled ones, in order of time. */
export function chunksOf(live: LiveSamples, series: HeadSeries, range: TimeRange, floor: number): readonly Chunk[] {
  const { end } = range;
  const start = Math.max(range.start, floor);
  const read = live.read(series.slot, { start, end });
  const winners: readonly Chunk[] = read.times.length === 0 ? [] : [{ encoding: 'plain', ...read }];
  if (series.past.length === 0) return winners;
  const past = viewChunks(series.past, start, end, floor);
  if (past.length === 0) return winners;
  if (winners.length === 0) return past;
  const others = joinSamples(past);
  const ordered = [others, read].sort((a, b) => a.times[0]! - b.times[0]!);
  if (ordered[0]!.times.at(-1)! < ordered[1]!.times[0]!)
    return ordered.map((samples) => ({ encoding: 'plain', ...samples }));
  return [{ encoding: 'plain', ...mergeSamples(read, others) }];
}

export function hasSampleIn(live: LiveSamples, series: HeadSeries, range: TimeRange, floor: number): boolean {
  const start = Math.max(range.start, floor);
  return live.hasSampleIn(series.slot, { start, end: range.end }) || touches(series.past, start, range.end);
}

function touches(chunks: readonly HeadChunk[], start: number, end: number): boolean {
  for (const { times, count } of chunks) {
    if (times[count - 1]! < start) continue;
    if (times[0]! > end) return false;
    const held = times.subarray(0, count);
    if (lowerBound(held, start) < upperBound(held, end)) return true;
  }
  return false;
}

/** Drops the backfilled chunks that end before `floor`. Returns how many samples went. */
export function dropPastBefore(series: HeadSeries, floor: number): number {
  const { past } = series;
  let dropped = 0;
  let gone = 0;
  while (gone < past.length && lastTime(past[gone]!) < floor) dropped += past[gone++]!.count;
  if (gone > 0) series.changePast((all) => all.splice(0, gone));
  return dropped;
}
