import { sameHistogram } from '../histograms/equal.ts';
import { isReset } from '../histograms/resets.ts';
import { HistogramTotal } from '../histograms/totals.ts';
import type { MixedFunction, MixedWindow, RangeFunction } from './definition.ts';
import { anchoredStart } from './extended.ts';
import { warnBuckets, warnMixed } from './mixed-windows.ts';
import { isStartReset } from './starts.ts';

/** How often a series changed from one kind of sample to the other is counted too. */
function mixedCount(counts: (window: MixedWindow, i: number) => boolean): MixedFunction {
  return (window) => {
    const { histograms, from, to } = window;
    const first = window.modifier === undefined ? from : anchoredStart(window);
    if (first === undefined || to <= first) return undefined;
    let found = 0;
    for (let i = first + 1; i < to; i++) {
      const alike = (histograms[i] === undefined) === (histograms[i - 1] === undefined);
      if (!alike || counts(window, i)) found++;
    }
    return found;
  };
}

export const mixedResets: MixedFunction = mixedCount(({ times, values, histograms, starts }, i) => {
  if (starts !== undefined && isStartReset(starts[i]!, times[i]!, starts[i - 1]!, times[i - 1]!)) return true;
  const histogram = histograms[i];
  return histogram === undefined ? values[i]! < values[i - 1]! : isReset(histogram, histograms[i - 1]!);
});

export const mixedChanges: MixedFunction = mixedCount(({ values, histograms }, i) => {
  const histogram = histograms[i];
  if (histogram !== undefined) return !sameHistogram(histogram, histograms[i - 1]!);
  return values[i] !== values[i - 1] && !(Number.isNaN(values[i]!) && Number.isNaN(values[i - 1]!));
});

/** The sum or the mean of a window's histograms; of its floats, what the plain function gives. */
export function mixedTotal(wantsMean: boolean, ofFloats: RangeFunction): MixedFunction {
  return (window, context) => {
    const { histograms, from, to, histogramCount } = window;
    if (histogramCount === 0) {
      const out = new Float64Array(1);
      return ofFloats(window, out, 0) ? out[0]! : undefined;
    }
    if (histogramCount < to - from) return warnMixed(context);
    const total = new HistogramTotal(histograms[from]!, wantsMean);
    for (let i = from + 1; i < to; i++) if (!total.add(histograms[i]!)) return warnBuckets(context);
    return total.finish(context.annotations, context.arg.span);
  };
}

export const mixedFirst: MixedFunction = ({ values, histograms, from }) => histograms[from] ?? values[from]!;
export const mixedLast: MixedFunction = ({ values, histograms, to }) => histograms[to - 1] ?? values[to - 1]!;

/** For functions that ask no more of a sample than that it is there. */
export function anySample(compute: RangeFunction): MixedFunction {
  const out = new Float64Array(1);
  return (window) => (compute(window, out, 0) ? out[0]! : undefined);
}
