import type { StepRange } from '../model/query-result.ts';
import type { SelectedSeries } from '../model/series.ts';
import type { TimeRange } from '../model/time.ts';
import type { Annotations } from './annotations.ts';
import type { VectorSelector } from './ast.ts';
import type { DurationContext } from './duration.ts';
import { QueryError } from './errors.ts';
import { positionOf, type Span } from './span.ts';

/** Samples of one selector, and the range that they were loaded for. */
export interface LoadedSelector {
  readonly series: readonly SelectedSeries[];
  readonly range: TimeRange;
}

/** All that evaluating needs besides the tree. Nothing is loaded any more: evaluation is pure and synchronous. */
export interface Evaluation {
  readonly query: string;
  readonly range: StepRange;
  readonly loaded: ReadonlyMap<VectorSelector, LoadedSelector>;
  readonly lookbackMs: number;
  /** The step of a subquery that names none. */
  readonly subqueryStepMs: number;
  /** A vector may not have more cells (series times steps) than this. */
  readonly maxSamples: number;
  readonly annotations: Annotations;
  readonly durations: DurationContext;
  /** Throws when the query was given up. */
  readonly checkAborted: () => void;
}

export function loadedOf(evaluation: Evaluation, selector: VectorSelector): LoadedSelector {
  const loaded = evaluation.loaded.get(selector);
  if (loaded === undefined) throw new TypeError('a selector was not loaded before evaluating');
  return loaded;
}

export function checkSize(cells: number, span: Span, { query, maxSamples }: Evaluation): void {
  if (cells > maxSamples) throw tooManySamples(positionOf(query, span));
}

export function tooManySamples(position?: ReturnType<typeof positionOf>): QueryError {
  const message = 'query processing would load too many samples into memory in query execution';
  return new QueryError('execution', message, position);
}
