import { type Labels, labelsKey } from '../model/labels.ts';
import type { Millis } from '../model/time.ts';
import { type AlarmOptions, type AlarmState, type AlarmStep, createAlarm, takeMissing, takeVerdict } from './alarm.ts';
import { type Context, createDetector, type DetectorState, judge } from './detector.ts';
import { restoreDetector, saveDetector } from './saved-detector.ts';

/** All that is known of one watched series. Its size is bounded. */
export interface WatchedSeries {
  readonly labels: Labels;
  readonly key: string;
  readonly detector: DetectorState;
  readonly alarm: AlarmState;
  isLearning: boolean;
  expected: number;
  /** Whether it had a sample at the last instant, and whether it ended for good when it had none any more. */
  isPresent: boolean;
  hasEnded: boolean;
  /** Its first sample since it came, or came back. */
  firstAt: Millis;
  /** It took the place of another one; and another one took its place. */
  isReplacement: boolean;
  isReplaced: boolean;
  /** Samples that are muted still, because those before them were. */
  mutedFor: number;
  /** The last moves beside what was expected, in half bands; a ring, and how many were ever written. Not saved. */
  readonly moves: Float32Array;
  moved: number;
  movedAt: Millis;
}

/** What the series say of one instant. */
export interface JudgedSample {
  readonly expected: number;
  readonly lower: number;
  readonly upper: number;
  readonly score: number;
  readonly step: AlarmStep;
}

export interface SampleContext extends Context {
  readonly muted: boolean;
}

const MOVES = 32;
const MOST_MOVE = 20;
/** The way back from what was muted is as unusual as the way there. */
const MUTED_AFTER = 15;

export function watchSeries(labels: Labels, detector = createDetector(), alarm = createAlarm()): WatchedSeries {
  const ring = { moves: new Float32Array(MOVES).fill(Number.NaN), moved: 0, movedAt: 0 };
  return {
    labels,
    key: labelsKey(labels),
    detector,
    alarm,
    isLearning: true,
    expected: Number.NaN,
    isPresent: false,
    hasEnded: false,
    ...{ firstAt: Number.NEGATIVE_INFINITY, isReplacement: false, isReplaced: false },
    mutedFor: 0,
    ...ring,
  };
}

/** Judges one sample and learns from it, but for a muted one and those right after it. Later samples change nothing of it. */
export function judgeSample(
  series: WatchedSeries,
  options: AlarmOptions,
  time: Millis,
  value: number,
  { muted: isMuted, ...context }: SampleContext,
): JudgedSample {
  series.mutedFor = isMuted ? MUTED_AFTER : Math.max(0, series.mutedFor - 1);
  const muted = series.mutedFor > 0;
  // A rush that was announced must not be what the time after it is compared with.
  const detector = isMuted ? restoreDetector(saveDetector(series.detector))! : series.detector;
  const verdict = judge(detector, time, value, { ...context, ...(muted && { learn: false }) });
  const { expected, lower, upper, dayMean, rhythm, score, learning, part, direction } = verdict;
  series.isLearning = learning;
  series.expected = expected;
  const half = Math.max((upper - lower) / 2, Number.MIN_VALUE);
  noteMove(series, time, Math.max(-MOST_MOVE, Math.min(MOST_MOVE, (value - expected) / half)));
  const judged = { expected, lower, upper, dayMean, rhythm, score, learning, part, direction };
  return { expected, lower, upper, score, step: takeVerdict(series.alarm, options, { time, value, judged, muted }) };
}

/** An instant without a sample. */
export function judgeMissing(
  series: WatchedSeries,
  options: AlarmOptions,
  time: Millis,
  { stepMs, muted }: { readonly stepMs: number; readonly muted: boolean },
): JudgedSample {
  const { expected } = series;
  noteMove(series, time, Number.NaN);
  const { score, ...step } = takeMissing(series.alarm, options, { time, stepMs, expected, muted });
  return { expected, lower: expected, upper: expected, score, step };
}

/** The last moves, the oldest first. */
export function movesOf({ moves, moved }: WatchedSeries): Float32Array {
  const from = moved % MOVES;
  const ordered = new Float32Array(MOVES);
  ordered.set(moves.subarray(from));
  ordered.set(moves.subarray(0, from), MOVES - from);
  return ordered;
}

function noteMove(series: WatchedSeries, time: Millis, move: number): void {
  series.moves[series.moved % MOVES] = move;
  series.moved++;
  series.movedAt = time;
}

const UTF8 = new TextEncoder();
const FROM_UTF8 = new TextDecoder();

type Known = Pick<
  WatchedSeries,
  | 'labels'
  | 'alarm'
  | 'isLearning'
  | 'expected'
  | 'isPresent'
  | 'hasEnded'
  | 'mutedFor'
  | 'firstAt'
  | 'isReplacement'
  | 'isReplaced'
>;

/** A length of four bytes, so many bytes of JSON, and the detector's. */
export function saveWatched({ detector, ...series }: WatchedSeries): Uint8Array {
  const { labels, alarm, isLearning, expected, isPresent, hasEnded, mutedFor } = series;
  const { firstAt, isReplacement, isReplaced } = series;
  const known: Known = {
    ...{ labels, alarm, isLearning, expected, isPresent, hasEnded, mutedFor },
    ...{ firstAt, isReplacement, isReplaced },
  };
  const json = nanJson.encode(known);
  const state = saveDetector(detector);
  const bytes = new Uint8Array(4 + json.length + state.length);
  new DataView(bytes.buffer).setUint32(0, json.length, true);
  bytes.set(json, 4);
  bytes.set(state, 4 + json.length);
  return bytes;
}

/** Undefined where the bytes are of another version, or damaged: the series then learns anew. */
export function restoreWatched(bytes: Uint8Array): WatchedSeries | undefined {
  try {
    const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
    const known = nanJson.decode<Known>(bytes.subarray(4, 4 + length));
    const detector = restoreDetector(bytes.subarray(4 + length));
    if (detector === undefined) return undefined;
    // JSON has no infinity: one that was there from the beginning.
    const firstAt = Number.isFinite(known.firstAt) ? known.firstAt : Number.NEGATIVE_INFINITY;
    const alarm = { ...createAlarm(), ...known.alarm };
    return { ...watchSeries(known.labels, detector), ...known, firstAt, alarm };
  } catch {
    return undefined;
  }
}

/** JSON in which a number may be none, as a missing sample's value is. */
export const nanJson = {
  encode: (value: unknown): Uint8Array => UTF8.encode(JSON.stringify(value, replaceNaN)),
  decode: <T>(bytes: Uint8Array): T => JSON.parse(FROM_UTF8.decode(bytes), reviveNaN) as T,
};

function replaceNaN(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? { nan: true } : value;
}

function reviveNaN(_key: string, value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'nan' in value ? Number.NaN : value;
}
