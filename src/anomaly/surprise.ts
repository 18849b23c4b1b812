/** How often each level of a series came after each other. Plain data, whose size does not grow. */
export interface Transitions {
  lowest: number;
  highest: number;
  /** Level of the last value; -1 before the first. */
  last: number;
  /** `LEVELS` times `LEVELS`: from, to. */
  readonly counts: Float32Array;
  /** How often a level was left. */
  readonly left: Float32Array;
}

/** Between the least and the greatest value so far. */
const LEVELS = 8;
/** Each transition counts as seen so often before it was seen. */
const PRIOR = 0.03;

export function transitions(): Transitions {
  return {
    lowest: Number.POSITIVE_INFINITY,
    highest: Number.NEGATIVE_INFINITY,
    last: -1,
    counts: new Float32Array(LEVELS * LEVELS),
    left: new Float32Array(LEVELS),
  };
}

/** Minus the natural logarithm of the share of such transitions among those from the last level. 0 for the first value. */
export function surprise(known: Transitions, value: number): number {
  if (known.last < 0) return 0;
  const seen = known.counts[known.last * LEVELS + levelOf(known, value)]!;
  return -Math.log((seen + PRIOR) / (known.left[known.last]! + PRIOR * LEVELS));
}

export function learnTransition(known: Transitions, value: number): void {
  const level = levelOf(known, value);
  if (known.last >= 0) {
    known.counts[known.last * LEVELS + level]!++;
    known.left[known.last]!++;
  }
  known.last = level;
  known.lowest = Math.min(known.lowest, value);
  known.highest = Math.max(known.highest, value);
}

function levelOf({ lowest, highest }: Transitions, value: number): number {
  const width = highest - lowest;
  if (!(width > 0)) return 0;
  return Math.max(0, Math.min(LEVELS - 1, Math.floor(((value - lowest) / width) * LEVELS)));
}
