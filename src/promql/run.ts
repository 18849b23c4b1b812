import { compareLabels, labelsKey, NO_LABELS } from '../model/labels.ts';
import type { QueryResult, QueryValue, ResultSeries, StepRange, VectorSample } from '../model/query-result.ts';
import { MINUTE, type Millis } from '../model/time.ts';
import { finishPaced, sortedInPieces } from '../model/work.ts';
import { type CollectedAnnotations, collectAnnotations } from './annotations.ts';
import { type AggregateExpr, type Expr, unwrap, type VectorSelector } from './ast.ts';
import { typeName, typeOf } from './check.ts';
import { checkDurations } from './duration.ts';
import { QueryError } from './errors.ts';
import { evaluate, evaluateRange } from './evaluate.ts';
import { type Evaluation, tooManySamples } from './evaluation.ts';
import { beginFold } from './fold.ts';
import { foldableOf } from './foldable.ts';
import { load, type QueryWatch, type SeriesSource } from './load.ts';
import { parseQuery } from './parse.ts';
import { samplesAt } from './ranges.ts';
import { resolutionOf, tellResolution } from './resolution.ts';
import { selectorsOf } from './selectors.ts';
import {
  type Grid,
  type Head,
  HISTOGRAM,
  type HistogramCells,
  mergeRows,
  timeOf,
  type Vector,
  withoutEmptyRows,
  withoutMetadata,
} from './value.ts';
import { rowsPerPiece, type Work } from './work.ts';

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
  /** The longest points that may answer though windows do not begin and end with them; 0: samples alone. */
  readonly maxResolutionMs?: number;
  readonly lookbackMs?: number;
  readonly maxSamples?: number;
  readonly signal?: AbortSignal;
  readonly watch?: QueryWatch;
}

const LOOKBACK_MS = 5 * MINUTE;
const MAX_SAMPLES = 50_000_000;
/** A row's labels cost about a microsecond. */
const ROWS_PER_PIECE = 256;

/** PromQL over anything that selects series: `storage/`'s Evaluator. */
export function evaluatorOver(reader: SeriesSource, engine: EngineOptions = {}) {
  const run = (query: string, range: StepRange, instant: boolean, options: QueryOptions = {}) =>
    runQuery(
      reader,
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
  source: SeriesSource,
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
  const durations = { query, stepMs: instant ? 0 : range.stepMs, rangeMs: range.end - range.start };
  checkDurations(expr, durations);
  const steps = range.end < range.start ? 0 : Math.floor((range.end - range.start) / range.stepMs) + 1;
  if (steps > maxSamples) throw tooManySamples();
  const annotations = collectAnnotations(query);
  const { maxResolutionMs: maxMs } = options;
  const coverage = source.coverage?.();
  const needs = selectorsOf(expr, range, { query, lookbackMs, subqueryStepMs }).map((need) => {
    const resolution = resolutionOf(need, coverage, maxMs);
    if (coverage !== undefined) tellResolution(resolution, coverage, need, { maxMs, annotations });
    return { ...need, pointsMs: resolution.kind === 'points' ? resolution.tier.stepMs : undefined };
  });
  const grid: Grid = { start: range.start, stepMs: range.stepMs, steps, instant: range.end === range.start };
  const account = { held: 0, most: maxSamples };
  const about = { query, range, lookbackMs, subqueryStepMs, annotations, durations, account };
  const foldable = steps === 0 ? new Map<VectorSelector, AggregateExpr>() : foldableOf(expr, steps);
  const loaded = await load(source, needs, maxSamples, {
    ...{ signal, watch: options.watch, pause },
    foldOf(node, seen) {
      const whole = node.kind === 'selector' ? foldable.get(node) : undefined;
      return whole && beginFold(whole, node as VectorSelector, seen, about, grid);
    },
  });
  signal?.throwIfAborted();
  options.watch?.evaluating();
  account.held = loaded.samples;
  const evaluation: Evaluation = { ...about, loaded: loaded.byNode };
  const work = instant ? instantValue(expr, evaluation, grid) : rangeValue(expr, evaluation, grid);
  const value = await finishPaced(work, { pause, signal });
  return { value, ...told(annotations) };
}

function* instantValue(expr: Expr, evaluation: Evaluation, grid: Grid): Work<QueryValue> {
  const { start: time } = grid;
  const { kind } = unwrap(expr);
  if (kind === 'matrix' || kind === 'subquery') {
    const series = yield* samplesAt(yield* evaluateRange(expr, evaluation, grid), evaluation, time);
    return { kind: 'matrix', series: yield* sortedInPieces(yield* joinedSeries(series), byLabels) };
  }
  const value = yield* evaluate(expr, evaluation, grid);
  switch (value.kind) {
    case 'string':
      return { kind: 'string', time, value: value.value };
    case 'scalar':
      return { kind: 'scalar', time, value: value.values[0]! };
    case 'vector': {
      const { heads, values, present, histograms } = yield* named(value, 1);
      const samples: VectorSample[] = [];
      for (let row = 0; row < heads.length; row++) {
        const { labels } = heads[row]!;
        if (present[row] !== HISTOGRAM) samples.push({ labels, time, value: values[row]! });
        else samples.push({ labels, time, value: Number.NaN, histogram: histograms![row] });
        if (row % ROWS_PER_PIECE === 0) yield;
      }
      return { kind: 'vector', samples };
    }
  }
}

/** Series that are the same once their names are dropped become one, unless they have samples of one time. */
function* joinedSeries(all: readonly ResultSeries[]): Work<readonly ResultSeries[]> {
  const byKey = new Map<string, ResultSeries>();
  for (const series of all) {
    const key = labelsKey(series.labels);
    const other = byKey.get(key);
    byKey.set(key, other === undefined ? series : joined(other, series));
    if (byKey.size % ROWS_PER_PIECE === 0) yield;
  }
  return [...byKey.values()];
}

function joined(a: ResultSeries, b: ResultSeries): ResultSeries {
  const taken = new Set([...a.times, ...(a.histograms?.times ?? [])]);
  if ([...b.times, ...(b.histograms?.times ?? [])].some((time) => taken.has(time))) throw equalLabels();
  const floats = [
    ...[...a.times].map((time, i) => ({ time, value: a.values[i]! })),
    ...[...b.times].map((time, i) => ({ time, value: b.values[i]! })),
  ];
  floats.sort((x, y) => x.time - y.time);
  const others = [a, b].flatMap(
    ({ histograms }) => histograms?.values.map((value, i) => ({ time: histograms.times[i]!, value })) ?? [],
  );
  others.sort((x, y) => x.time - y.time);
  return {
    labels: a.labels,
    times: Float64Array.from(floats, ({ time }) => time),
    values: Float64Array.from(floats, ({ value }) => value),
    ...(others.length > 0 && {
      histograms: { times: Float64Array.from(others, ({ time }) => time), values: others.map(({ value }) => value) },
    }),
  };
}

function equalLabels(): QueryError {
  return new QueryError('execution', 'vector cannot contain metrics with the same labelset');
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
  const series: ResultSeries[] = [];
  const piece = rowsPerPiece(grid.steps);
  for (let row = 0; row < vector.heads.length; row++) {
    if (row % piece === piece - 1) yield;
    series.push({ labels: vector.heads[row]!.labels, ...samplesOfRow(vector, row, allTimes) });
  }
  return { kind: 'matrix', series: yield* sortedInPieces(series, byLabels) };
}

function byLabels(a: ResultSeries, b: ResultSeries): number {
  return compareLabels(a.labels, b.labels);
}

/** Series without gaps share their times. */
function samplesOfRow(
  { values, present, histograms }: Vector,
  row: number,
  allTimes: Float64Array,
): Omit<ResultSeries, 'labels'> {
  const steps = allTimes.length;
  const base = row * steps;
  let count = 0;
  for (let step = 0; step < steps; step++) if (present[base + step] === 1) count++;
  const others = histograms && histogramsOfRow(histograms, present, base, allTimes);
  if (count === steps) return { times: allTimes, values: values.subarray(base, base + steps) };
  const kept = { times: new Float64Array(count), values: new Float64Array(count) };
  for (let step = 0, at = 0; step < steps; step++) {
    if (present[base + step] !== 1) continue;
    kept.times[at] = allTimes[step]!;
    kept.values[at++] = values[base + step]!;
  }
  return others === undefined ? kept : { ...kept, histograms: others };
}

function histogramsOfRow(
  histograms: HistogramCells,
  present: Uint8Array,
  base: number,
  allTimes: Float64Array,
): ResultSeries['histograms'] {
  const steps = [...allTimes.keys()].filter((step) => present[base + step] === HISTOGRAM);
  if (steps.length === 0) return undefined;
  return {
    times: Float64Array.from(steps, (step) => allTimes[step]!),
    values: steps.map((step) => histograms[base + step]!),
  };
}

/** Takes away the names that functions and operators dropped. */
function* named(vector: Vector, steps: number): Work<Vector> {
  const heads: Head[] = [];
  for (const head of vector.heads) {
    heads.push(head.dropName ? { labels: withoutMetadata(head.labels), dropName: false } : head);
    if (heads.length % ROWS_PER_PIECE === 0) yield;
  }
  const kept = yield* withoutEmptyRows({ ...vector, heads }, steps);
  return yield* mergeRows(kept, steps, () => {
    throw equalLabels();
  });
}

function told({ warnings, infos }: CollectedAnnotations): Pick<QueryResult, 'warnings' | 'infos'> {
  return { warnings: [...warnings], infos: [...infos] };
}
