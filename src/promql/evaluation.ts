import type { StepRange } from '../model/query-result.ts';
import type { TimeRange } from '../model/time.ts';
import type { Annotations } from './annotations.ts';
import type { CallExpr, VectorSelector } from './ast.ts';
import type { DurationContext } from './duration.ts';
import { QueryError } from './errors.ts';
import type { LoadedSeries } from './loaded-series.ts';
import { positionOf, type Span } from './span.ts';
import type { Value, Vector } from './value.ts';
import type { Work } from './work.ts';

/** Samples of one selector, and the range that they were loaded for. */
export interface LoadedSelector {
  readonly series: readonly LoadedSeries[];
  readonly range: TimeRange;
  /** Whether series have points in place of samples. */
  readonly ofPoints: boolean;
  /** Whether any series has histograms. */
  readonly mixed: boolean;
  /** Of an aggregation that took the series while they were read: there are none here then. */
  readonly fold?: Fold;
}

/** An aggregation that takes series one by one, so that their samples need not be held. */
export interface Fold {
  /** Takes what is good until this returns. */
  take(series: LoadedSeries): void;
  /** The result. What is to be told of the series is told now. To be asked once. */
  finish(): Work<Vector>;
}

/** All that evaluating needs besides the tree. Nothing is loaded any more: evaluation is pure, though in pieces. */
export interface Evaluation {
  readonly query: string;
  readonly range: StepRange;
  readonly loaded: ReadonlyMap<VectorSelector | CallExpr, LoadedSelector>;
  readonly lookbackMs: number;
  /** The step of a subquery that names none. */
  readonly subqueryStepMs: number;
  readonly account: SampleAccount;
  readonly annotations: Annotations;
  readonly durations: DurationContext;
}

/** Samples that a query holds in memory now: those loaded, and the cells of the vectors that are not done with. */
export interface SampleAccount {
  held: number;
  readonly most: number;
}

export function loadedOf(evaluation: Evaluation, node: VectorSelector | CallExpr): LoadedSelector {
  const loaded = evaluation.loaded.get(node);
  if (loaded === undefined) throw new TypeError('a selector was not loaded before evaluating');
  return loaded;
}

/** Before memory for so many cells is taken. */
export function hold(cells: number, span: Span, { query, account }: Pick<Evaluation, 'query' | 'account'>): void {
  account.held += cells;
  if (account.held > account.most) throw tooManySamples(positionOf(query, span));
}

/** Once a node has its value, what its operands held is free again. */
export function* holding({ account }: Evaluation, work: Work<Value>): Work<Value> {
  const before = account.held;
  const value = yield* work;
  account.held = before + (value.kind === 'string' ? 0 : value.values.length);
  return value;
}

export function tooManySamples(position?: ReturnType<typeof positionOf>): QueryError {
  const message = 'query processing would load too many samples into memory in query execution';
  return new QueryError('execution', message, position);
}
