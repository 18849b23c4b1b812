import { labelValue, METRIC_NAME } from '../model/labels.ts';
import type { Evaluation } from './evaluation.ts';
import type {
  CallContext,
  Implementation,
  MixedContext,
  MixedWindow,
  RowTarget,
  Windows,
} from './functions/definition.ts';
import { ofFloatsAlone } from './functions/mixed-windows.ts';
import { moveWindow, type RangeSource } from './range-source.ts';
import { HISTOGRAM, type HistogramCells, timeOf } from './value.ts';
import { type Run, sightsOf } from './windows.ts';

/** Whether windows of a run must be looked at one by one: it has histograms, or starts that may change a result. */
export function isMixed({ times, from, to, histograms, starts }: Run, { ends, rangeMs }: Windows): boolean {
  for (let i = from; histograms !== undefined && i < to; i++) if (histograms[i] !== undefined) return true;
  if (starts === undefined || from === to) return false;
  const first = starts[from]!;
  // One start for all, before any window, is what a counter has that never began anew.
  if (first > Math.min(times[from]!, (ends[0] ?? 0) - rangeMs)) return true;
  for (let i = from + 1; i < to; i++) if (starts[i] !== first) return true;
  return false;
}

interface Asked {
  readonly source: RangeSource;
  readonly implementation: Implementation & { readonly kind: 'range' };
  readonly scalars: readonly Float64Array[];
  readonly context: CallContext;
  readonly evaluation: Evaluation;
}

/** A range function at all steps of a run for which `isMixed` holds. Returns at how many steps there is a result. */
export function fillMixed(
  run: Run,
  { values, present, at, histograms }: RowTarget & { readonly histograms: HistogramCells | undefined },
  { source, implementation, scalars, context, evaluation }: Asked,
): { readonly all: number; readonly floats: number } {
  const { grid, call, annotations } = context;
  const about: MixedContext = { arg: call.args[0]!, annotations, metricName: labelValue(run.labels, METRIC_NAME) };
  const ends = sightsOf(source.sight, grid);
  const none: MixedWindow['histograms'] = [];
  const { times, from, starts } = run;
  const ofRun = { times, values: run.values, from, to: from, starts, histograms: run.histograms ?? none };
  const atStep = { start: 0, end: 0, time: 0, modifier: source.modifier, scalars: [], histogramCount: 0 };
  const window: MixedWindow = { ...ofRun, ...atStep };
  const found = { all: 0, floats: 0 };
  for (let step = 0; step < grid.steps; step++) {
    moveWindow(window, run, source, evaluation.lookbackMs, ends[step]!);
    present[at + step] = 0;
    if (window.from === window.to) continue;
    window.time = timeOf(grid, step);
    for (let i = 0; i < scalars.length; i++) window.scalars[i] = scalars[i]![step]!;
    window.histogramCount = countIn(window);
    implementation.check?.(window.scalars, window.histogramCount < window.to - window.from, context);
    const result =
      implementation.mixed === undefined
        ? ofFloatsAlone(implementation.compute, window, about)
        : implementation.mixed(window, about);
    if (result === undefined) continue;
    found.all++;
    if (typeof result === 'number') {
      values[at + step] = result;
      present[at + step] = 1;
      found.floats++;
    } else {
      histograms![at + step] = result;
      present[at + step] = HISTOGRAM;
    }
  }
  return found;
}

function countIn({ histograms, from, to }: MixedWindow): number {
  let count = 0;
  for (let i = from; i < to; i++) if (histograms[i] !== undefined) count++;
  return count;
}
