import { type LocalClock, seasonEarlier } from './local-clock.ts';
import { type Transform, toModel } from './transform.ts';

/**
 * A regular series that only grows at its end, in model space. Everything that a model reads comes from here, and
 * nothing after the last value exists yet: a replay appends value by value, so it cannot look ahead.
 */
export interface Track {
  readonly transform: Transform;
  /** Steps in the season that fills long gaps (a day); 0 for none. */
  readonly fillSeason: number;
  /** Where local time changes against the steps; undefined where it does not. */
  readonly clock: LocalClock | undefined;
  length: number;
  /** As given, NaN in gaps. */
  raw: Float64Array;
  /** In model space, gaps filled from the past: held for a short while, then taken from a season before. */
  z: Float64Array;
  /** `sums[i]` is the sum of the first i of `z`, so that the mean of a block costs two reads. */
  sums: Float64Array;
  /** Consecutive missing values at the end. */
  gap: number;
  /** Whether a value was ever below zero. */
  negative: boolean;
}

/** A gap is held this many steps before a season ago is the better guess. */
const HOLD_STEPS = 6;

export function createTrack(
  transform: Transform,
  fillSeason: number,
  capacity = 1024,
  clock: LocalClock | undefined = undefined,
): Track {
  return {
    transform,
    fillSeason,
    clock,
    length: 0,
    raw: new Float64Array(capacity),
    z: new Float64Array(capacity),
    sums: new Float64Array(capacity + 1),
    gap: 0,
    negative: false,
  };
}

/** Takes the next value in. NaN and infinite values are gaps. */
export function appendValue(track: Track, value: number): void {
  const t = track.length;
  if (t === track.raw.length) grow(track);
  const known = Number.isFinite(value);
  if (value < 0) track.negative = true;
  track.gap = known ? 0 : track.gap + 1;
  const z = known ? toModel(track.transform, value) : fill(track, t);
  track.raw[t] = known ? value : Number.NaN;
  track.z[t] = z;
  track.sums[t + 1] = track.sums[t]! + z;
  track.length = t + 1;
}

/** Whether the value at `t` was given, not filled. */
export function isKnown(track: Track, t: number): boolean {
  return !Number.isNaN(track.raw[t]!);
}

/** Mean in model space of the block [from, to), cut to what exists. */
export function blockMean(track: Track, from: number, to: number): number {
  const low = from < 0 ? 0 : from;
  const high = to > track.length ? track.length : to;
  return high > low ? (track.sums[high]! - track.sums[low]!) / (high - low) : track.z[low < track.length ? low : 0]!;
}

function fill(track: Track, t: number): number {
  const { fillSeason, gap, z } = track;
  const before = fillSeason > 0 && gap > HOLD_STEPS ? seasonEarlier(track, t, fillSeason) : -1;
  if (before >= 0) return z[before]!;
  return t > 0 ? z[t - 1]! : 0;
}

function grow(track: Track): void {
  const capacity = track.raw.length * 2;
  track.raw = extended(track.raw, capacity);
  track.z = extended(track.z, capacity);
  track.sums = extended(track.sums, capacity + 1);
}

function extended(values: Float64Array, capacity: number): Float64Array {
  const longer = new Float64Array(capacity);
  longer.set(values);
  return longer;
}
