import type { Track } from './track.ts';

/**
 * What was worked out about a track at some of its indices, so that it is not again: regressors of neighbouring origins
 * and horizons share most of their means. One table serves all series, since it is one at a time that is worked on; the
 * next one's begins empty. What is kept at an index must rest on nothing after it.
 */
export interface Recall {
  /** The index that each slot is of, -1 for none. */
  readonly places: Int32Array;
  /** `width` values a slot. */
  readonly values: Float64Array;
  readonly width: number;
  track: Track | undefined;
  rewrites: number;
}

/** @param slots A power of two. */
export function createRecall(slots: number, width = 1): Recall {
  return {
    places: new Int32Array(slots).fill(-1),
    values: new Float64Array(slots * width),
    width,
    track: undefined,
    rewrites: 0,
  };
}

/** Forgets all if what it knows is of another track, or of one whose past was rewritten since. */
export function recallOf(recall: Recall, track: Track): Recall {
  if (recall.track !== track || recall.rewrites !== track.rewrites) {
    recall.places.fill(-1);
    recall.track = track;
    recall.rewrites = track.rewrites;
  }
  return recall;
}

/** The slot of an index of zero or more. */
export function slotOf({ places }: Recall, index: number): number {
  return index & (places.length - 1);
}
