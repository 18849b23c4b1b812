import type { Run } from '../windows.ts';
import type { RangeFunction, RowTarget, RunFunction, Window, WindowLayout, Windows } from './definition.ts';
import { anchoredStart, extendedIncrease } from './extended.ts';

/*
 * Here over a window with `anchored` or `smoothed`; a plain one is extrapolated, at all steps of a series in one go.
 */

/** Per second, corrected for counter resets. */
export const rate: RangeFunction = (window, out, at) => extendedIncrease(window, out, at, true, true);
export const increase: RangeFunction = (window, out, at) => extendedIncrease(window, out, at, true, false);
/** For gauges: a fall is a fall. */
export const delta: RangeFunction = (window, out, at) => extendedIncrease(window, out, at, false, false);

export const rateOverRun: RunFunction = (run, windows, target) => extrapolated(run, windows, target, true, true);
export const increaseOverRun: RunFunction = (run, windows, target) => extrapolated(run, windows, target, true, false);
export const deltaOverRun: RunFunction = (run, windows, target) => extrapolated(run, windows, target, false, false);

const NO_RESETS: readonly number[] = [];

/**
 * The change between the first and the last sample, extended to the window's ends where the samples come near them
 * (within 1.1 times their mean distance), else by half a distance. A counter is not extended below zero.
 */
function extrapolated(
  run: Run,
  windows: Windows,
  { values: out, present, at }: RowTarget,
  counter: boolean,
  perSecond: boolean,
): number {
  const { values } = run;
  const resetAt = counter && run.ascends !== true ? resetsOf(run) : NO_RESETS;
  const layout = layoutOf(run, windows);
  const { firsts, lasts, found } = layout;
  const usual = perSecond ? layout.factorsPerSecond : layout.factors;
  const unitSeconds = perSecond ? windows.rangeMs / 1000 : 1;
  if (resetAt.length === 0 && found === firsts.length) {
    present.fill(1, at, at + found);
    if (extendAll(values, layout, usual, out, at) && counter) {
      for (let step = 0; step < firsts.length; step++) {
        const first = values[firsts[step]!]!;
        const change = values[lasts[step]!]! - first;
        if (mayCrossZero(layout, step, first, change)) {
          out[at + step] = change * factorFromZero(layout, step, first / change, usual, unitSeconds);
        }
      }
    }
    return found;
  }
  let nextReset = 0;
  for (let step = 0; step < firsts.length; step++) {
    const from = firsts[step]!;
    if (from < 0) {
      present[at + step] = 0;
      continue;
    }
    const last = lasts[step]!;
    const first = values[from]!;
    let change = values[last]! - first;
    while (nextReset < resetAt.length && resetAt[nextReset]! <= from) nextReset++;
    for (let i = nextReset; i < resetAt.length && resetAt[i]! <= last; i++) change += values[resetAt[i]! - 1]!;
    const crosses = counter && mayCrossZero(layout, step, first, change);
    out[at + step] =
      change * (crosses ? factorFromZero(layout, step, first / change, usual, unitSeconds) : usual[step]!);
    present[at + step] = 1;
  }
  return found;
}

/**
 * The changes of a run without resets whose windows all have two samples, as most are: in a loop without branches.
 * Returns whether any may have to be less, since a counter is not extended below zero.
 */
function extendAll(
  values: Float64Array,
  layout: WindowLayout,
  by: Float64Array,
  out: Float64Array,
  at: number,
): boolean {
  const { firsts, lasts } = layout;
  const steps = firsts.length;
  let nearest = layout.reaches ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  for (let step = 0; step < steps; step++) {
    const first = values[firsts[step]!]!;
    const change = values[lasts[step]!]! - first;
    nearest = Math.min(nearest, first - change);
    out[at + step] = change * by[step]!;
  }
  return !(nearest >= 0);
}

/** Where it begins with its change or more, zero lies as far back as the samples reach, or further. */
function mayCrossZero({ toStart, sampled }: WindowLayout, step: number, first: number, change: number): boolean {
  return change > 0 && first >= 0 && (first < change || toStart[step]! > sampled[step]!);
}

function factorFromZero(
  { sampled, toStart, toEnd }: WindowLayout,
  step: number,
  ratio: number,
  usual: Float64Array,
  unitSeconds: number,
): number {
  const toZero = sampled[step]! * ratio;
  if (!(toZero < toStart[step]!)) return usual[step]!;
  return (sampled[step]! + toZero + toEnd[step]!) / sampled[step]! / unitSeconds;
}

/** The series of one scrape have the same times: then the windows are looked for once. */
function layoutOf(run: Run, windows: Windows): WindowLayout {
  const known = windows.layout;
  if (known !== undefined && known.times === run.times && known.from === run.from && known.to === run.to) return known;
  windows.layout = known ?? emptyLayout(windows.ends.length);
  fillLayout(windows.layout, run, windows);
  return windows.layout;
}

function emptyLayout(steps: number): WindowLayout {
  return {
    ...{ times: new Float64Array(), from: 0, to: 0, found: 0, reaches: false },
    ...{ firsts: new Int32Array(steps), lasts: new Int32Array(steps), sampled: new Float64Array(steps) },
    ...{ toStart: new Float64Array(steps), toEnd: new Float64Array(steps) },
    ...{ factors: new Float64Array(steps), factorsPerSecond: new Float64Array(steps) },
  };
}

function fillLayout(layout: WindowLayout, run: Run, { ends, rangeMs }: Windows): void {
  const { times } = run;
  layout.times = times;
  layout.from = run.from;
  layout.to = run.to;
  layout.found = 0;
  layout.reaches = false;
  const rangeSeconds = rangeMs / 1000;
  let { from, from: to } = run;
  for (let step = 0; step < ends.length; step++) {
    const end = ends[step]!;
    const start = end - rangeMs;
    while (to < run.to && times[to]! <= end) to++;
    while (from < to && times[from]! <= start) from++;
    if (to - from < 2) {
      layout.firsts[step] = -1;
      continue;
    }
    const last = to - 1;
    let toStart = (times[from]! - start) / 1000;
    let toEnd = (end - times[last]!) / 1000;
    const sampled = (times[last]! - times[from]!) / 1000;
    const distance = sampled / (last - from);
    const threshold = distance * 1.1;
    if (toStart >= threshold) toStart = distance / 2;
    if (toEnd >= threshold) toEnd = distance / 2;
    const factor = (sampled + toStart + toEnd) / sampled;
    layout.firsts[step] = from;
    layout.lasts[step] = last;
    layout.sampled[step] = sampled;
    layout.toStart[step] = toStart;
    layout.toEnd[step] = toEnd;
    layout.factors[step] = factor;
    layout.factorsPerSecond[step] = factor / rangeSeconds;
    if (toStart > sampled) layout.reaches = true;
    layout.found++;
  }
}

/** The change of samples in (start, end], of which there are two at least, extended as `extrapolated` does it. */
export function extrapolatedChange(of: {
  readonly change: number;
  readonly counter: boolean;
  readonly samples: number;
  readonly first: number;
  readonly firstTime: number;
  readonly lastTime: number;
  readonly start: number;
  readonly end: number;
}): number {
  const { change, counter, samples, first, firstTime, lastTime, start, end } = of;
  const sampled = (lastTime - firstTime) / 1000;
  const distance = sampled / (samples - 1);
  let toStart = (firstTime - start) / 1000;
  let toEnd = (end - lastTime) / 1000;
  const threshold = distance * 1.1;
  if (toStart >= threshold) toStart = distance / 2;
  if (counter && change > 0 && first >= 0) toStart = Math.min(toStart, sampled * (first / change));
  if (toEnd >= threshold) toEnd = distance / 2;
  // Points that begin before the window, where that is asked for.
  return change * ((sampled + Math.max(0, toStart) + toEnd) / sampled);
}

/** Where a counter is below its value before. Most never are inside of a query. */
function resetsOf({ values, from, to }: Run): readonly number[] {
  const found: number[] = [];
  for (let i = from + 1; i < to; i++) if (values[i]! < values[i - 1]!) found.push(i);
  return found;
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
