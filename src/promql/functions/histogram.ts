import { labelsKey, labelValue, METRIC_NAME } from '../../model/labels.ts';
import { formatInstant } from '../../model/time.ts';
import type { Expr } from '../ast.ts';
import { formatFloat, parseFloatLabel } from '../format-float.ts';
import { emptyVector, type Head, timeOf, type Value, type Vector, withLabel, withoutEmptyRows } from '../value.ts';
import type { Work } from '../work.ts';
import { scalarArg, stringArg, vectorArg } from './arguments.ts';
import { type Bucket, bucketFraction, bucketQuantile } from './buckets.ts';
import type { CallContext } from './definition.ts';

/** The rows of one classic histogram and their upper bounds. */
interface Histogram {
  readonly head: Head;
  readonly rows: number[];
  readonly uppers: number[];
}

/** Some hundred microseconds of work at the usual dozen of buckets. */
const HISTOGRAMS_PER_PIECE = 256;

export function* histogramQuantile(args: readonly Value[], context: CallContext): Work<Vector> {
  const q = scalarArg(args, 0);
  const { call } = context;
  checkQuantiles(q, call.args[0]!, context);
  const histograms = histogramsOf(vectorArg(args, 1), call.args[1]!, context);
  return yield* evaluate(vectorArg(args, 1), histograms, context, (buckets, step, head) =>
    quantileAt(q[step]!, buckets, { head, step, arg: call.args[1]! }, context),
  );
}

/** Several quantiles at once, told apart by a label. */
export function* histogramQuantiles(args: readonly Value[], context: CallContext): Work<Vector> {
  const vector = vectorArg(args, 0);
  const label = stringArg(args, 1);
  const { call } = context;
  const histograms = histogramsOf(vector, call.args[0]!, context);
  const parts: Vector[] = [];
  for (let i = 0; i < args.length - 2; i++) {
    const q = scalarArg(args, i + 2);
    checkQuantiles(q, call.args[i + 2]!, context);
    const named = histograms.map(({ head, rows, uppers }) => {
      const text = Number.isInteger(q[0]!) ? `${formatFloat(q[0]!)}.0` : formatFloat(q[0]!);
      return { head: { labels: withLabel(head.labels, label, text), dropName: true }, rows, uppers };
    });
    const part = evaluate(vector, named, context, (buckets, step, head) =>
      quantileAt(q[step]!, buckets, { head, step, arg: call.args[0]! }, context),
    );
    parts.push(yield* part);
  }
  return joined(parts, context.grid.steps);
}

export function* histogramFraction(args: readonly Value[], context: CallContext): Work<Vector> {
  const lower = scalarArg(args, 0);
  const upper = scalarArg(args, 1);
  const vector = vectorArg(args, 2);
  const histograms = histogramsOf(vector, context.call.args[2]!, context);
  return yield* evaluate(vector, histograms, context, (buckets, step) =>
    bucketFraction(lower[step]!, upper[step]!, buckets),
  );
}

function* evaluate(
  { values, present }: Vector,
  histograms: readonly Histogram[],
  { grid }: CallContext,
  compute: (buckets: Bucket[], step: number, head: Head) => number,
): Work<Vector> {
  const { steps } = grid;
  const out = emptyVector(
    histograms.map(({ head }) => head),
    steps,
  );
  for (const [index, { head, rows, uppers }] of histograms.entries()) {
    for (let step = 0; step < steps; step++) {
      if (step % HISTOGRAMS_PER_PIECE === 0) yield;
      const buckets: Bucket[] = [];
      for (let i = 0; i < rows.length; i++) {
        const cell = rows[i]! * steps + step;
        if (present[cell] === 1) buckets.push({ upper: uppers[i]!, count: values[cell]! });
      }
      if (buckets.length === 0) continue;
      out.values[index * steps + step] = compute(buckets, step, head);
      out.present[index * steps + step] = 1;
    }
  }
  return withoutEmptyRows(out, steps);
}

function histogramsOf({ heads }: Vector, arg: Expr, { annotations }: CallContext): readonly Histogram[] {
  const histograms = new Map<string, Histogram>();
  heads.forEach(({ labels }, row) => {
    const le = labelValue(labels, 'le');
    const upper = parseFloatLabel(le);
    if (upper === undefined) {
      const name = labelValue(labels, METRIC_NAME);
      const message = `bucket label "le" is missing or has a malformed value of ${JSON.stringify(le)}`;
      annotations.warn(`${message}${ofMetric(name)}`, arg.span);
      return;
    }
    const rest = withLabel(labels, 'le', '');
    const key = labelsKey(rest);
    let histogram = histograms.get(key);
    if (histogram === undefined) {
      histogram = { head: { labels: rest, dropName: true }, rows: [], uppers: [] };
      histograms.set(key, histogram);
    }
    histogram.rows.push(row);
    histogram.uppers.push(upper);
  });
  return [...histograms.values()];
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
  const bounds = `from buckets ${formatFloat(lowest)} to ${formatFloat(highest)}`;
  const size = `with a max diff of ${Number(largest.toPrecision(2))}, at ${formatInstant(timeOf(grid, step))}`;
  const name = labelValue(head.labels, METRIC_NAME);
  annotations.info(`${message}${ofMetric(name)}`, arg.span, `, ${bounds}, ${size}`);
  return value;
}

export function checkQuantiles(values: Float64Array, arg: Expr, { annotations }: CallContext): void {
  for (const q of values) {
    if (q >= 0 && q <= 1) continue;
    annotations.warn(`quantile value should be between 0 and 1, got ${formatFloat(q)}`, arg.span);
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
