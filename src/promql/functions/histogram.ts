import type { HistogramValue } from '../../model/histogram-value.ts';
import { type Labels, labelsKey, labelValue, METRIC_NAME } from '../../model/labels.ts';
import { formatInstant, type Millis } from '../../model/time.ts';
import type { Details } from '../annotations.ts';
import type { Expr } from '../ast.ts';
import { formatGeneral, parseFloatLabel } from '../format-float.ts';
import { histogramFractionOf, histogramQuantileOf, type NanEffect } from '../histograms/quantile.ts';
import {
  emptyVector,
  type Head,
  HISTOGRAM,
  mergeRows,
  timeOf,
  type Value,
  type Vector,
  withLabel,
  withoutEmptyRows,
} from '../value.ts';
import type { Work } from '../work.ts';
import { scalarArg, stringArg, vectorArg } from './arguments.ts';
import { type Bucket, bucketFraction, bucketQuantile, type Mending } from './buckets.ts';
import type { CallContext } from './definition.ts';

/** The rows of one classic histogram and their upper bounds, and the row that may have it as a native one. */
interface Histogram {
  readonly head: Head;
  readonly rows: number[];
  readonly uppers: number[];
  native: number | undefined;
}

/** What is computed of a histogram of either kind at a step. */
interface Computation {
  readonly arg: Expr;
  readonly ofBuckets: (buckets: Bucket[], step: number, head: Head) => number;
  readonly ofNative: (histogram: HistogramValue, step: number) => { readonly value: number; readonly nan?: NanEffect };
}

/** Some hundred microseconds of work at the usual dozen of buckets. */
const HISTOGRAMS_PER_PIECE = 256;

export function* histogramQuantile(args: readonly Value[], context: CallContext): Work<Vector> {
  const q = scalarArg(args, 0);
  const { call } = context;
  checkQuantiles(q, call.args[0]!, context);
  const histograms = histogramsOf(vectorArg(args, 1), call.args[1]!, context);
  return yield* evaluate(vectorArg(args, 1), histograms, context, quantileComputation(q, call.args[1]!, context));
}

/** Several quantiles at once, told apart by a label. */
export function* histogramQuantiles(args: readonly Value[], context: CallContext): Work<Vector> {
  const vector = vectorArg(args, 0);
  const label = stringArg(args, 1);
  const { call } = context;
  // Prometheus ends such a query with a fault of its own.
  if (label === '') throw context.error(call.span, 'invalid label name "" in histogram_quantiles()');
  const histograms = histogramsOf(vector, call.args[0]!, context);
  const parts: Vector[] = [];
  for (let i = 0; i < args.length - 2; i++) {
    const q = scalarArg(args, i + 2);
    checkQuantiles(q, call.args[i + 2]!, context);
    context.hold(histograms.length * context.grid.steps);
    const part = yield* evaluate(vector, histograms, context, quantileComputation(q, call.args[0]!, context));
    parts.push(yield* namedByQuantile(part, q, label, context));
  }
  const { steps } = context.grid;
  return yield* mergeRows(joined(parts, steps), steps, () => {
    // What is equal at an instant may still come apart by the end.
    if (!context.grid.instant) throw context.error(call.span, 'vector cannot contain metrics with the same labelset');
  });
}

/** Each row with the quantile as a label: where the quantile changes from step to step, one row for each of them. */
function* namedByQuantile(vector: Vector, q: Float64Array, label: string, { grid, hold }: CallContext): Work<Vector> {
  const { steps } = grid;
  const named = (row: number, text: string): Head => {
    return { labels: withLabel(vector.heads[row]!.labels, label, text), dropName: true };
  };
  if (q.every((each) => Object.is(each, q[0]))) {
    const text = quantileLabel(q[0]!);
    return { ...vector, heads: vector.heads.map((_, row) => named(row, text)) };
  }
  const texts = Array.from(q, quantileLabel);
  const rowsOf: ReadonlyMap<string, number>[] = [];
  const heads: Head[] = [];
  for (let row = 0; row < vector.heads.length; row++) {
    yield;
    const rows = new Map<string, number>();
    for (let step = 0; step < steps; step++) {
      const text = texts[step]!;
      if (vector.present[row * steps + step] === 0 || rows.has(text)) continue;
      hold(steps);
      rows.set(text, heads.length);
      heads.push(named(row, text));
    }
    rowsOf.push(rows);
  }
  const out = emptyVector(heads, steps);
  for (const [row, rows] of rowsOf.entries()) {
    yield;
    for (let step = 0; step < steps; step++) {
      const from = row * steps + step;
      if (vector.present[from] === 0) continue;
      const to = rows.get(texts[step]!)! * steps + step;
      out.values[to] = vector.values[from]!;
      out.present[to] = 1;
    }
  }
  return out;
}

/** As the label of a quantile has it: `0.5`, `1.0`, `0.0` with either sign, `1.2345678e+07`, `NaN`. */
function quantileLabel(q: number): string {
  const text = formatGeneral(q === 0 ? 0 : q);
  return Number.isFinite(q) && !/[.e]/.test(text) ? `${text}.0` : text;
}

export function* histogramFraction(args: readonly Value[], context: CallContext): Work<Vector> {
  const lower = scalarArg(args, 0);
  const upper = scalarArg(args, 1);
  const vector = vectorArg(args, 2);
  const histograms = histogramsOf(vector, context.call.args[2]!, context);
  return yield* evaluate(vector, histograms, context, {
    arg: context.call.args[2]!,
    ofBuckets: (buckets, step) => bucketFraction(lower[step]!, upper[step]!, buckets),
    ofNative: (histogram, step) => histogramFractionOf(lower[step]!, upper[step]!, histogram),
  });
}

function quantileComputation(q: Float64Array, arg: Expr, context: CallContext): Computation {
  return {
    arg,
    ofBuckets: (buckets, step, head) => quantileAt(q[step]!, buckets, { head, step, arg }, context),
    ofNative: (histogram, step) => histogramQuantileOf(q[step]!, histogram),
  };
}

function* evaluate(
  { values, present, histograms: natives }: Vector,
  histograms: readonly Histogram[],
  { grid, annotations }: CallContext,
  { arg, ofBuckets, ofNative }: Computation,
): Work<Vector> {
  const { steps } = grid;
  const out = emptyVector(
    histograms.map(({ head }) => head),
    steps,
  );
  for (const [index, { head, rows, uppers, native }] of histograms.entries()) {
    const name = ofMetric(labelValue(head.labels, METRIC_NAME));
    for (let step = 0; step < steps; step++) {
      if (step % HISTOGRAMS_PER_PIECE === 0) yield;
      const buckets: Bucket[] = [];
      for (let i = 0; i < rows.length; i++) {
        const cell = rows[i]! * steps + step;
        if (present[cell] === 1) buckets.push({ upper: uppers[i]!, count: values[cell]! });
      }
      const nativeCell = native === undefined ? -1 : native * steps + step;
      if (present[nativeCell] === HISTOGRAM) {
        if (buckets.length > 0) {
          annotations.warn(`vector contains a mix of classic and native histograms${name}`, arg.span);
          continue;
        }
        const { value, nan } = ofNative(natives![nativeCell]!, step);
        if (nan !== undefined) annotations.info(`${NAN_EFFECTS[nan]}${name}`, arg.span);
        out.values[index * steps + step] = value;
        out.present[index * steps + step] = 1;
        continue;
      }
      if (buckets.length === 0) continue;
      out.values[index * steps + step] = ofBuckets(buckets, step, head);
      out.present[index * steps + step] = 1;
    }
  }
  return yield* withoutEmptyRows(out, steps);
}

const NAN_EFFECTS: Readonly<Record<NanEffect, string>> = {
  result: 'input to histogram_quantile has NaN observations, result is NaN',
  skew: 'input to histogram_quantile has NaN observations, result is skewed higher',
  excluded: 'input to histogram_fraction has NaN observations, which are excluded from all fractions',
};

function histogramsOf(vector: Vector, arg: Expr, { annotations, grid }: CallContext): readonly Histogram[] {
  const { heads } = vector;
  const histograms = new Map<string, Histogram>();
  const histogramOf = (labels: Labels): Histogram => {
    const key = labelsKey(labels);
    let histogram = histograms.get(key);
    if (histogram === undefined) {
      histogram = { head: { labels, dropName: true }, rows: [], uppers: [], native: undefined };
      histograms.set(key, histogram);
    }
    return histogram;
  };
  heads.forEach(({ labels }, row) => {
    const { natives, floats } = kindsIn(vector, row, grid.steps);
    if (natives) histogramOf(labels).native = row;
    if (!floats) return;
    const le = labelValue(labels, 'le');
    const upper = parseFloatLabel(le);
    if (upper === undefined) {
      const name = labelValue(labels, METRIC_NAME);
      const message = `bucket label "le" is missing or has a malformed value of ${JSON.stringify(le)}`;
      annotations.warn(`${message}${ofMetric(name)}`, arg.span);
      return;
    }
    const histogram = histogramOf(withLabel(labels, 'le', ''));
    histogram.rows.push(row);
    histogram.uppers.push(upper);
  });
  return [...histograms.values()];
}

/** What a row has, at any step. */
function kindsIn({ present }: Vector, row: number, steps: number) {
  const states = present.subarray(row * steps, (row + 1) * steps);
  return { natives: states.includes(HISTOGRAM), floats: states.includes(1) };
}

function quantileAt(
  q: number,
  buckets: Bucket[],
  { head, step, arg }: { readonly head: Head; readonly step: number; readonly arg: Expr },
  { annotations, grid }: CallContext,
): number {
  const { value, mended } = bucketQuantile(q, buckets);
  if (mended === undefined) return value;
  const { lowest, highest, largest } = mended;
  const docs = 'https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile';
  const message = `input to histogram_quantile needed to be fixed for monotonicity (see ${docs})`;
  const time = timeOf(grid, step);
  const name = labelValue(head.labels, METRIC_NAME);
  const details = mendings([{ lowest, highest, largest, first: time, last: time, count: 1 }]);
  annotations.info(`${message}${ofMetric(name)}`, arg.span, details);
  return value;
}

/** What was mended of one metric's histograms, over some samples. */
interface Mendings extends Mending {
  readonly first: Millis;
  readonly last: Millis;
  readonly count: number;
}

function mendings([first, ...others]: readonly [Mendings, ...Mendings[]]): Details<Mendings> {
  const all = others.reduce(
    (a, b) => ({
      lowest: Math.min(a.lowest, b.lowest),
      highest: Math.max(a.highest, b.highest),
      largest: Math.max(a.largest, b.largest),
      first: Math.min(a.first, b.first),
      last: Math.max(a.last, b.last),
      count: a.count + b.count,
    }),
    first,
  );
  const bounds = `from buckets ${formatGeneral(all.lowest)} to ${formatGeneral(all.highest)}`;
  const size = `with a max diff of ${formatGeneral(all.largest, 2)}`;
  const wholeSecond = (time: Millis) => formatInstant(Math.trunc(time / 1000) * 1000);
  return {
    value: all,
    text: `, ${bounds}, ${size}, over ${all.count} samples from ${wholeSecond(all.first)} to ${wholeSecond(all.last)}`,
    with: (other) => mendings([all, other]),
  };
}

export function checkQuantiles(values: Iterable<number>, arg: Expr, { annotations }: CallContext): void {
  for (const q of values) {
    if (q >= 0 && q <= 1) continue;
    annotations.warn(`quantile value should be between 0 and 1, got ${formatGeneral(q)}`, arg.span);
  }
}

function ofMetric(name: string): string {
  return name === '' ? '' : ` for metric name ${JSON.stringify(name)}`;
}

function joined(parts: readonly Vector[], steps: number): Vector {
  const out = emptyVector(
    parts.flatMap(({ heads }) => heads),
    steps,
  );
  let at = 0;
  for (const { values, present } of parts) {
    out.values.set(values, at);
    out.present.set(present, at);
    at += values.length;
  }
  return out;
}
