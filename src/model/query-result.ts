import type { HistogramValue } from './histogram-value.ts';
import type { Labels } from './labels.ts';
import type { SampledSeries } from './series.ts';
import type { Millis } from './time.ts';

/** One element of an instant vector. */
export interface VectorSample {
  readonly labels: Labels;
  readonly time: Millis;
  /** NaN where there is a histogram. */
  readonly value: number;
  readonly histogram?: HistogramValue | undefined;
}

/** A series of a matrix. Its floats and its histograms stand apart, each in order of time. */
export interface ResultSeries extends SampledSeries {
  readonly histograms?: HistogramSamples | undefined;
}

export interface HistogramSamples {
  readonly times: Float64Array;
  readonly values: readonly HistogramValue[];
}

export type QueryValue =
  | { readonly kind: 'scalar'; readonly time: Millis; readonly value: number }
  | { readonly kind: 'string'; readonly time: Millis; readonly value: string }
  | { readonly kind: 'vector'; readonly samples: readonly VectorSample[] }
  | { readonly kind: 'matrix'; readonly series: readonly ResultSeries[] };

/** The answer to a query. Annotations are in Prometheus's words and end with `(line:column)`. */
export interface QueryResult {
  readonly value: QueryValue;
  readonly warnings: readonly string[];
  readonly infos: readonly string[];
}

/** The instants at which a range query is evaluated: `start`, `start + stepMs`, … up to `end`. */
export interface StepRange {
  readonly start: Millis;
  readonly end: Millis;
  readonly stepMs: number;
}
