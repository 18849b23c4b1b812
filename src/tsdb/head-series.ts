import type { Labels } from '../model/labels.ts';
import { type Chunk, joinSamples, lowerBound, upperBound } from '../model/series.ts';
import type { TimeRange } from '../model/time.ts';
import { OUTCOME, type RetentionClass, type SeriesRef } from '../storage/write.ts';
import {
  appendToChunks,
  findSample,
  type HeadChunk,
  insertSample,
  lastTime,
  mergeSamples,
  viewChunks,
} from './chunk.ts';

/**
 * One series in memory, in two layers. What live writers sent and what was backfilled never mix: a live sample wins
 * over a backfilled one of the same time, and only live samples decide what is out of order. So the order in which
 * live samples and imports arrive makes no difference.
 */
export interface HeadSeries {
  readonly ref: SeriesRef;
  readonly labels: Labels;
  retention: RetentionClass;
  readonly live: HeadChunk[];
  readonly past: HeadChunk[];
  /** Time of the newest live sample, visible or not. */
  newest: number;
  /** Live samples that arrived late and wait for the log, by time. */
  late: Map<number, LateSample> | undefined;
  /** Backfilled runs that wait for the log. */
  stagedRuns: number;
}

export interface LateSample {
  readonly time: number;
  readonly low: number;
  readonly high: number;
}

export function newSeries(ref: SeriesRef, labels: Labels, retention: RetentionClass): HeadSeries {
  const newest = Number.NEGATIVE_INFINITY;
  return { ref, labels, retention, live: [], past: [], newest, late: undefined, stagedRuns: 0 };
}

/** What a live sample at or before the newest one of its series is: stored already, too late, or late but welcome. */
export function judgeLate(series: HeadSeries, { time, low, high }: LateSample, windowMs: number): number {
  const stored = storedLive(series, time);
  if (stored !== undefined) return stored.low === low && stored.high === high ? OUTCOME.duplicate : OUTCOME.conflict;
  return time < series.newest - windowMs ? OUTCOME.outOfOrder : OUTCOME.appended;
}

/** The live sample of this time, visible or not. */
export function storedLive(series: HeadSeries, time: number): LateSample | undefined {
  return wordsOf(series.live, time) ?? series.late?.get(time);
}

/** The backfilled sample of this time. */
export function storedPast(series: HeadSeries, time: number): LateSample | undefined {
  return wordsOf(series.past, time);
}

function wordsOf(chunks: readonly HeadChunk[], time: number): LateSample | undefined {
  const found = findSample(chunks, time);
  if (found === undefined) return undefined;
  const { words } = found.chunk;
  return { time, low: words[2 * found.at]!, high: words[2 * found.at + 1]! };
}

/** Puts a live sample that the log has in its place at once. Idempotent: recovery may see a sample twice. */
export function restoreLive(series: HeadSeries, { time, low, high }: LateSample): boolean {
  if (time > series.newest) {
    const chunk = appendToChunks(series.live, time, low, high);
    chunk.visible = chunk.count;
    series.newest = time;
    return true;
  }
  if (findSample(series.live, time) !== undefined) return false;
  insertSample(series.live, time, low, high);
  return true;
}

/** The series' visible samples around a range, live ones before backfilled ones, in order of time. */
export function chunksOf(series: HeadSeries, { start, end }: TimeRange, floor: number): readonly Chunk[] {
  const live = viewChunks(series.live, start, end, floor);
  if (series.past.length === 0) return live;
  const past = viewChunks(series.past, start, end, floor);
  if (past.length === 0) return live;
  if (live.length === 0) return past;
  const all = [...live, ...past].sort((a, b) => a.times[0]! - b.times[0]!);
  const isLive = new Set(live);
  const joined: Chunk[] = [];
  for (let from = 0; from < all.length; ) {
    // A group: chunks that overlap one another, directly or through others.
    let to = from + 1;
    let groupEnd = all[from]!.times.at(-1)!;
    while (to < all.length && all[to]!.times[0]! <= groupEnd) groupEnd = Math.max(groupEnd, all[to++]!.times.at(-1)!);
    const group = all.slice(from, to);
    from = to;
    if (group.length === 1) {
      joined.push(group[0]!);
      continue;
    }
    const winners = joinSamples(group.filter((chunk) => isLive.has(chunk)));
    const others = joinSamples(group.filter((chunk) => !isLive.has(chunk)));
    joined.push({ encoding: 'plain', ...mergeSamples(winners, others) });
  }
  return joined;
}

export function hasSampleIn(series: HeadSeries, range: TimeRange, floor: number): boolean {
  const start = Math.max(range.start, floor);
  return touches(series.live, start, range.end) || touches(series.past, start, range.end);
}

function touches(chunks: readonly HeadChunk[], start: number, end: number): boolean {
  for (const { times, visible } of chunks) {
    if (visible === 0 || times[visible - 1]! < start) continue;
    if (times[0]! > end) return false;
    const held = times.subarray(0, visible);
    if (lowerBound(held, start) < upperBound(held, end)) return true;
  }
  return false;
}

/** Drops the chunks that end before `floor`. Returns how many samples went. */
export function dropBefore(series: HeadSeries, floor: number): number {
  return dropChunks(series.live, floor) + dropChunks(series.past, floor);
}

function dropChunks(chunks: HeadChunk[], floor: number): number {
  let dropped = 0;
  let gone = 0;
  while (gone < chunks.length && lastTime(chunks[gone]!) < floor) dropped += chunks[gone++]!.count;
  if (gone > 0) chunks.splice(0, gone);
  return dropped;
}

/** True where nothing is held and nothing waits for the log. */
export function isEmpty({ live, past, late, stagedRuns }: HeadSeries): boolean {
  return live.length === 0 && past.length === 0 && stagedRuns === 0 && (late === undefined || late.size === 0);
}
