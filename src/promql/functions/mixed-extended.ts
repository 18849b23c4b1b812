import { type HistogramValue, hasCustomBuckets } from '../../model/histogram-value.ts';
import { isReset } from '../histograms/resets.ts';
import { compacted, divided, multiplied, withHint } from '../histograms/scale.ts';
import type { MixedContext, MixedWindow } from './definition.ts';
import { endsOf } from './extended.ts';
import { minus, plus, warnBuckets, warnNotCounter, warnNotGauge } from './mixed-windows.ts';

/** The increase of a window's histograms, anchored or smoothed: as `extended.ts` has it for floats. */
export function extendedHistogramIncrease(
  window: MixedWindow,
  { counter, perSecond }: { readonly counter: boolean; readonly perSecond: boolean },
  context: MixedContext,
): HistogramValue | undefined {
  const { times, from, start, end } = window;
  const all = window.histograms as readonly HistogramValue[];
  const ends = endsOf(window);
  if (ends === undefined) return undefined;
  const { first, last, smoothed } = ends;
  const custom = hasCustomBuckets(all[first]!);
  for (let i = first; i <= last; i++) {
    if (hasCustomBuckets(all[i]!) !== custom) return warnBuckets(context);
    if (counter && all[i]!.hint === 'gauge') warnNotCounter(context);
  }
  const at = (i: number, time: number): HistogramValue | undefined =>
    interpolated({ times, histograms: all }, i, time, { counter, context });
  const left = smoothed && times[first]! < start ? at(first, start) : all[first]!;
  const right = smoothed && last > from && times[last]! > end ? at(last - 1, end) : all[last]!;
  if (left === undefined || right === undefined) return undefined;
  if (!counter && (left.hint !== 'gauge' || right.hint !== 'gauge')) warnNotGauge(context);
  let change = minus(right, left, context);
  if (counter && change !== undefined) {
    const correction = lostInResets(window, { first, last, left, right }, context);
    if (correction === 'unfit') return undefined;
    if (correction !== undefined) change = plus(change, correction, context);
  }
  if (change === undefined) return undefined;
  if (perSecond) change = divided(change, (end - start) / 1000);
  return compacted(withHint(change, 'gauge'));
}

/** Histograms at times, the columns of a run. */
interface Columns {
  readonly times: Float64Array;
  readonly histograms: readonly (HistogramValue | undefined)[];
}

/** Between histogram `i` and the next by a straight line. A counter that began anew did so from nothing. */
export function interpolated(
  { times, histograms }: Columns,
  i: number,
  time: number,
  { counter, context }: { readonly counter: boolean; readonly context: MixedContext },
): HistogramValue | undefined {
  const before = histograms[i]!;
  const after = histograms[i + 1]!;
  if (time === times[i]) return before;
  if (time === times[i + 1]) return after;
  const share = (time - times[i]!) / (times[i + 1]! - times[i]!);
  if (counter && isReset(after, before)) return multiplied(after, share);
  const change = minus(after, before, context);
  return change && plus(multiplied(change, share), before, context);
}

/** What was counted before each reset between both ends, or undefined if there is none. */
function lostInResets(
  { times, histograms, start, modifier }: MixedWindow,
  ends: {
    readonly first: number;
    readonly last: number;
    readonly left: HistogramValue;
    readonly right: HistogramValue;
  },
  context: MixedContext,
): HistogramValue | 'unfit' | undefined {
  const { first, last, left, right } = ends;
  let from = first + 1;
  let previous = left;
  const cut = modifier === 'smoothed' && times[first]! < start;
  if (cut && isReset(histograms[first + 1]!, histograms[first]!)) {
    // The left end lies in this reset already.
    previous = histograms[first + 1]!;
    from++;
  }
  if (from > last) return undefined;
  let lost: HistogramValue | undefined;
  const add = (histogram: HistogramValue): boolean => {
    lost = lost === undefined ? histogram : plus(lost, histogram, context);
    return lost !== undefined;
  };
  for (let i = from; i < last; i++) {
    if (isReset(histograms[i]!, previous) && !add(previous)) return 'unfit';
    previous = histograms[i]!;
  }
  if (isReset(right, previous) && !add(previous)) return 'unfit';
  return lost;
}
