import { labelValue, METRIC_NAME } from '../model/labels.ts';
import type { SampledSeries } from '../model/series.ts';
import type { MatrixSelector, SubqueryExpr } from './ast.ts';
import { durationMs } from './duration.ts';
import type { QueryError } from './errors.ts';
import { type Evaluation, loadedOf } from './evaluation.ts';
import type { CallContext, Implementation, Window } from './functions/definition.ts';
import { extendedSamples } from './functions/extended.ts';
import { emptyVector, type Grid, timeOf, type Vector, withoutEmptyRows } from './value.ts';
import { type Run, runOf, type Sight, sightOf } from './windows.ts';

/** Range vectors at all steps: whole runs of samples, of which each step sees the window that ends at its sight. */
export interface RangeSource {
  readonly count: number;
  /** Made when it is asked for, so that one series at a time is decoded. */
  readonly run: (index: number) => Run;
  readonly sight: Sight;
  readonly rangeMs: number;
  readonly modifier: Window['modifier'];
}

/** Functions that work with samples outside of the window. */
const EXTENDED: Readonly<Record<'anchored' | 'smoothed', readonly string[]>> = {
  anchored: ['changes', 'delta', 'increase', 'rate', 'resets'],
  smoothed: ['delta', 'increase', 'rate'],
};
const COUNTER_SUFFIX = /_(?:total|sum|count|bucket)$/;

export function selectorSource(node: MatrixSelector, sight: Sight, evaluation: Evaluation): RangeSource {
  const { series, range } = loadedOf(evaluation, node.selector);
  return {
    count: series.length,
    run: (index) => runOf(series[index]!, range),
    sight,
    rangeMs: durationMs(node.range, evaluation.durations, node.span),
    modifier: node.selector.modifier,
  };
}

/** The steps of a subquery: multiples of its step, whatever the query's start, that any of the windows holds. */
export function subqueryGrid(node: SubqueryExpr, sight: Sight, evaluation: Evaluation, grid: Grid): Grid {
  const rangeMs = durationMs(node.range, evaluation.durations, node.span);
  const stepMs =
    node.step === undefined ? evaluation.subqueryStepMs : durationMs(node.step, evaluation.durations, node.span);
  const before = sightOf(sight, grid, 0) - rangeMs;
  const end = sightOf(sight, grid, grid.steps - 1);
  const start = (Math.floor(before / stepMs) + 1) * stepMs;
  return { start, stepMs, steps: Math.max(0, Math.floor((end - start) / stepMs) + 1) };
}

/** Computes a range function at every step, one row for each series of the range vector. */
export function callOverWindows(
  source: RangeSource,
  implementation: Implementation & { readonly kind: 'range' },
  scalars: readonly Float64Array[],
  context: CallContext,
  evaluation: Evaluation,
): Vector {
  const { grid, call } = context;
  const { steps } = grid;
  checkModifier(source, context);
  implementation.check?.(scalars, context);
  const out = emptyVector([], 0);
  const heads: { labels: Run['labels']; dropName: boolean }[] = [];
  const values = new Float64Array(source.count * steps);
  const present = new Uint8Array(source.count * steps);
  // A pinned window is the same at every step, and so is its result but for arguments that change and predict_linear.
  const once = source.sight.pinned !== undefined && scalars.length === 0;
  for (let row = 0; row < source.count; row++) {
    if ((row & 0xff) === 0) evaluation.checkAborted();
    const run = source.run(row);
    heads.push({ labels: run.labels, dropName: run.dropName || implementation.keepsName !== true });
    const window = windowOf(run, source);
    const base = row * steps;
    for (let step = 0; step < steps; step++) {
      if (once && step > 0) {
        values[base + step] = values[base]!;
        present[base + step] = present[base]!;
        continue;
      }
      moveWindow(window, run, source, evaluation.lookbackMs, sightOf(source.sight, grid, step));
      if (window.from === window.to) continue;
      window.time = timeOf(grid, step);
      for (let i = 0; i < scalars.length; i++) window.scalars[i] = scalars[i]![step]!;
      if (implementation.compute(window, values, base + step)) present[base + step] = 1;
    }
  }
  const vector = withoutEmptyRows({ ...out, heads, values, present }, steps);
  if (call.name === 'rate' || call.name === 'increase') hintCounters(vector, context);
  return vector;
}

/** What a range vector holds at the only step of an instant query. */
export function samplesAt(source: RangeSource, evaluation: Evaluation, time: number): readonly SampledSeries[] {
  const found: SampledSeries[] = [];
  for (let index = 0; index < source.count; index++) {
    const run = source.run(index);
    const window = windowOf(run, source);
    moveWindow(window, run, source, evaluation.lookbackMs, (source.sight.pinned ?? time) - source.sight.offsetMs);
    if (window.from === window.to) continue;
    const { labels, times, values } = run;
    const samples =
      source.modifier === undefined
        ? { times: times.subarray(window.from, window.to), values: values.subarray(window.from, window.to) }
        : extendedSamples(window);
    if (samples !== undefined) found.push({ labels, ...samples });
  }
  return found;
}

function windowOf({ times, values }: Run, { modifier }: RangeSource): Window {
  return { times, values, from: 0, to: 0, start: 0, end: 0, time: 0, modifier, rises: undefined, scalars: [] };
}

/** Windows only ever move forward, so both ends are found by walking on. */
function moveWindow(window: Window, { times }: Run, source: RangeSource, lookbackMs: number, end: number): void {
  window.end = end;
  window.start = end - source.rangeMs;
  const after = source.modifier === undefined ? window.start : window.start - lookbackMs;
  const until = source.modifier === 'smoothed' ? end + lookbackMs : end;
  let { from, to } = window;
  while (to < times.length && times[to]! <= until) to++;
  while (from < to && times[from]! <= after) from++;
  window.from = from;
  window.to = to;
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

/** Hints at gauges under `rate`, by the suffix of their names or the type that they tell. */
function hintCounters({ heads }: Vector, { call, annotations }: CallContext): void {
  const seen = new Set<string>();
  for (const { labels } of heads) {
    const name = labelValue(labels, METRIC_NAME);
    if (name === '' || seen.has(name)) continue;
    seen.add(name);
    if (COUNTER_SUFFIX.test(name)) continue;
    const message = 'metric might not be a counter, name does not end in _total/_sum/_count/_bucket:';
    annotations.info(`${message} ${JSON.stringify(name)}`, call.args[0]!.span);
  }
}
