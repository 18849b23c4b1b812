import { labelValue, METRIC_NAME } from '../model/labels.ts';
import type { ResultSeries } from '../model/query-result.ts';
import { finished } from '../model/work.ts';
import type { MatrixSelector, SubqueryExpr } from './ast.ts';
import { durationMs, subqueryStepMs } from './duration.ts';
import { QueryError } from './errors.ts';
import { type Evaluation, loadedOf } from './evaluation.ts';
import type { CallContext, Implementation, RowTarget, Windows } from './functions/definition.ts';
import { extendedSamples } from './functions/extended.ts';
import { fillMixed, isMixed } from './mixed-ranges.ts';
import { moveWindow, type RangeSource, windowOf } from './range-source.ts';
import type { Rows } from './rows.ts';
import { type Grid, timeOf, withoutMetadata } from './value.ts';
import { keptRun, type Run, runOf, type Sight, sightOf, sightsOf } from './windows.ts';
import { PIECE_CELLS, rowsPerPiece, type Work } from './work.ts';

/** Functions that work with samples outside of the window. */
const EXTENDED: Readonly<Record<'anchored' | 'smoothed', readonly string[]>> = {
  anchored: ['changes', 'delta', 'increase', 'rate', 'resets'],
  smoothed: ['delta', 'increase', 'rate'],
};
const COUNTER_SUFFIX = /_(?:total|sum|count|bucket)$/;

export function selectorSource(node: MatrixSelector, sight: Sight, evaluation: Evaluation): RangeSource {
  const { series, range, mixed } = loadedOf(evaluation, node.selector);
  return {
    count: series.length,
    mixed,
    run: (index) => runOf(series[index]!, range),
    sight,
    rangeMs: durationMs(node.range, evaluation.durations, node.span),
    modifier: node.selector.modifier,
  };
}

/** The steps of a subquery: multiples of its step, whatever the query's start, that any of the windows holds. */
export function subqueryGrid(node: SubqueryExpr, sight: Sight, evaluation: Evaluation, grid: Grid): Grid {
  const rangeMs = durationMs(node.range, evaluation.durations, node.span);
  const stepMs = subqueryStepMs(node, evaluation.subqueryStepMs, evaluation.durations);
  const before = sightOf(sight, grid, 0) - rangeMs;
  const end = sightOf(sight, grid, grid.steps - 1);
  const start = (Math.floor(before / stepMs) + 1) * stepMs;
  return { start, stepMs, steps: Math.max(0, Math.floor((end - start) / stepMs) + 1), instant: end === start };
}

/** Computes a range function at every step, one row for each series of the range vector. */
export function windowRows(
  source: RangeSource,
  implementation: Implementation & { readonly kind: 'range' },
  scalars: readonly Float64Array[],
  context: CallContext,
  evaluation: Evaluation,
): Rows {
  const { grid } = context;
  checkModifier(source, context);
  const { rangeMs, modifier } = source;
  const ends = sightsOf(source.sight, grid);
  const { compute, overRun, keepsName = false } = implementation;
  const hint = hintOf(context);
  // A pinned window is the same at every step, and so is its result but for arguments that change and predict_linear.
  const once = source.sight.pinned !== undefined && scalars.length === 0;
  /** Samples of windows since the last rest, whatever rows they are of: some functions sort them. */
  let looked = 0;
  const byWindow = function* (run: Run, { values, present, at }: RowTarget): Work<number> {
    const window = windowOf(run, source);
    let found = 0;
    for (let step = 0; step < grid.steps; step++) {
      if (once && step > 0) {
        values[at + step] = values[at]!;
        found += present[at + step] = present[at]!;
        continue;
      }
      moveWindow(window, run, source, evaluation.lookbackMs, ends[step]!);
      present[at + step] = 0;
      if (window.from === window.to) continue;
      looked += window.to - window.from;
      if (looked > PIECE_CELLS) {
        looked = 0;
        yield;
      }
      window.time = timeOf(grid, step);
      for (let i = 0; i < scalars.length; i++) window.scalars[i] = scalars[i]![step]!;
      implementation.check?.(window.scalars, true, context);
      if (compute(window, values, at + step)) found += present[at + step] = 1;
    }
    return found;
  };
  const inOneGo = modifier === undefined ? overRun : undefined;
  const windows: Windows = { ends, rangeMs };
  const computed = { values: new Float64Array(grid.steps), present: new Uint8Array(grid.steps), at: 0 };
  let isReady: { readonly row: number; readonly run: Run; readonly found: number } | undefined;
  return {
    count: source.count,
    mixed: source.mixed && implementation.mixed !== undefined,
    ready:
      inOneGo === undefined
        ? function* (row) {
            const run = keptRun(source.run(row));
            if (!isMixed(run, windows)) isReady = { row, run, found: yield* byWindow(run, computed) };
          }
        : undefined,
    read(row, values, present, at, histograms) {
      const ready = isReady?.row === row ? isReady : undefined;
      const run = ready?.run ?? source.run(row);
      const target = { values, present, at };
      if (isMixed(run, windows)) {
        const found = fillMixed(
          run,
          { ...target, histograms },
          { source, implementation, scalars, context, evaluation },
        );
        if (found.all === 0) return undefined;
        if (found.floats > 0) hint?.(run.labels);
      } else {
        let found: number;
        if (inOneGo !== undefined) found = inOneGo(run, windows, target);
        else if (ready === undefined) found = finished(byWindow(run, target));
        else {
          found = ready.found;
          values.set(computed.values, at);
          present.set(computed.present, at);
        }
        if (found === 0) return undefined;
        hint?.(run.labels);
      }
      return { labels: run.labels, dropName: run.dropName || !keepsName };
    },
  };
}

/** What a range vector holds at the only step of an instant query. */
export function* samplesAt(source: RangeSource, evaluation: Evaluation, time: number): Work<readonly ResultSeries[]> {
  const found: ResultSeries[] = [];
  const piece = rowsPerPiece(1);
  for (let index = 0; index < source.count; index++) {
    if (index % piece === piece - 1) yield;
    const run = source.run(index);
    const window = windowOf(run, source);
    moveWindow(window, run, source, evaluation.lookbackMs, (source.sight.pinned ?? time) - source.sight.offsetMs);
    if (window.from === window.to) continue;
    const { times, values } = run;
    const labels = run.dropName ? withoutMetadata(run.labels) : run.labels;
    if (run.histograms !== undefined) {
      if (source.modifier !== undefined)
        throw new QueryError('execution', `${source.modifier} modifier is not supported with histograms`);
      found.push({ labels, ...samplesApart(run, window.from, window.to) });
      continue;
    }
    const samples =
      source.modifier === undefined
        ? { times: times.subarray(window.from, window.to), values: values.slice(window.from, window.to) }
        : extendedSamples(window);
    if (samples !== undefined) found.push({ labels, ...samples });
  }
  return found;
}

function checkModifier({ modifier }: RangeSource, { call, error }: CallContext): void {
  if (modifier === undefined || EXTENDED[modifier].includes(call.name)) return;
  throw modifierError(modifier, call.name, (message) => error(call.span, message));
}

function modifierError(
  modifier: 'anchored' | 'smoothed',
  name: string,
  error: (text: string) => QueryError,
): QueryError {
  return error(`${modifier} modifier can only be used with: ${EXTENDED[modifier].join(', ')} - not with ${name}`);
}

/** What to tell of the series of a call, if anything. */
export function hintOf(context: CallContext): ((labels: Run['labels']) => void) | undefined {
  const { name } = context.call;
  return name === 'rate' || name === 'increase' ? hintCounters(context) : undefined;
}

/** Hints at gauges under `rate`, by the suffix of their names or the type that they tell. */
function hintCounters({ call, annotations }: CallContext): (labels: Run['labels']) => void {
  const seen = new Set<string>();
  return (labels) => {
    const name = labelValue(labels, METRIC_NAME);
    if (name === '' || seen.has(name)) return;
    seen.add(name);
    if (COUNTER_SUFFIX.test(name)) return;
    const message = 'metric might not be a counter, name does not end in _total/_sum/_count/_bucket:';
    annotations.info(`${message} ${JSON.stringify(name)}`, call.args[0]!.span);
  };
}

/** The floats and the histograms of part of a run. */
function samplesApart({ times, values, histograms }: Run, from: number, to: number): Omit<ResultSeries, 'labels'> {
  const all = Array.from({ length: to - from }, (_, i) => from + i);
  const floats = all.filter((i) => histograms![i] === undefined);
  const others = all.filter((i) => histograms![i] !== undefined);
  return {
    times: Float64Array.from(floats, (i) => times[i]!),
    values: Float64Array.from(floats, (i) => values[i]!),
    histograms: { times: Float64Array.from(others, (i) => times[i]!), values: others.map((i) => histograms![i]!) },
  };
}
