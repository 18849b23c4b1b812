/**
 * The quantile of `count` ascending values by linear interpolation between order statistics (R's type 7).
 * @returns NaN where there are no values.
 */
export function quantileSorted(sorted: ArrayLike<number>, count: number, q: number): number {
  if (count === 0) return Number.NaN;
  const at = Math.min(1, Math.max(0, q)) * (count - 1);
  const low = Math.floor(at);
  const below = sorted[low]!;
  const above = sorted[Math.min(low + 1, count - 1)]!;
  return below === above ? below : below + (at - low) * (above - below);
}

/** The finite values in ascending order. */
function sortedFinite(values: Float64Array): Float64Array {
  const kept = values.filter(Number.isFinite);
  return kept.sort();
}

/** The quantile of the finite values; NaN where there are none. */
export function quantile(values: Float64Array, q: number): number {
  const sorted = sortedFinite(values);
  return quantileSorted(sorted, sorted.length, q);
}

/**
 * The value that has rank `k` (from 0) among the first `count`, none of them NaN (Hoare's selection, O(count)). Reorders
 * them: those before `k` are no larger.
 * @returns NaN where there is none of that rank.
 */
export function selectInPlace(values: Float64Array, count: number, k: number): number {
  if (!(k >= 0 && k < count)) return Number.NaN;
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const pivot = values[(low + high) >>> 1]!;
    let i = low;
    let j = high;
    while (i <= j) {
      while (values[i]! < pivot) i++;
      while (values[j]! > pivot) j--;
      if (i > j) break;
      const held = values[i]!;
      values[i++] = values[j]!;
      values[j--] = held;
    }
    if (k <= j) high = j;
    else if (k >= i) low = i;
    else break;
  }
  return values[k]!;
}

/** The last `capacity` values, kept both in order of arrival and sorted. Plain data. */
export interface SortedWindow {
  readonly ring: Float64Array;
  readonly sorted: Float64Array;
  /** How many values there are, and how many ever came. */
  count: number;
  seen: number;
}

export function sortedWindow(capacity: number): SortedWindow {
  return { ring: new Float64Array(capacity), sorted: new Float64Array(capacity), count: 0, seen: 0 };
}

/** Takes one finite value in; the oldest leaves once the window is full. O(capacity) moves, no comparison sort. */
export function appendSorted(window: SortedWindow, value: number): void {
  const { ring, sorted } = window;
  const slot = window.seen % ring.length;
  if (window.count === ring.length) {
    const leaving = placeOf(sorted, window.count, ring[slot]!);
    sorted.copyWithin(leaving, leaving + 1, window.count);
    window.count--;
  }
  const place = placeOf(sorted, window.count, value);
  sorted.copyWithin(place + 1, place, window.count);
  sorted[place] = value;
  ring[slot] = value;
  window.count++;
  window.seen++;
}

function placeOf(sorted: Float64Array, count: number, value: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
