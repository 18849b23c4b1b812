import { type HistogramValue, hasCustomBuckets } from '../../model/histogram-value.ts';
import { labelValue, METRIC_NAME } from '../../model/labels.ts';
import type { VectorSelector } from '../ast.ts';
import type { LoadedSelector } from '../evaluation.ts';
import type { MixedContext } from '../functions/definition.ts';
import { interpolated } from '../functions/mixed-extended.ts';
import { warnBuckets, warnMixed } from '../functions/mixed-windows.ts';
import type { Rows } from '../rows.ts';
import { HISTOGRAM } from '../value.ts';
import { type Run, runOf } from '../windows.ts';
import { withHint } from './scale.ts';

/** As `smoothedRows`, where samples may be histograms. */
export function smoothedMixedRows(
  { series, range }: Pick<LoadedSelector, 'series' | 'range'>,
  { sights, lookbackMs }: { readonly sights: Float64Array; readonly lookbackMs: number },
  about: { readonly node: VectorSelector; readonly annotations: MixedContext['annotations'] },
): Rows {
  return {
    count: series.length,
    mixed: true,
    read(row, values, present, at, histograms) {
      const run = runOf(series[row]!, range);
      const metricName = labelValue(run.labels, METRIC_NAME);
      const context = { arg: about.node, annotations: about.annotations, metricName };
      let found = 0;
      let from = run.from;
      let to = run.from;
      for (let step = 0; step < sights.length; step++) {
        const time = sights[step]!;
        while (to < run.to && run.times[to]! <= time + lookbackMs) to++;
        while (from < to && run.times[from]! <= time - lookbackMs) from++;
        const element = from === to ? undefined : smoothedAt({ ...run, from, to }, time, context);
        present[at + step] = element === undefined ? 0 : typeof element === 'number' ? 1 : HISTOGRAM;
        if (element === undefined) continue;
        found++;
        if (typeof element === 'number') values[at + step] = element;
        else histograms![at + step] = element;
      }
      return found > 0 ? { labels: run.labels, dropName: false } : undefined;
    },
  };
}

function smoothedAt(
  { times, values, histograms, from, to }: Run,
  time: number,
  context: MixedContext,
): number | HistogramValue | undefined {
  const some = (wanted: boolean): boolean => {
    for (let i = from; i < to; i++) if ((histograms?.[i] !== undefined) === wanted) return true;
    return false;
  };
  const ofHistograms = some(true);
  if (ofHistograms && some(false)) return warnMixed(context);
  let next = from;
  while (next < to && times[next]! < time) next++;
  const exact = next < to && times[next] === time;
  if (!exact && next === from) return undefined;
  if (!ofHistograms) {
    if (exact) return values[next]!;
    if (next === to) return values[next - 1]!;
    const rise = (values[next]! - values[next - 1]!) * (time - times[next - 1]!);
    return values[next - 1]! + rise / (times[next]! - times[next - 1]!);
  }
  if (exact) return histograms![next];
  const before = histograms![next - 1]!;
  if (next === to) return withHint(before, 'unknown');
  const after = histograms![next]!;
  if (hasCustomBuckets(before) !== hasCustomBuckets(after)) return warnBuckets(context);
  const counter = before.hint !== 'gauge' || after.hint !== 'gauge';
  return interpolated({ times, histograms: histograms! }, next - 1, time, { counter, context });
}
