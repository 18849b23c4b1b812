import type { Window } from './definition.ts';

/*
 * Prometheus's experimental `anchored` and `smoothed` ranges. The window also holds samples up to one lookback before
 * its start and, smoothed, after its end. Anchored takes the last sample at or before the start as the value there;
 * smoothed interpolates at both ends.
 */

/** The increase between the window's ends, without extrapolation. */
export function extendedIncrease(
  window: Window,
  out: Float64Array,
  at: number,
  counter: boolean,
  perSecond: boolean,
): boolean {
  const ends = edges(window, counter);
  if (ends === undefined) return false;
  const { left, right, first, last } = ends;
  const { values, start, end } = window;
  let change = right - left;
  if (counter) {
    let previous = left;
    for (let i = first; i <= last; i++) {
      if (values[i]! < previous) change += previous;
      previous = values[i]!;
    }
    if (right < previous) change += previous;
  }
  out[at] = perSecond ? change / ((end - start) / 1000) : change;
  return true;
}

/** A range vector's samples with the values at both ends in place of those outside. */
export function extendedSamples(
  window: Window,
): { readonly times: Float64Array; readonly values: Float64Array } | undefined {
  const ends = edges(window, false);
  if (ends === undefined) return undefined;
  const { left, right, first, last } = ends;
  const inner = Math.max(0, last - first + 1);
  const times = new Float64Array(inner + 2);
  const values = new Float64Array(inner + 2);
  times.set(window.times.subarray(first, first + inner), 1);
  values.set(window.values.subarray(first, first + inner), 1);
  times[0] = window.start;
  values[0] = left;
  times[inner + 1] = window.end;
  values[inner + 1] = right;
  return { times, values };
}

/** The newest sample at or before the window's start, or else the first one. Undefined if none follows the start. */
export function anchoredStart({ times, from, to, start }: Window): number | undefined {
  if (to === from || times[to - 1]! <= start) return undefined;
  let first = from;
  while (first + 1 < to && times[first + 1]! <= start) first++;
  return first;
}

/**
 * The samples that a window's ends are taken from, anchored or smoothed: the last one at its start or before, or else the
 * first, and the last in it, or smoothed the first behind its end. Undefined where none of it is in the window.
 */
export function endsOf({
  times,
  from,
  to,
  start,
  end,
  modifier,
}: Pick<Window, 'times' | 'from' | 'to' | 'start' | 'end' | 'modifier'>) {
  const smoothed = modifier === 'smoothed';
  let last = to - 1;
  let first = from;
  while (first + 1 < last && times[first + 1]! <= start) first++;
  if (smoothed) {
    let next = from;
    while (next < to - 1 && times[next]! < end) next++;
    last = next;
  }
  if (times[last]! <= start || (smoothed && times[first]! > end)) return undefined;
  return { first, last, smoothed };
}

/** The values at both ends, and the first and the last sample strictly between them. */
function edges(window: Window, counter: boolean) {
  const { times, values, from, to, start, end } = window;
  const ends = to === from ? undefined : endsOf(window);
  if (ends === undefined) return undefined;
  const { smoothed } = ends;
  let { first, last } = ends;
  const left = smoothed && times[first]! < start ? interpolate(window, first, start, counter) : values[first]!;
  const right =
    smoothed && last > from && times[last]! > end ? interpolate(window, last - 1, end, counter) : values[last]!;
  if (times[first]! <= start) first++;
  if (times[last]! >= end) last--;
  return { left, right, first, last };
}

/** Between sample `i` and the next at time `t`. A counter that fell is taken to have restarted from zero. */
function interpolate({ times, values }: Window, i: number, t: number, counter: boolean): number {
  const before = counter && values[i + 1]! < values[i]! ? 0 : values[i]!;
  return before + ((values[i + 1]! - before) * (t - times[i]!)) / (times[i + 1]! - times[i]!);
}
