import { isOrdinary, type Track } from './track.ts';

/** NaN where under half of the block is known: the largest of a few says little about the largest of all. */
export function largestKnown(track: Track, from: number, to: number): number {
  let most = Number.NEGATIVE_INFINITY;
  let known = 0;
  for (let t = from; t < to; t++) {
    if (!isOrdinary(track, t)) continue;
    known++;
    if (track.z[t]! > most) most = track.z[t]!;
  }
  return 2 * known >= to - from && known > 0 ? most : Number.NaN;
}

/** The largest in model space of the block [from, to), filled values included, cut to what exists. */
export function largestIn({ z, length }: Track, from: number, to: number): number {
  const low = Math.max(0, from);
  let most = z[low]!;
  for (let t = low + 1; t < Math.min(to, length); t++) if (z[t]! > most) most = z[t]!;
  return most;
}
