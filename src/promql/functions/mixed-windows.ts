import type { HistogramValue } from '../../model/histogram-value.ts';
import { added, type Combined, subtracted } from '../histograms/add.ts';
import { mismatchedBuckets } from '../histograms/elements.ts';
import { MIXED_BUCKETS } from '../histograms/reduce.ts';
import type { MixedContext, MixedWindow, RangeFunction, Window } from './definition.ts';

/** What annotations and sums of histograms have in common, in functions of windows. */

export function warnMixed({ annotations, arg, metricName }: MixedContext): undefined {
  annotations.warn(
    `encountered a mix of histograms and floats for metric name ${JSON.stringify(metricName)}`,
    arg.span,
  );
  return undefined;
}

export function warnBuckets({ annotations, arg, metricName }: MixedContext): undefined {
  annotations.warn(`${MIXED_BUCKETS} ${JSON.stringify(metricName)}`, arg.span);
  return undefined;
}

export function warnNotCounter({ annotations, arg, metricName }: MixedContext): void {
  annotations.warn(`this native histogram metric is not a counter: ${JSON.stringify(metricName)}`, arg.span);
}

export function warnNotGauge({ annotations, arg, metricName }: MixedContext): void {
  annotations.warn(`this native histogram metric is not a gauge: ${JSON.stringify(metricName)}`, arg.span);
}

/** The sum, or undefined with a warning. */
export function plus(a: HistogramValue, b: HistogramValue, context: MixedContext): HistogramValue | undefined {
  return told(added(a, b), 'addition', context);
}

export function minus(a: HistogramValue, b: HistogramValue, context: MixedContext): HistogramValue | undefined {
  return told(subtracted(a, b), 'subtraction', context);
}

function told(combined: Combined | undefined, during: string, context: MixedContext): HistogramValue | undefined {
  if (combined === undefined) return warnBuckets(context);
  if (combined.mismatched) context.annotations.info(mismatchedBuckets(during), context.arg.span);
  return combined.value;
}

/** What a function that knows floats alone makes of a window: it does not see the histograms, and says so. */
export function ofFloatsAlone(
  compute: RangeFunction,
  window: MixedWindow,
  { arg, metricName, annotations }: MixedContext,
): number | undefined {
  const { from, to, histogramCount } = window;
  const out = new Float64Array(1);
  if (histogramCount === to - from) return undefined;
  if (histogramCount > 0) {
    const message = 'ignored histograms in a range containing both floats and histograms for metric name';
    annotations.info(`${message} ${JSON.stringify(metricName)}`, arg.span);
  }
  return compute(histogramCount === 0 ? window : floatWindow(window), out, 0) ? out[0]! : undefined;
}

function floatWindow({ times, values, histograms, from, to, ...rest }: MixedWindow): Window {
  const kept: number[] = [];
  for (let i = from; i < to; i++) if (histograms[i] === undefined) kept.push(i);
  return {
    ...rest,
    times: Float64Array.from(kept, (i) => times[i]!),
    values: Float64Array.from(kept, (i) => values[i]!),
    from: 0,
    to: kept.length,
  };
}
