import { phaseOf } from '../local-clock.ts';
import { isOrdinary, type Track } from '../track.ts';

/** What a smoother takes in, in model space: the values from `from` on, NaN where there is none to learn from. */
export function observedSince(track: Track, from: number): Float64Array {
  return Float64Array.from({ length: track.length - from }, (_, i) => observedAt(track, from + i));
}

/** The value at `t` in model space; NaN for a gap and for a special time. */
export function observedAt(track: Track, t: number): number {
  return isOrdinary(track, t) ? track.z[t]! : Number.NaN;
}

/** The phase of each step from `from` on, in local time. */
export function phasesSince(track: Track, from: number, season: number): Int32Array {
  return Int32Array.from({ length: track.length - from }, (_, i) => phaseOf(track, from + i, season));
}
