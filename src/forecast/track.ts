import { type LocalClock, seasonEarlier } from './local-clock.ts';
import { isSpecial, type Specials } from './special-times.ts';
import { fromModel, type Transform, toModel } from './transform.ts';

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
  /** Local steps from where phases are counted to the first value: not 0 where older values were dropped. */
  readonly phase: number;
  /** Special times, whose values stand here as ordinary ones; undefined where there are none. */
  readonly specials: Specials | undefined;
  length: number;
  /**
   * In model space, gaps filled from the past: held for a short while, then taken from a season before. In single
   * precision, a ten-millionth of a value: it is half of what a forecaster keeps.
   */
  z: Float32Array;
  /** A bit for each value, from the lowest: 1 where it was given, 0 where it was filled. */
  known: Uint8Array;
  /** `blockSums[i]` is the sum of the first `BLOCK * i` of `z`, so that the mean of a long block costs few reads. */
  blockSums: Float64Array;
  /** How often values in the past were replaced. */
  rewrites: number;
  /** Consecutive missing values at the end. */
  gap: number;
  /** Whether a value was ever below zero. */
  negative: boolean;
}

/** A gap is held this many steps before a season ago is the better guess. */
const HOLD_STEPS = 6;
/** Values between two sums that are kept. */
const BLOCK = 32;
/** Room is made for so many values at a time: a forecaster lives long, and there are thousands. */
const GROWTH = 1024;

export function createTrack(
  transform: Transform,
  fillSeason: number,
  capacity = GROWTH,
  {
    clock,
    phase = 0,
    specials,
  }: {
    readonly clock?: LocalClock | undefined;
    readonly phase?: number;
    readonly specials?: Specials | undefined;
  } = {},
): Track {
  return {
    transform,
    fillSeason,
    clock,
    phase,
    specials,
    length: 0,
    z: new Float32Array(capacity),
    known: new Uint8Array(Math.ceil(capacity / 8)),
    blockSums: new Float64Array(Math.ceil(capacity / BLOCK) + 1),
    rewrites: 0,
    gap: 0,
    negative: false,
  };
}

/** Larger values count as this: sums and differences of some must stay finite. */
export const MOST_VALUE = 1e300;
/** The same in model space, whose values are stored and squared in single precision: so many times the usual spread. */
const MOST_Z = 1e15;

/**
 * Takes the next value in. NaN and infinite values are gaps.
 * @param ordinary What stands for it in model space, where it is not the value itself; NaN for none.
 */
export function appendValue(track: Track, value: number, ordinary = Number.NaN): void {
  const t = track.length;
  if (t === track.z.length) grow(track);
  const known = Number.isFinite(value);
  if (value < 0) track.negative = true;
  track.gap = known ? 0 : track.gap + 1;
  const bounded = Math.max(-MOST_VALUE, Math.min(MOST_VALUE, value));
  const z = !Number.isNaN(ordinary) ? ordinary : known ? toModel(track.transform, bounded) : fill(track, t);
  track.z[t] = Math.max(-MOST_Z, Math.min(MOST_Z, z));
  setKnown(track, t, known);
  track.length = t + 1;
  if (track.length % BLOCK === 0) {
    const block = track.length / BLOCK;
    track.blockSums[block] = track.blockSums[block - 1]! + sumOf(track.z, t + 1 - BLOCK, t + 1);
  }
}

/** Whether the value at `t` was given, not filled. */
export function isKnown(track: Track, t: number): boolean {
  return (track.known[t >> 3]! & (1 << (t & 7))) !== 0;
}

function setKnown({ known }: Track, t: number, isGiven: boolean): void {
  const bit = 1 << (t & 7);
  known[t >> 3] = isGiven ? known[t >> 3]! | bit : known[t >> 3]! & ~bit;
}

/** The value at `t` in the series' unit, to a millionth; NaN where it was not given. */
export function valueAt(track: Track, t: number): number {
  return isKnown(track, t) ? fromModel(track.transform, track.z[t]!) : Number.NaN;
}

/** Whether the value at `t` was given and is an ordinary one, which a model may learn from. */
export function isOrdinary(track: Track, t: number): boolean {
  return isKnown(track, t) && !isSpecial(track, t);
}

/** Puts filled values in the place of [from, from + z.length). */
export function rewriteValues(track: Track, from: number, z: Float64Array): void {
  track.rewrites++;
  track.z.set(z, from);
  for (let t = from; t < from + z.length; t++) setKnown(track, t, false);
  for (let block = Math.floor(from / BLOCK) + 1; BLOCK * block <= track.length; block++)
    track.blockSums[block] = track.blockSums[block - 1]! + sumOf(track.z, BLOCK * (block - 1), BLOCK * block);
}

/** Mean in model space of the block [from, to), cut to what exists. */
export function blockMean(track: Track, from: number, to: number): number {
  const { z, blockSums, length } = track;
  const low = from < 0 ? 0 : from;
  const high = to > length ? length : to;
  const count = high - low;
  if (count <= 0) return z[low < length ? low : 0]!;
  if (count === 1) return z[low]!;
  if (count <= 2 * BLOCK) return sumOf(z, low, high) / count;
  const first = Math.ceil(low / BLOCK);
  const last = Math.floor(high / BLOCK);
  const whole = blockSums[last]! - blockSums[first]!;
  return (sumOf(z, low, first * BLOCK) + whole + sumOf(z, last * BLOCK, high)) / count;
}

function sumOf(z: Float32Array, from: number, to: number): number {
  let sum = 0;
  for (let t = from; t < to; t++) sum += z[t]!;
  return sum;
}

function fill(track: Track, t: number): number {
  const { fillSeason, gap, z } = track;
  const before = fillSeason > 0 && gap > HOLD_STEPS ? seasonEarlier(track, t, fillSeason) : -1;
  if (before >= 0) return z[before]!;
  return t > 0 ? z[t - 1]! : 0;
}

function grow(track: Track): void {
  const capacity = track.z.length + GROWTH;
  track.z = extended(track.z, new Float32Array(capacity));
  track.known = extended(track.known, new Uint8Array(Math.ceil(capacity / 8)));
  track.blockSums = extended(track.blockSums, new Float64Array(Math.ceil(capacity / BLOCK) + 1));
}

function extended<A extends Float64Array | Float32Array | Uint8Array>(values: A, longer: A): A {
  longer.set(values);
  return longer;
}
