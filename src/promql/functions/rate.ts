import type { RangeFunction, Window } from './definition.ts';
import { anchoredStart, extendedIncrease } from './extended.ts';

/** Per second, corrected for counter resets. */
export const rate: RangeFunction = (window, out, at) => extrapolated(window, out, at, true, true);
export const increase: RangeFunction = (window, out, at) => extrapolated(window, out, at, true, false);
/** For gauges: a fall is a fall. */
export const delta: RangeFunction = (window, out, at) => extrapolated(window, out, at, false, false);

/**
 * The change between the first and the last sample, extended to the window's ends where the samples come near them
 * (within 1.1 times their mean distance), else by half a distance. A counter is not extended below zero.
 */
function extrapolated(window: Window, out: Float64Array, at: number, counter: boolean, perSecond: boolean): boolean {
  const { times, values, from, to, start, end } = window;
  if (window.modifier !== undefined) return extendedIncrease(window, out, at, counter, perSecond);
  if (to - from < 2) return false;
  const last = to - 1;
  const firstValue = values[from]!;
  let change = values[last]! - firstValue;
  if (counter) window.rises ??= risesThroughout(values);
  if (counter && !window.rises) {
    let previous = firstValue;
    for (let i = from + 1; i < to; i++) {
      const value = values[i]!;
      if (value < previous) change += previous;
      previous = value;
    }
  }
  let toStart = (times[from]! - start) / 1000;
  let toEnd = (end - times[last]!) / 1000;
  const sampled = (times[last]! - times[from]!) / 1000;
  const distance = sampled / (last - from);
  const threshold = distance * 1.1;
  if (toStart >= threshold) toStart = distance / 2;
  if (counter && change > 0 && firstValue >= 0) {
    const toZero = sampled * (firstValue / change);
    if (toZero < toStart) toStart = toZero;
  }
  if (toEnd >= threshold) toEnd = distance / 2;
  let factor = (sampled + toStart + toEnd) / sampled;
  if (perSecond) factor /= (end - start) / 1000;
  out[at] = change * factor;
  return true;
}

/** Most counters never reset inside of a query, and then no window has to look for it. */
function risesThroughout(values: Float64Array): boolean {
  for (let i = 1; i < values.length; i++) if (values[i]! < values[i - 1]!) return false;
  return true;
}

export const irate: RangeFunction = (window, out, at) => lastChange(window, out, at, true);
export const idelta: RangeFunction = (window, out, at) => lastChange(window, out, at, false);

/** From the last two samples alone. */
function lastChange({ times, values, from, to }: Window, out: Float64Array, at: number, counter: boolean): boolean {
  if (to - from < 2) return false;
  const newest = values[to - 1]!;
  const previous = values[to - 2]!;
  const seconds = (times[to - 1]! - times[to - 2]!) / 1000;
  if (seconds === 0) return false;
  const change = counter && newest < previous ? newest : newest - previous;
  out[at] = counter ? change / seconds : change;
  return true;
}

export const resets: RangeFunction = (window, out, at) => count(window, out, at, (previous, value) => value < previous);

export const changes: RangeFunction = (window, out, at) =>
  count(window, out, at, (previous, value) => value !== previous && !(Number.isNaN(value) && Number.isNaN(previous)));

function count(
  window: Window,
  out: Float64Array,
  at: number,
  counts: (previous: number, value: number) => boolean,
): boolean {
  const { values, to } = window;
  const first = window.modifier === undefined ? window.from : anchoredStart(window);
  if (first === undefined || to <= first) return false;
  let found = 0;
  for (let i = first + 1; i < to; i++) if (counts(values[i - 1]!, values[i]!)) found++;
  out[at] = found;
  return true;
}
