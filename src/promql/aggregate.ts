import { hasCustomBuckets } from '../model/histogram-value.ts';
import { type Labels, labelsKey } from '../model/labels.ts';
import type { AggregateExpr } from './ast.ts';
import { bestRows } from './best-rows.ts';
import { formatFloat, formatGeneral } from './format-float.ts';
import type { CallContext } from './functions/definition.ts';
import { groupLabels, groupsOf } from './groups.ts';
import { histogramReducer, ignoredIn } from './histograms/reduce.ts';
import { formatHistogram } from './histograms/text.ts';
import { hashOfLabels } from './labels-hash.ts';
import { grown, type Row, reducerOf } from './reduce.ts';
import type { Rows } from './rows.ts';
import { isLabelName, quote } from './unquote.ts';
import {
  emptyVector,
  floatsOf,
  HISTOGRAM,
  type HistogramCells,
  type Scalar,
  type Vector,
  withLabel,
  withoutEmptyRows,
} from './value.ts';
import { PIECE_CELLS, rowsPerPiece, type Work } from './work.ts';

/** Cells of a quantile, which sorts its members, are the dearest. */
const CELLS_PER_PIECE = 256;
const HASHES_PER_PIECE = 32;
/** A text is made of each. */
const COUNTED_PER_PIECE = 256;

type AggregationContext = Pick<CallContext, 'grid' | 'annotations' | 'error' | 'hold'>;

/** `sum`, `avg`, `quantile`, …: one series for each group. */
export function* reduceGroups(
  expr: AggregateExpr,
  rows: Rows,
  q: Scalar | undefined,
  context: AggregationContext,
): Work<Vector> {
  const reduction = beginReduction(expr, rows, q, context);
  const piece = rowsPerPiece(context.grid.steps);
  for (let index = 0; index < rows.count; index++) {
    if (index % piece === piece - 1) yield;
    if (rows.ready !== undefined) yield* rows.ready(index);
    reduction.take(index);
  }
  return yield* reduction.finish();
}

/** An aggregation whose rows are taken one by one. */
export interface Reduction {
  /** Reads the row of this index. */
  take(index: number): void;
  finish(): Work<Vector>;
}

/** @param q For `quantile`: which, at each step. */
export function beginReduction(
  expr: AggregateExpr,
  rows: Pick<Rows, 'mixed' | 'read'>,
  q: Scalar | undefined,
  context: AggregationContext,
): Reduction {
  const { steps } = context.grid;
  if (q !== undefined) checkQuantiles(q.values, expr, context);
  const groups = groupsOf(expr);
  const reducer = reducerOf(expr.op, q?.values);
  const row = emptyRow(steps);
  const ofHistograms = rows.mixed ? histogramReducer(expr, context) : undefined;
  const taken: HistogramCells | undefined = rows.mixed ? new Array<undefined>(steps) : undefined;
  let seen = new Uint8Array();
  /** Of each group: whether all its cells have had a value. */
  const filled: boolean[] = [];
  return {
    take(index) {
      const head = rows.read(index, row.values, row.present, 0, taken);
      if (head === undefined) return;
      const known = groups.heads.length;
      const group = groups.ordinalOf(head);
      const base = group * steps;
      if (group === known) context.hold(steps);
      if (base === seen.length) {
        seen = grown(seen, Math.max(steps, 2 * base));
        reducer.grow(seen.length);
      }
      ofHistograms?.take(base, head, row.present, taken!);
      const whole = isWhole(row);
      if (whole && filled[group] === true && reducer.addWhole !== undefined) {
        reducer.addWhole(base, row.values);
        return;
      }
      reducer.add(base, row, seen);
      if (whole) seen.fill(1, base, base + steps);
      else for (let step = 0; step < steps; step++) if (row.present[step] === 1) seen[base + step] = 1;
      filled[group] ||= whole;
    },
    *finish() {
      const cells = groups.heads.length * steps;
      const values = new Float64Array(cells);
      for (let cell = 0, step = 0; cell < cells; cell++) {
        if (seen[cell] === 1) values[cell] = reducer.finish(cell, step);
        if (++step === steps) step = 0;
        if (cell % CELLS_PER_PIECE === 0) yield;
      }
      const present = seen.subarray(0, cells);
      if (ofHistograms === undefined) return { kind: 'vector', heads: groups.heads, values, present };
      const histograms: HistogramCells = new Array<undefined>(cells);
      ofHistograms.finish(present, histograms);
      return yield* withoutEmptyRows({ kind: 'vector', heads: groups.heads, values, present, histograms }, steps);
    },
  };
}

/** Room for one row, whose `present` can be read in words too. */
function emptyRow(steps: number): Row & { readonly words: Uint32Array } {
  const words = new Uint32Array(Math.ceil(steps / 4)).fill(WHOLE_WORD);
  return { values: new Float64Array(steps), present: new Uint8Array(words.buffer, 0, steps), words };
}

/** Four cells that all have a float. */
const WHOLE_WORD = 0x01010101;

function isWhole({ words }: { readonly words: Uint32Array }): boolean {
  for (let i = 0; i < words.length; i++) if (words[i] !== WHOLE_WORD) return false;
  return true;
}

/** `topk` and `bottomk` keep the k greatest or smallest elements of each group, `limitk` the first k. */
export function* limitGroups(expr: AggregateExpr, given: Vector, k: Scalar, context: AggregationContext): Work<Vector> {
  const { steps } = context.grid;
  const counts = checkCounts(k.values, expr, context);
  if (steps > 1) context.hold(given.values.length);
  const vector = expr.op === 'limitk' ? given : floatsOf(given);
  if (vector !== given && given.present.some((state, cell) => state === HISTOGRAM && counts[cell % steps]! >= 1)) {
    context.annotations.info(ignoredIn(expr.op), expr.span);
  }
  const groups = groupsOf(expr);
  const groupOf = vector.heads.map((head) => groups.ordinalOf(head));
  const members: number[][] = groups.heads.map(() => []);
  const present = new Uint8Array(vector.present.length);
  const order: number[] = [];
  for (let step = 0; step < steps; step++) {
    const count = counts[step]!;
    if (count < 1) continue;
    yield;
    for (const list of members) list.length = 0;
    for (let row = 0; row < vector.heads.length; row++) {
      if (vector.present[row * steps + step] !== 0) members[groupOf[row]!]!.push(row);
      if (row % PIECE_CELLS === 0) yield;
    }
    for (const rows of members) {
      const valueAt = (row: number): number => vector.values[row * steps + step]!;
      const chosen =
        expr.op === 'limitk'
          ? rows.slice(0, count)
          : bestRows(rows, count, valueAt, expr.op === 'topk' ? 'greatest' : 'smallest');
      for (const row of chosen) {
        present[row * steps + step] = vector.present[row * steps + step]!;
        if (steps === 1) order.push(row);
      }
    }
  }
  if (steps > 1) return yield* withoutEmptyRows(copied(vector, present), steps);
  return {
    kind: 'vector',
    heads: order.map((row) => vector.heads[row]!),
    values: Float64Array.from(order, (row) => vector.values[row]!),
    present: Uint8Array.from(order, (row) => vector.present[row]!),
    histograms: vector.histograms && order.map((row) => vector.histograms![row]),
  };
}

/**
 * `limit_ratio(r, v)`: about that share of all series, always the same ones; a negative ratio gives those that
 * 1 + r leaves out. Which ones the labels' hash decides, as in Prometheus.
 */
export function* limitRatio(
  expr: AggregateExpr,
  vector: Vector,
  ratio: Scalar,
  context: AggregationContext,
): Work<Vector> {
  const { steps } = context.grid;
  const { span } = expr.parameter!;
  if (ratio.values.some(Number.isNaN)) throw context.error(span, 'Ratio value is NaN');
  const odd = outside(ratio.values, -1, 1);
  if (odd !== undefined) {
    const message = `ratio value should be between -1 and 1, got ${formatGeneral(odd)}, capping to ${Math.sign(odd)}`;
    context.annotations.warn(message, span);
  }
  const ratios = ratio.values.map((given) => Math.max(-1, Math.min(1, given)));
  const present = vector.present.slice();
  for (let row = 0; row < vector.heads.length; row++) {
    if (row % HASHES_PER_PIECE === 0) yield;
    const place = Number(hashOfLabels(vector.heads[row]!.labels)) / 2 ** 64;
    for (let step = 0; step < steps; step++) {
      const wanted = ratios[step]!;
      const kept = wanted >= 0 ? place < wanted : place >= 1 + wanted;
      if (!kept) present[row * steps + step] = 0;
    }
  }
  return yield* withoutEmptyRows(copied(vector, present), steps);
}

/** `count_values("label", v)`: how often each value occurs in each group. */
export function* countValues(
  expr: AggregateExpr,
  vector: Vector,
  label: string,
  context: AggregationContext,
): Work<Vector> {
  const { steps } = context.grid;
  if (!isLabelName(label)) throw context.error(expr.parameter!.span, `invalid label name ${quote(label)}`);
  const names = new Set(expr.without ? expr.grouping : [...expr.grouping, label]);
  const rows = new Map<string, { readonly labels: Labels; readonly counts: Float64Array }>();
  let counted = 0;
  for (let row = 0; row < vector.heads.length; row++) {
    const { labels } = vector.heads[row]!;
    for (let step = 0; step < steps; step++) {
      if (counted++ % COUNTED_PER_PIECE === 0) yield;
      const cell = row * steps + step;
      if (vector.present[cell] === 0) continue;
      const histogram = vector.present[cell] === HISTOGRAM ? vector.histograms![cell] : undefined;
      if (histogram !== undefined && hasCustomBuckets(histogram) && histogram.zeroCount !== 0) {
        // NaN or infinite times what it counts, where there is nothing to count.
        throw context.error(expr.span, 'histograms with custom buckets have no zero bucket');
      }
      const text = histogram === undefined ? formatFloat(vector.values[cell]!) : formatHistogram(histogram);
      const group = groupLabels(withLabel(labels, label, text), names, expr.without);
      const key = labelsKey(group);
      let found = rows.get(key);
      if (found === undefined) {
        context.hold(steps);
        found = { labels: group, counts: new Float64Array(steps) };
        rows.set(key, found);
      }
      found.counts[step]!++;
    }
  }
  const groups = [...rows.values()];
  const out = emptyVector(
    groups.map(({ labels }) => ({ labels, dropName: false })),
    steps,
  );
  const piece = rowsPerPiece(steps);
  for (let row = 0; row < groups.length; row++) {
    const { counts } = groups[row]!;
    out.values.set(counts, row * steps);
    for (let step = 0; step < steps; step++) if (counts[step]! > 0) out.present[row * steps + step] = 1;
    if (row % piece === piece - 1) yield;
  }
  return out;
}

/** The cells of a vector in memory of their own, with others of them present. */
function copied(vector: Vector, present: Uint8Array): Vector {
  return { ...vector, values: vector.values.slice(), present, histograms: vector.histograms?.slice() };
}

function checkCounts(values: Float64Array, { parameter }: AggregateExpr, { error }: AggregationContext): Float64Array {
  const most = values.reduce((a, b) => Math.max(a, Number.isNaN(b) ? a : b), Number.NEGATIVE_INFINITY);
  const { span } = parameter!;
  if (most < 1 && !values.some(Number.isNaN)) return new Float64Array(values.length);
  if (values.some(Number.isNaN)) throw error(span, 'Parameter value is NaN');
  for (const value of values) {
    if (value <= -(2 ** 63)) throw error(span, `Scalar value ${formatGeneral(value)} underflows int64`);
    if (value >= 2 ** 63) throw error(span, `Scalar value ${formatGeneral(value)} overflows int64`);
  }
  return values.map(Math.trunc);
}

function checkQuantiles(values: Float64Array, { parameter }: AggregateExpr, { annotations }: AggregationContext): void {
  const odd = outside(values, 0, 1) ?? (values.some(Number.isNaN) ? Number.NaN : undefined);
  if (odd === undefined) return;
  annotations.warn(`quantile value should be between 0 and 1, got ${formatGeneral(odd)}`, parameter!.span);
}

/** The one that Prometheus tells of all steps' parameters: the smallest, or else the largest, that is out of bounds. */
function outside(values: Float64Array, lower: number, upper: number): number | undefined {
  const numbers = values.filter((value) => !Number.isNaN(value));
  const least = numbers.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const most = numbers.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return least < lower ? least : most > upper ? most : undefined;
}
