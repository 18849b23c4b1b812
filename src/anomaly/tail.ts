import type { Memory } from './memory.ts';

/**
 * How rare a value is among those before it. Beyond a high quantile an exponential tail is taken: peaks over a threshold
 * (Pickands 1975; for streams Siffer et al. 2017) with shape 0. Values are 0 or more.
 */
export interface Tail {
  /** Its place among the numbers. */
  readonly at: number;
  /** Part of the values that lies above the threshold, in (0, 1). */
  readonly share: number;
  /** Values before there is an answer: at most `TOP / share`. */
  readonly learning: number;
}

/** Numbers of a tail. */
export const TAIL_NUMBERS = 8;
const SEEN = 0;
/** About the quantile `1 - share` of what was seen; while learning the mean. */
const THRESHOLD = 1;
/** Mean of what lay above the threshold, less the threshold; while learning the mean distance from the mean. */
const EXCESS = 2;
/** The largest of late, less the threshold. It fades: what was new once is new again after a while. */
const LARGEST = 3;
/** The largest while learning, in falling order. */
const FIRST_TOP = 4;
const TOP = 4;

const THRESHOLD_RATE = 1 / 2000;
const EXCESS_RATE = 0.005;
/** What is left of the largest from one value to the next: half after 1,200. */
const FADES = 1 - 7.1e-4;
/** The largest of n values of an exponential tail is about log(n) means: so many of those count as the least mean. */
const LARGEST_WEIGHT = 1.0;
/** A value counts as at most so many times what is known: an outlier does not stretch the tail at once. */
const MOST_TIMES = 12.0;

/** Powers of ten beyond which nothing is told apart. */
const MOST_RARE = 30;

/** Minus the decimal logarithm of the share of values that are as large. 0 up to the threshold, and while learning; 30 at the most. */
export function rarity({ numbers }: Memory, { at, share, learning }: Tail, value: number): number {
  const seen = numbers[at + SEEN]!;
  const threshold = numbers[at + THRESHOLD]!;
  if (seen < learning || !(value > threshold)) return 0;
  const least = (LARGEST_WEIGHT * numbers[at + LARGEST]!) / Math.log(seen * share + 3);
  const mean = Math.max(numbers[at + EXCESS]!, least, 1e-9 * threshold, Number.MIN_VALUE);
  return Math.min(MOST_RARE, (value - threshold) / mean / Math.LN10 - Math.log10(share));
}

/** The value that is so rare: the other way round, from the threshold on. */
export function valueAt({ numbers }: Memory, { at, share }: Tail, rare: number): number {
  const least = numbers[at + LARGEST]! / Math.log(numbers[at + SEEN]! + 3);
  const mean = Math.max(numbers[at + EXCESS]!, least);
  return numbers[at + THRESHOLD]! + Math.max(0, rare + Math.log10(share)) * Math.LN10 * mean;
}

export function learnTail({ numbers }: Memory, tail: Tail, value: number): void {
  const { at, share, learning } = tail;
  const seen = ++numbers[at + SEEN]!;
  if (seen <= learning) {
    learnFirst(numbers, at, value);
    if (seen === learning) begin(numbers, tail);
    return;
  }
  const excess = numbers[at + EXCESS]!;
  const largest = numbers[at + LARGEST]!;
  const known = MOST_TIMES * Math.max(excess, largest);
  const above = value - numbers[at + THRESHOLD]!;
  const counted = known > 0 ? Math.min(above, known) : above;
  if (above > 0) numbers[at + EXCESS] = excess + Math.max(EXCESS_RATE, 1 / (seen * share)) * (counted - excess);
  numbers[at + LARGEST] = Math.max(FADES * largest, counted);
  // A quantile of a stream: steps up and down whose balance is at the quantile.
  const step = 3 * Math.max(THRESHOLD_RATE, 1 / seen) * (numbers[at + EXCESS]! || 0.1 * numbers[at + LARGEST]!);
  numbers[at + THRESHOLD]! += above > 0 ? step * (1 - share) : -step * share;
}

function learnFirst(numbers: Float64Array, at: number, value: number): void {
  const rate = 1 / numbers[at + SEEN]!;
  numbers[at + THRESHOLD]! += rate * (value - numbers[at + THRESHOLD]!);
  numbers[at + EXCESS]! += rate * (Math.abs(value - numbers[at + THRESHOLD]!) - numbers[at + EXCESS]!);
  let moved = value;
  for (let rank = at + FIRST_TOP; rank < at + FIRST_TOP + TOP; rank++) {
    const held = numbers[rank]!;
    if (!(moved > held)) continue;
    numbers[rank] = moved;
    moved = held;
  }
}

function begin(numbers: Float64Array, { at, share, learning }: Tail): void {
  const top = at + FIRST_TOP;
  const threshold = numbers[top + Math.min(TOP, learning - Math.floor((1 - share) * learning)) - 1]!;
  let above = 0;
  let sum = 0;
  for (let rank = top; numbers[rank]! > threshold; rank++) {
    above++;
    sum += numbers[rank]! - threshold;
  }
  numbers[at + THRESHOLD] = threshold;
  numbers[at + LARGEST] = numbers[top]! - threshold;
  if (above > 0) numbers[at + EXCESS] = sum / above;
}
