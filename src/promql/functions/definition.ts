import type { HistogramValue } from '../../model/histogram-value.ts';
import type { StepRange } from '../../model/query-result.ts';
import type { Millis } from '../../model/time.ts';
import type { Annotations } from '../annotations.ts';
import type { CallExpr, Expr } from '../ast.ts';
import type { QueryError } from '../errors.ts';
import type { Span } from '../span.ts';
import type { Grid, Value } from '../value.ts';
import type { Run } from '../windows.ts';
import type { Work } from '../work.ts';

/** The samples that one step of a range function sees: `from` to `to` (exclusive) of the columns. Reused from step to step. */
export interface Window {
  times: Float64Array;
  values: Float64Array;
  from: number;
  to: number;
  /** The window is (start, end]. With `anchored` and `smoothed`, samples outside of it are there too. */
  start: Millis;
  end: Millis;
  /** The instant of the step, which `@` and `offset` do not move. */
  time: Millis;
  modifier: 'anchored' | 'smoothed' | undefined;
  /** The scalar arguments at this step. */
  readonly scalars: number[];
}

/**
 * A window in which samples may be histograms: `histograms` stands beside `times` and has them where they are. Starts
 * count in ms; 0 is unset.
 */
export interface MixedWindow extends Window {
  histograms: readonly (HistogramValue | undefined)[];
  starts: Float64Array | undefined;
  /** How many of its samples are histograms. */
  histogramCount: number;
}

export interface MixedContext {
  /** What annotations point at: the first argument of the function. */
  readonly arg: Expr;
  /** Of the series. */
  readonly metricName: string;
  readonly annotations: Annotations;
}

/** The result for one window, or undefined if there is none. */
export type MixedFunction = (window: MixedWindow, context: MixedContext) => number | HistogramValue | undefined;

/** Writes the result for one window to `out[at]`. False if there is none. */
export type RangeFunction = (window: Window, out: Float64Array, at: number) => boolean;

/** The windows of all steps: step `i` sees the samples in (ends[i] - rangeMs, ends[i]]. The ends never descend. */
export interface Windows {
  readonly ends: Float64Array;
  readonly rangeMs: number;
  /** What a function found out about the run before, of use where the next one has the same times. */
  layout?: WindowLayout;
}

/** Which samples of a run the windows of all steps have, and what follows from their times alone. */
export interface WindowLayout {
  times: Float64Array;
  from: number;
  to: number;
  /** Of each step, the first and the last sample; the first is -1 where there are less than two. */
  readonly firsts: Int32Array;
  readonly lasts: Int32Array;
  /** Seconds between those two, and to the window's start and its end, as far as the change is extended. */
  readonly sampled: Float64Array;
  readonly toStart: Float64Array;
  readonly toEnd: Float64Array;
  /** By what the change is multiplied, where a counter does not cross zero before the window's start. */
  readonly factors: Float64Array;
  readonly factorsPerSecond: Float64Array;
  /** At how many steps there are two samples. */
  found: number;
  /** Whether any change is extended further back than its samples reach. */
  reaches: boolean;
}

/** Where a row's results go: `values` and, for each step, `present` (0 or 1), from index `at` on. */
export interface RowTarget {
  readonly values: Float64Array;
  readonly present: Uint8Array;
  readonly at: number;
}

/** A range function at all steps of one series. Returns at how many steps there is a result. */
export type RunFunction = (run: Run, windows: Windows, target: RowTarget) => number;

export interface CallContext {
  readonly call: CallExpr;
  readonly grid: Grid;
  /** The whole query's range, whatever subquery the call stands in. */
  readonly query: StepRange;
  readonly annotations: Annotations;
  error(span: Span, message: string): QueryError;
  /**
   * Before memory is taken for so many cells, where a result has more of them than the arguments.
   * @throws {QueryError} If the query holds too many.
   */
  hold(cells: number): void;
}

export type Implementation =
  /** Value by value; the name is dropped. */
  | { readonly kind: 'each'; readonly compute: (value: number) => number }
  /** Histogram by histogram; the name is dropped, and so are floats. */
  | { readonly kind: 'histogram'; readonly compute: (histogram: HistogramValue) => number }
  /** Window by window over the one range vector among the arguments. */
  | {
      readonly kind: 'range';
      readonly compute: RangeFunction;
      /** The same at all steps in one go, where there is a faster way. Not asked where there is a modifier. */
      readonly overRun?: RunFunction;
      /** Of a window with histograms or starts. Left out: histograms are not seen, and windows without floats have no result. */
      readonly mixed?: MixedFunction;
      readonly keepsName?: boolean;
      /** Looks at the scalar arguments of each window that has samples, before they are looked at: warns, or throws. */
      readonly check?: (scalars: readonly number[], hasFloats: boolean, context: CallContext) => void;
    }
  /** All steps at once. */
  | { readonly kind: 'whole'; readonly compute: (args: readonly Value[], context: CallContext) => Value }
  /** All steps at once, and worth a rest in between. */
  | { readonly kind: 'pieces'; readonly compute: (args: readonly Value[], context: CallContext) => Work<Value> }
  /** Needs more than its arguments' values: `evaluate` does it itself. */
  | { readonly kind: 'evaluator' }
  /** Parsed and checked, not evaluated yet. */
  | { readonly kind: 'missing' };
