import { type Room, roomOf } from './together.ts';

/**
 * A distribution whose old values fade: weights in bins that are even around zero and grow with distance beyond, as the
 * inverse hyperbolic sine does. A kilobyte or less, whatever the number of values. Plain data.
 */
export interface FadingQuantiles {
  /** Weights by bin, from `first` on: several distributions share an array, of which each costs as much as a hundred bytes. */
  readonly counts: Float32Array;
  readonly first: number;
  /** From `number` on as `UNIT`, `WEIGHT`, `TOTAL`, `SQUARES` and `KEPT` say: a number that changes costs less in an array. */
  readonly numbers: Float64Array;
  readonly number: number;
  seen: number;
  /** Bins outside of these are empty. */
  lowest: number;
  highest: number;
}

/** Value at which the bins turn from even to proportional; 0 until a value other than zero came. */
export const UNIT = 0;
/** The next value's weight: it grows instead of all others shrinking. */
export const WEIGHT = 1;
/** Sums of weights and of their squares. */
export const TOTAL = 2;
export const SQUARES = 3;
/** What is left of a value's weight when the next one comes. */
const KEPT = 4;
const NUMBERS = 5;

/** Bins to either side of the central one. */
const HALF = 64;
export const FADING_BINS = 2 * HALF + 1;
/** Width of a bin: a seventh of the unit near zero, a seventh of the value far out. */
const STEP = 0.15;
/** Bin b reaches from `EDGES[b]` to `EDGES[b + 1]`, in units: 8,000 at the ends. */
const EDGES = Float64Array.from({ length: FADING_BINS + 1 }, (_, b) => Math.sinh(STEP * (b - HALF - 0.5)));
const REACH = EDGES[FADING_BINS]!;
/** The middle nine tenths should be this many units wide: about 28 bins. */
const UNITS_WIDE = 8;
/** Weights are scaled back before single precision would lose a value among them. */
const MOST_WEIGHT = 1e6;

/** @param memory Values after which a value counts little more than a third. */
export function fadingQuantiles(memory: number): FadingQuantiles {
  return fadingTogether(memory, 1, roomOf(fadingBytes(1)))[0]!;
}

/** Room that so many distributions take. */
export function fadingBytes(count: number): number {
  return count * (4 * (FADING_BINS + 1) + 8 * NUMBERS);
}

/** So many distributions of the same memory. */
export function fadingTogether(memory: number, count: number, room: Room): readonly FadingQuantiles[] {
  const counts = room.singles(count * FADING_BINS);
  const numbers = room.doubles(count * NUMBERS);
  return Array.from({ length: count }, (_, i) => {
    numbers[i * NUMBERS + WEIGHT] = 1;
    numbers[i * NUMBERS + KEPT] = Math.exp(-1 / memory);
    return { counts, first: i * FADING_BINS, numbers, number: i * NUMBERS, seen: 0, lowest: HALF, highest: HALF };
  });
}

/** Larger values count as this, so that the bins around them have ends. */
const MOST_SIZE = 1e304;

/** Takes one value in. NaN counts as zero: of what cannot be said, nothing is learnt. */
export function appendFading(distribution: FadingQuantiles, given: number): void {
  const { counts, first, numbers, number } = distribution;
  const value = given > MOST_SIZE ? MOST_SIZE : given < -MOST_SIZE ? -MOST_SIZE : given || 0;
  const size = value < 0 ? -value : value;
  if (numbers[number + UNIT] === 0) {
    if (size > 0) numbers[number + UNIT] = size / (UNITS_WIDE / 2);
  } else if (size > numbers[number + UNIT]! * REACH) rebin(distribution, size / (REACH / 2));
  const weight = numbers[number + WEIGHT]!;
  const bin = Math.floor(placeOf(value, numbers[number + UNIT]!));
  const before = counts[first + bin]!;
  counts[first + bin] = before + weight;
  numbers[number + TOTAL] = numbers[number + TOTAL]! + (counts[first + bin]! - before);
  numbers[number + SQUARES] = numbers[number + SQUARES]! + weight * weight;
  if (bin < distribution.lowest) distribution.lowest = bin;
  if (bin > distribution.highest) distribution.highest = bin;
  numbers[number + WEIGHT] = weight / numbers[number + KEPT]!;
  if (numbers[number + WEIGHT]! > MOST_WEIGHT) scaleBack(distribution);
  const seen = ++distribution.seen;
  // Often at first, while the unit is a guess, and then now and then.
  if (seen % 256 === 0 || (seen >= 8 && (seen & (seen - 1)) === 0)) fitUnit(distribution);
}

/** How many equally weighted values would be as certain as these. */
export function effectiveCount({ numbers, number }: FadingQuantiles): number {
  const total = numbers[number + TOTAL]!;
  const squares = numbers[number + SQUARES]!;
  return squares > 0 ? (total * total) / squares : 0;
}

/**
 * The value that has the share `beyond` (0 to 1) of all weight above it, or where `upper` is false below it.
 * @returns NaN where there are no values.
 */
export function fadingQuantile(distribution: FadingQuantiles, beyond: number, upper: boolean): number {
  const { counts, first, lowest, highest, numbers, number } = distribution;
  const unit = numbers[number + UNIT]!;
  const total = numbers[number + TOTAL]!;
  if (total === 0) return Number.NaN;
  let rest = beyond * total;
  if (upper) {
    let bin = highest;
    while (bin > lowest && counts[first + bin]! < rest) rest -= counts[first + bin--]!;
    const there = counts[first + bin]!;
    const share = there > 0 ? Math.min(1, rest / there) : 0;
    return unit * (EDGES[bin + 1]! - share * (EDGES[bin + 1]! - EDGES[bin]!));
  }
  let bin = lowest;
  while (bin < highest && counts[first + bin]! < rest) rest -= counts[first + bin++]!;
  const there = counts[first + bin]!;
  const share = there > 0 ? Math.min(1, rest / there) : 0;
  return unit * (EDGES[bin]! + share * (EDGES[bin + 1]! - EDGES[bin]!));
}

/** Where a value lies among the bins, their numbers being their lower ends. */
function placeOf(value: number, unit: number): number {
  if (unit === 0) return HALF;
  const size = Math.abs(value) / unit;
  const far = Math.log(size + Math.sqrt(size * size + 1)) / STEP;
  const place = HALF + 0.5 + (value < 0 ? -far : far);
  return place < 0 ? 0 : place < FADING_BINS ? place : FADING_BINS - 1;
}

/** Follows the values' spread: bins that are far too wide hide the quantiles, far too narrow ones have no reach. */
function fitUnit(distribution: FadingQuantiles): void {
  const { numbers, number, lowest, highest } = distribution;
  const unit = numbers[number + UNIT]!;
  const width = fadingQuantile(distribution, 0.05, true) - fadingQuantile(distribution, 0.05, false);
  const extent = unit * Math.max(-EDGES[lowest]!, EDGES[highest + 1]!);
  const wanted = Math.max(width / UNITS_WIDE, extent / (REACH / 2));
  if (wanted > 0 && (wanted < unit / 2 || wanted > 4 * unit)) rebin(distribution, wanted);
}

/** Moves all weights to bins of another unit, each bin's spread evenly over where it was. */
function rebin(distribution: FadingQuantiles, unit: number): void {
  const { lowest, highest, first: from, numbers, number } = distribution;
  const counts = distribution.counts.subarray(from, from + FADING_BINS);
  const old = counts.slice();
  const oldUnit = numbers[number + UNIT]!;
  counts.fill(0);
  let total = 0;
  let first = FADING_BINS - 1;
  let last = 0;
  for (let b = lowest; b <= highest; b++) {
    const weight = old[b]!;
    if (weight === 0) continue;
    const start = placeOf(oldUnit * EDGES[b]!, unit);
    const end = placeOf(oldUnit * EDGES[b + 1]!, unit);
    const low = Math.floor(start);
    const high = Math.floor(end);
    for (let bin = low; bin <= high; bin++) {
      const inside = high === low ? 1 : (Math.min(end, bin + 1) - Math.max(start, bin)) / (end - start);
      counts[bin] = counts[bin]! + weight * inside;
    }
    first = Math.min(first, low);
    last = Math.max(last, high);
  }
  for (let b = first; b <= last; b++) total += counts[b]!;
  numbers[number + UNIT] = unit;
  numbers[number + TOTAL] = total;
  distribution.lowest = first;
  distribution.highest = last;
}

function scaleBack({ counts, first, numbers, number }: FadingQuantiles): void {
  const weight = numbers[number + WEIGHT]!;
  let total = 0;
  for (let b = first; b < first + FADING_BINS; b++) {
    counts[b] = counts[b]! / weight;
    total += counts[b]!;
  }
  numbers[number + SQUARES] = numbers[number + SQUARES]! / (weight * weight);
  numbers[number + TOTAL] = total;
  numbers[number + WEIGHT] = 1;
}
