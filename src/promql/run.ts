import { compareLabels, NO_LABELS } from '../model/labels.ts';
import type { Matcher } from '../model/matcher.ts';
import { formatMatcher } from '../model/matcher.ts';
import type { QueryResult, QueryValue, StepRange } from '../model/query-result.ts';
import type { SampledSeries, Samples, SelectedSeries } from '../model/series.ts';
import { MINUTE, type Millis, type TimeRange } from '../model/time.ts';
import { type CollectedAnnotations, collectAnnotations } from './annotations.ts';
import { type Expr, unwrap } from './ast.ts';
import { typeName, typeOf } from './check.ts';
import { QueryError } from './errors.ts';
import { evaluate, evaluateRange } from './evaluate.ts';
import { type Evaluation, type LoadedSelector, tooManySamples } from './evaluation.ts';
import { parseQuery } from './parse.ts';
import { samplesAt } from './ranges.ts';
import { type SelectorNeed, selectorsOf } from './selectors.ts';
import { type Grid, type Head, mergeRows, timeOf, type Vector, withoutEmptyRows, withoutMetadata } from './value.ts';
import { finishPaced, rowsPerPiece, type Work } from './work.ts';

/** Loads the series that match, with every chunk that touches the range (both ends included). */
export type Select = (
  matchers: readonly Matcher[],
  range: TimeRange,
  options?: { readonly maxSamples?: number; readonly signal?: AbortSignal },
) => Promise<readonly SelectedSeries[]>;

export interface EngineOptions {
  /** How far back an instant looks for a sample. Default 5 minutes. */
  readonly lookbackMs?: number;
  /** The step of a subquery that names none. Default 1 minute, Prometheus's evaluation interval. */
  readonly subqueryStepMs?: number;
  /** The most samples that a query may hold in memory. Default 50 million. */
  readonly maxSamples?: number;
  /**
   * Called between pieces of work, a millisecond long at most. A promise makes the query wait, so that others get
   * their turn; without this, a query runs through.
   */
  readonly pause?: () => Promise<void> | undefined;
}

export interface QueryOptions {
  readonly lookbackMs?: number;
  readonly maxSamples?: number;
  readonly signal?: AbortSignal;
}

const LOOKBACK_MS = 5 * MINUTE;
const MAX_SAMPLES = 50_000_000;
/** A row's labels cost about a microsecond. */
const ROWS_PER_PIECE = 512;

/** PromQL over anything that selects series: `storage/`'s Evaluator. */
export function evaluatorOver(reader: { readonly select: Select }, engine: EngineOptions = {}) {
  const run = (query: string, range: StepRange, instant: boolean, options: QueryOptions = {}) =>
    runQuery(
      (matchers, wanted, limits) => reader.select(matchers, wanted, limits),
      { query, range, instant },
      {
        ...engine,
        ...options,
      },
    );
  return {
    /** @throws {QueryError} If the text is not PromQL, or cannot be evaluated. */
    instant: (expression: string, time: Millis, options?: QueryOptions): Promise<QueryResult> =>
      run(expression, { start: time, end: time, stepMs: 1 }, true, options),
    /** @throws {QueryError} As `instant`; also for expressions that have no value at each step. */
    range: (expression: string, range: StepRange, options?: QueryOptions): Promise<QueryResult> => {
      if (!(range.stepMs > 0)) throw new RangeError(`stepMs must be above zero, got ${range.stepMs}`);
      return run(expression, range, false, options);
    },
  };
}

interface Question {
  readonly query: string;
  readonly range: StepRange;
  readonly instant: boolean;
}

async function runQuery(
  select: Select,
  { query, range, instant }: Question,
  options: EngineOptions & QueryOptions,
): Promise<QueryResult> {
  const { lookbackMs = LOOKBACK_MS, maxSamples = MAX_SAMPLES, subqueryStepMs = MINUTE, pause, signal } = options;
  const expr = parseQuery(query);
  const type = typeOf(expr);
  if (!instant && type !== 'scalar' && type !== 'vector') {
    const message = `invalid expression type "${typeName(type)}" for range query, must be Scalar or instant Vector`;
    throw new QueryError('bad_data', message);
  }
  const steps = range.end < range.start ? 0 : Math.floor((range.end - range.start) / range.stepMs) + 1;
  if (steps > maxSamples) throw tooManySamples();
  const annotations = collectAnnotations(query);
  const loaded = await load(select, selectorsOf(expr, range, { query, lookbackMs }), maxSamples, signal);
  signal?.throwIfAborted();
  const evaluation: Evaluation = {
    ...{ query, range, loaded: loaded.byNode, lookbackMs, subqueryStepMs, annotations },
    durations: { query, stepMs: instant ? 0 : range.stepMs, rangeMs: range.end - range.start },
    account: { held: loaded.samples, most: maxSamples },
  };
  const grid: Grid = { start: range.start, stepMs: range.stepMs, steps };
  const work = instant ? instantValue(expr, evaluation, grid) : rangeValue(expr, evaluation, grid);
  const value = await finishPaced(work, { pause, signal });
  return { value, ...told(annotations) };
}

/** Each distinct selector once, within one limit for all of them. */
async function load(
  select: Select,
  needs: readonly SelectorNeed[],
  maxSamples: number,
  signal: AbortSignal | undefined,
): Promise<{ readonly byNode: Evaluation['loaded']; readonly samples: number }> {
  const byNode = new Map<SelectorNeed['node'], LoadedSelector>();
  const byKey = new Map<string, readonly SelectedSeries[]>();
  let left = maxSamples;
  for (const { node, matchers, range } of needs) {
    signal?.throwIfAborted();
    const key = `${range.start} ${range.end} ${matchers.map(formatMatcher).join(',')}`;
    let series = byKey.get(key);
    if (series === undefined) {
      series =
        range.end < range.start ? [] : await select(matchers, range, { maxSamples: left, ...(signal && { signal }) });
      left -= samplesIn(series);
      if (left < 0) throw tooManySamples();
      byKey.set(key, series);
    }
    byNode.set(node, { series, range });
  }
  return { byNode, samples: maxSamples - left };
}

function samplesIn(series: readonly SelectedSeries[]): number {
  let count = 0;
  for (const { chunks } of series) for (const { times } of chunks) count += times.length;
  return count;
}

function* instantValue(expr: Expr, evaluation: Evaluation, grid: Grid): Work<QueryValue> {
  const { start: time } = grid;
  const { kind } = unwrap(expr);
  if (kind === 'matrix' || kind === 'subquery') {
    const series = samplesAt(yield* evaluateRange(expr, evaluation, grid), evaluation, time);
    return { kind: 'matrix', series: [...series].sort((a, b) => compareLabels(a.labels, b.labels)) };
  }
  const value = yield* evaluate(expr, evaluation, grid);
  switch (value.kind) {
    case 'string':
      return { kind: 'string', time, value: value.value };
    case 'scalar':
      return { kind: 'scalar', time, value: value.values[0]! };
    case 'vector': {
      const { heads, values } = yield* named(value, 1);
      return { kind: 'vector', samples: heads.map(({ labels }, row) => ({ labels, time, value: values[row]! })) };
    }
  }
}

function* rangeValue(expr: Expr, evaluation: Evaluation, grid: Grid): Work<QueryValue> {
  if (grid.steps === 0) return { kind: 'matrix', series: [] };
  const value = yield* evaluate(expr, evaluation, grid);
  if (value.kind === 'string') throw new TypeError('a string has no steps');
  const allTimes = Float64Array.from({ length: grid.steps }, (_, step) => timeOf(grid, step));
  if (value.kind === 'scalar') {
    return { kind: 'matrix', series: [{ labels: NO_LABELS, times: allTimes, values: value.values }] };
  }
  const vector = yield* named(value, grid.steps);
  const series: SampledSeries[] = [];
  const piece = rowsPerPiece(grid.steps);
  for (let row = 0; row < vector.heads.length; row++) {
    if (row % piece === piece - 1) yield;
    series.push({ labels: vector.heads[row]!.labels, ...samplesOfRow(vector, row, allTimes) });
  }
  return { kind: 'matrix', series: series.sort((a, b) => compareLabels(a.labels, b.labels)) };
}

/** Series without gaps share their times. */
function samplesOfRow({ values, present }: Vector, row: number, allTimes: Float64Array): Samples {
  const steps = allTimes.length;
  const base = row * steps;
  let count = 0;
  for (let step = 0; step < steps; step++) count += present[base + step]!;
  if (count === steps) return { times: allTimes, values: values.subarray(base, base + steps) };
  const kept = { times: new Float64Array(count), values: new Float64Array(count) };
  for (let step = 0, at = 0; step < steps; step++) {
    if (present[base + step] === 0) continue;
    kept.times[at] = allTimes[step]!;
    kept.values[at++] = values[base + step]!;
  }
  return kept;
}

/** Takes away the names that functions and operators dropped. */
function* named(vector: Vector, steps: number): Work<Vector> {
  const heads: Head[] = [];
  for (const head of vector.heads) {
    heads.push(head.dropName ? { labels: withoutMetadata(head.labels), dropName: false } : head);
    if (heads.length % ROWS_PER_PIECE === 0) yield;
  }
  const kept = withoutEmptyRows({ ...vector, heads }, steps);
  return mergeRows(kept, steps, () => {
    throw new QueryError('execution', 'vector cannot contain metrics with the same labelset');
  });
}

function told({ warnings, infos }: CollectedAnnotations): Pick<QueryResult, 'warnings' | 'infos'> {
  return { warnings: [...warnings], infos: [...infos] };
}
