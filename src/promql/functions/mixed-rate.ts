import { type HistogramValue, hasCustomBuckets, NO_BUCKETS } from '../../model/histogram-value.ts';
import { isReset } from '../histograms/resets.ts';
import { atSchema } from '../histograms/resolution.ts';
import { compacted, divided, multiplied, withHint } from '../histograms/scale.ts';
import type { MixedContext, MixedFunction, MixedWindow } from './definition.ts';
import { extendedIncrease } from './extended.ts';
import { extendedHistogramIncrease } from './mixed-extended.ts';
import { minus, plus, warnBuckets, warnMixed, warnNotCounter, warnNotGauge } from './mixed-windows.ts';
import { isStartReset, startsOverlap } from './starts.ts';

/*
 * Rates of windows whose samples may be histograms, or have starts. As `rate.ts`, window by window.
 */

interface RateKind {
  readonly counter: boolean;
  readonly perSecond: boolean;
}

export function mixedRate(kind: RateKind): MixedFunction {
  return (window, context) => {
    const { from, to, histogramCount, modifier } = window;
    if (histogramCount > 0 && histogramCount < to - from) return warnMixed(context);
    if (modifier === undefined) return extrapolated(window, kind, context);
    if (histogramCount > 0) return extendedHistogramIncrease(window, kind, context);
    const out = new Float64Array(1);
    return extendedIncrease(window, out, 0, kind.counter, kind.perSecond) ? out[0]! : undefined;
  };
}

function extrapolated(
  window: MixedWindow,
  { counter, perSecond }: RateKind,
  context: MixedContext,
): number | HistogramValue | undefined {
  const { times, values, histograms, starts, from, to, start, end } = window;
  const ofHistograms = window.histogramCount > 0;
  const intervals = to - from - 1;
  let change: number | HistogramValue | undefined = ofHistograms ? undefined : floatChange(window, counter, context);
  if (ofHistograms && intervals > 0) {
    change = histogramChange(window, counter, context);
    if (change === undefined) return undefined;
  }
  const firstTime = times[from]!;
  const lastTime = times[to - 1]!;
  let toStart = (firstTime - start) / 1000;
  let toEnd = (end - lastTime) / 1000;
  let sampled = (lastTime - firstTime) / 1000;
  const distance = intervals > 0 ? sampled / intervals : 0;
  const threshold = distance * 1.1;
  const began = counter ? (starts?.[from] ?? 0) : 0;
  if (began !== 0 && began > start && began < firstTime) {
    // Counting began inside of the window: from zero, at a time that is known.
    toStart = 0;
    sampled = (lastTime - began) / 1000;
    const first = histograms[from];
    if (first === undefined) change = (change as number) + values[from]!;
    else change = change === undefined ? first : plus(change as HistogramValue, first, context);
    if (change === undefined) return undefined;
  } else if (intervals === 0) {
    return undefined;
  } else {
    if (toStart >= threshold) toStart = distance / 2;
    if (counter) {
      const total = typeof change === 'number' ? change : change!.count;
      const first = histograms[from]?.count ?? values[from]!;
      if (total > 0 && first >= 0) toStart = Math.min(toStart, sampled * (first / total));
    }
  }
  if (toEnd >= threshold) toEnd = distance / 2;
  let factor = sampled === 0 ? 1 : (sampled + toStart + toEnd) / sampled;
  if (perSecond) factor /= (end - start) / 1000;
  return typeof change === 'number' ? change * factor : multiplied(change!, factor);
}

function floatChange(window: MixedWindow, counter: boolean, context: MixedContext): number {
  const { values, from, to } = window;
  let change = values[to - 1]! - values[from]!;
  if (!counter) return change;
  tellOverlap(window, context);
  for (let i = from + 1; i < to; i++) {
    if (values[i]! < values[i - 1]! || restarted(window, i)) change += values[i - 1]!;
  }
  return change;
}

function histogramChange(window: MixedWindow, counter: boolean, context: MixedContext): HistogramValue | undefined {
  const { histograms, from, to } = window;
  const all = histograms.slice(from, to) as HistogramValue[];
  const first = all[0]!;
  const last = all.at(-1)!;
  if (counter) {
    if (first.hint === 'gauge' || last.hint === 'gauge') warnNotCounter(context);
    return counterChange(window, all, context);
  }
  if (hasCustomBuckets(first) !== hasCustomBuckets(last)) return warnBuckets(context);
  const change = minus(atSchema(last, Math.min(last.schema, first.schema)), first, context);
  if (change === undefined) return undefined;
  if (first.hint !== 'gauge' || last.hint !== 'gauge') warnNotGauge(context);
  return compacted(withHint(change, 'gauge'));
}

function counterChange(
  window: MixedWindow,
  all: readonly HistogramValue[],
  context: MixedContext,
): HistogramValue | undefined {
  const last = all.at(-1)!;
  const second = all[1]!;
  let previous = all[0]!;
  if (restarted(window, window.from + 1) || isReset(second, previous)) previous = nothingLike(second);
  const custom = hasCustomBuckets(previous);
  if (hasCustomBuckets(last) !== custom) return warnBuckets(context);
  let schema = Math.min(last.schema, previous.schema);
  for (const histogram of all.slice(1, -1)) {
    if (histogram.hint === 'gauge') warnNotCounter(context);
    schema = Math.min(schema, histogram.schema);
    if (hasCustomBuckets(histogram) !== custom) return warnBuckets(context);
  }
  let change = minus(atSchema(last, schema), previous, context);
  tellOverlap(window, context);
  for (let i = 1; i < all.length && change !== undefined; i++) {
    if (restarted(window, window.from + i) || isReset(all[i]!, previous)) change = plus(change, previous, context);
    previous = all[i]!;
  }
  return change && compacted(withHint(change, 'gauge'));
}

function nothingLike({ schema, bounds }: HistogramValue): HistogramValue {
  const nothing = { count: 0, sum: 0, zeroCount: 0, zeroThreshold: 0, positive: NO_BUCKETS, negative: NO_BUCKETS };
  return { hint: 'unknown', schema, bounds, ...nothing };
}

/** Whether the start of sample `i` shows that counting began anew with it. */
function restarted({ starts, times }: MixedWindow, i: number): boolean {
  return starts !== undefined && isStartReset(starts[i]!, times[i]!, starts[i - 1]!, times[i - 1]!);
}

function tellOverlap({ starts, times, from, to }: MixedWindow, { annotations, arg, metricName }: MixedContext): void {
  if (starts === undefined) return;
  for (let i = from + 1; i < to; i++) {
    if (!startsOverlap(starts[i]!, starts[i - 1]!, times[i - 1]!)) continue;
    const message = 'sample has start time that overlaps with previous sample timestamp for metric';
    annotations.warn(`${message} ${JSON.stringify(metricName)}`, arg.span);
    return;
  }
}

/** From the last two samples alone. */
export function mixedLastChange(counter: boolean): MixedFunction {
  return (window, context) => {
    const { times, values, histograms, from, to } = window;
    if (to - from < 2) return undefined;
    const seconds = (times[to - 1]! - times[to - 2]!) / 1000;
    const newest = histograms[to - 1];
    const previous = histograms[to - 2];
    if (newest === undefined && previous === undefined) {
      const fell = counter && (values[to - 1]! < values[to - 2]! || restarted(window, to - 1));
      const change = fell ? values[to - 1]! : values[to - 1]! - values[to - 2]!;
      return counter ? change / seconds : change;
    }
    if (newest === undefined || previous === undefined) return warnMixed(context);
    const gauges = Number(newest.hint === 'gauge') + Number(previous.hint === 'gauge');
    if (counter && gauges > 0) warnNotCounter(context);
    if (!counter && gauges < 2) warnNotGauge(context);
    const began = counter && (restarted(window, to - 1) || isReset(newest, previous));
    const change = began ? newest : minus(newest, previous, context);
    if (change === undefined) return undefined;
    const gauge = compacted(withHint(change, 'gauge'));
    return counter ? divided(gauge, seconds) : gauge;
  };
}
