/**
 * How rare a value is among those before it. Beyond a high quantile an exponential tail is taken: peaks over a threshold
 * (Pickands 1975; for streams Siffer et al. 2017) with shape 0. Plain data, whose size does not grow.
 */
export interface Tail {
  readonly share: number;
  readonly learning: number;
  seen: number;
  /** About the quantile `1 - share` of what was seen. */
  threshold: number;
  /** Mean of what lay above the threshold, less the threshold. */
  excess: number;
  /** The largest of late, less the threshold. It fades: what was new once is new again after a while. */
  largest: number;
  /** What came while learning; then empty. */
  first: number[];
}

const THRESHOLD_RATE = 1 / 2000;
const EXCESS_RATE = 0.005;
/** What is left of the largest from one value to the next: half after 1,200. */
const FADES = 1 - 5.6e-4;
/** The largest of n values of an exponential tail is about log(n) means: so many of those count as the least mean. */
const LARGEST_WEIGHT = 0.84;
/** A value counts as at most so many times what is known: an outlier does not stretch the tail at once. */
const MOST_TIMES = 10;

/** Powers of ten beyond which nothing is told apart. */
const MOST_RARE = 30;

/**
 * @param share Part of the values that lies above the threshold, in (0, 1).
 * @param learning Values before there is an answer.
 */
export function tailOf(share: number, learning = 60): Tail {
  return { share, learning, seen: 0, threshold: 0, excess: 0, largest: 0, first: [] };
}

/** Minus the decimal logarithm of the share of values that are as large. 0 up to the threshold, and while learning; 30 at the most. */
export function rarity(tail: Tail, value: number): number {
  const { share, seen, threshold } = tail;
  if (seen < tail.learning || !(value > threshold)) return 0;
  const least = (LARGEST_WEIGHT * tail.largest) / Math.log(seen * share + 3);
  const mean = Math.max(tail.excess, least, 1e-9 * Math.abs(threshold), Number.MIN_VALUE);
  return Math.min(MOST_RARE, (value - threshold) / mean / Math.LN10 - Math.log10(share));
}

export function learnTail(tail: Tail, value: number): void {
  tail.seen++;
  if (tail.seen <= tail.learning) {
    tail.first.push(value);
    if (tail.seen === tail.learning) begin(tail);
    return;
  }
  const known = MOST_TIMES * Math.max(tail.excess, tail.largest);
  const above = value - tail.threshold;
  const counted = known > 0 ? Math.min(above, known) : above;
  if (above > 0) tail.excess += Math.max(EXCESS_RATE, 1 / (tail.seen * tail.share)) * (counted - tail.excess);
  tail.largest = Math.max(FADES * tail.largest, counted);
  // A quantile of a stream: steps up and down whose balance is at the quantile.
  const step = 3 * Math.max(THRESHOLD_RATE, 1 / tail.seen) * (tail.excess || 0.1 * tail.largest);
  tail.threshold += above > 0 ? step * (1 - tail.share) : -step * tail.share;
}

function begin(tail: Tail): void {
  const sorted = tail.first.toSorted((a, b) => a - b);
  tail.threshold = sorted[Math.floor((1 - tail.share) * sorted.length)]!;
  const above = sorted.filter((value) => value > tail.threshold);
  tail.largest = sorted.at(-1)! - tail.threshold;
  const median = sorted[sorted.length >> 1]!;
  tail.excess =
    above.length > 0
      ? above.reduce((sum, value) => sum + value - tail.threshold, 0) / above.length
      : sorted.reduce((sum, value) => sum + Math.abs(value - median), 0) / sorted.length;
  tail.first = [];
}
