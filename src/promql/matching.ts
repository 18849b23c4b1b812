import { type Labels, labelsKey, labelValue, METRIC_NAME } from '../model/labels.ts';
import { operate } from './arithmetic.ts';
import { type BinaryExpr, isComparison, type SetOp, type VectorMatching } from './ast.ts';
import { put } from './binary.ts';
import type { QueryError } from './errors.ts';
import type { CallContext } from './functions/definition.ts';
import { groupKeys, groupLabels } from './groups.ts';
import { type Element, type ElementOperation, elementOperation } from './histograms/elements.ts';
import { PLAIN_LABEL } from './print.ts';
import { grown } from './reduce.ts';
import { quote } from './unquote.ts';
import {
  emptyVector,
  type Head,
  HISTOGRAM,
  type HistogramCells,
  mergeRows,
  pickLabels,
  type Vector,
  withLabel,
  withoutEmptyRows,
  withoutMetadata,
} from './value.ts';
import { PIECE_CELLS, rowsPerPiece, type Work } from './work.ts';

export type MatchingContext = Pick<CallContext, 'grid' | 'error' | 'annotations' | 'hold'>;

/** Rows of both sides that share the labels they are matched by. */
interface Group {
  readonly labels: Labels;
  readonly many: number[];
  readonly one: number[];
}

/** What is wrong with a match. Prometheus tells the first step's, and of those the "one" side's before any match. */
interface Fault {
  readonly step: number;
  /** Of the second series of the "one" side. A match has infinity. */
  readonly row: number;
  readonly error: QueryError;
}

const FILLED = -1;
/** A pair that met and did not satisfy the comparison: in place of `present` until the end. */
const UNMET = 3;

/** Arithmetic and comparison between two vectors. */
export function* vectorBinary(expr: BinaryExpr, left: Vector, right: Vector, context: MatchingContext): Work<Vector> {
  const { matching, op, bool } = expr;
  const { steps } = context.grid;
  const swapped = matching.group === 'right';
  const many = swapped ? right : left;
  const one = swapped ? left : right;
  // As Prometheus has it, `fill_left` is the many side's with `group_right` too.
  const manyFill = matching.fillLeft;
  const oneFill = matching.fillRight;
  const filled = manyFill !== undefined || oneFill !== undefined;
  const anyMany = yield* anyAt(many, steps);
  const anyOne = yield* anyAt(one, steps);

  const mixed = left.histograms !== undefined || right.histograms !== undefined;
  const isTrim = op === '</' || op === '>/';
  const compute = isTrim ? undefined : operate(op);
  const computeElement = mixed || isTrim ? elementOperation(expr, context.annotations) : undefined;
  const filter = isComparison(op) && !bool;
  const groups = yield* groupsOf(many, one, matching);
  const out = outputOf(expr, many, one, context);
  let met = 0;
  let fault: Fault | undefined;
  const blame = (step: number, row: number, error: () => QueryError): void => {
    const isFirst = fault === undefined || step < fault.step || (step === fault.step && row < fault.row);
    if (isFirst) fault = { step, row, error: error() };
  };
  const meet = (group: Group, manyRow: number, oneRow: number, step: number): void => {
    const operated = computeElement && operateElements(computeElement, manyRow, oneRow, step);
    if (computeElement !== undefined && operated === undefined) return;
    const cell = out.rowOf(group, manyRow, oneRow) * steps + step;
    if (out.present[cell] !== 0 || (matching.group === 'none' && met > 0)) {
      blame(step, Number.POSITIVE_INFINITY, () => notUnique(expr, context));
      return;
    }
    met++;
    if (operated !== undefined) {
      const element = bool ? Number(operated.met) : operated.value;
      out.present[cell] = operated.met || bool ? put(element, cell, out.values, out.histograms) : UNMET;
      return;
    }
    const a = manyRow === FILLED ? manyFill! : many.values[manyRow * steps + step]!;
    const b = oneRow === FILLED ? oneFill! : one.values[oneRow * steps + step]!;
    const result = swapped ? compute!(b, a) : compute!(a, b);
    out.values[cell] = filter ? (swapped ? b : a) : result;
    out.present[cell] = filter && result === 0 ? UNMET : 1;
  };
  const elementAt = (vector: Vector, row: number, step: number): Element => {
    if (row === FILLED) return vector === many ? manyFill! : oneFill!;
    const cell = row * steps + step;
    return vector.present[cell] === HISTOGRAM ? vector.histograms![cell]! : vector.values[cell]!;
  };
  const operateElements = (operation: ElementOperation, manyRow: number, oneRow: number, step: number) => {
    const a = elementAt(many, manyRow, step);
    const b = elementAt(one, oneRow, step);
    return swapped ? operation(b, a) : operation(a, b);
  };

  const piece = rowsPerPiece(steps);
  let mayMerge = matching.group !== 'none' || matching.labels.includes(METRIC_NAME);
  let rows = 0;
  let looked = 0;
  for (const group of groups) {
    rows += group.many.length + 1;
    if (rows > piece) {
      rows = 0;
      yield;
    }
    if (group.many.length > 1 || group.one.length > 1) mayMerge = true;
    const members = group.many.length + group.one.length;
    for (let step = 0; step <= (fault?.step ?? steps - 1); step++) {
      if (!filled && (anyMany[step] === 0 || anyOne[step] === 0)) continue;
      looked += members;
      if (looked > PIECE_CELLS) {
        looked = 0;
        yield;
      }
      const [oneRow, twin] = presentOf(group, one, step, steps);
      if (twin !== undefined) {
        blame(step, twin, () => twinsError(group, one, [oneRow!, twin], expr, context));
        break;
      }
      met = 0;
      for (const manyRow of group.many) {
        if (many.present[manyRow * steps + step] === 0) continue;
        if (oneRow !== undefined) meet(group, manyRow, oneRow, step);
        else if (oneFill !== undefined) meet(group, manyRow, FILLED, step);
      }
      if (met === 0 && manyFill !== undefined && oneRow !== undefined) meet(group, FILLED, oneRow, step);
    }
  }
  if (fault !== undefined) throw fault.error;
  const result = yield* assembled(out.heads, out, steps, mixed);
  return mayMerge ? yield* mergeRows(result, steps, () => overlapError(expr, context)) : result;
}

/** The rows of the result, which grow as pairs meet. */
function outputOf(expr: BinaryExpr, many: Vector, one: Vector, { grid: { steps }, hold }: MatchingContext) {
  const chosen = new Set(expr.matching.labels);
  const rowOfPair = new Map<number, number>();
  const rowsOfGroup = new Map<Group, Map<string, number>>();
  const heads: Head[] = [];
  const histograms: HistogramCells = [];
  const out = { heads, values: new Float64Array(steps), present: new Uint8Array(steps), histograms, rowOf };

  /** Pairs of one group that give equal labels share a row, so that series which take turns do not multiply. */
  function rowOf(group: Group, manyRow: number, oneRow: number): number {
    const pair = (manyRow + 1) * (one.heads.length + 1) + oneRow + 1;
    const known = rowOfPair.get(pair);
    if (known !== undefined) return known;
    const manyLabels = manyRow === FILLED ? group.labels : many.heads[manyRow]!.labels;
    const oneLabels = oneRow === FILLED ? group.labels : one.heads[oneRow]!.labels;
    const labels = resultLabels(manyLabels, oneLabels, expr, chosen);
    const row = sharedRow(group, labels) ?? heads.length;
    rowOfPair.set(pair, row);
    if (row === heads.length) addRow(labels);
    return row;
  }

  function sharedRow(group: Group, labels: Labels): number | undefined {
    const { fillLeft, fillRight } = expr.matching;
    const single = group.many.length === 1 && group.one.length === 1;
    if (single && fillLeft === undefined && fillRight === undefined) return undefined;
    const rows = rowsOfGroup.get(group) ?? new Map<string, number>();
    rowsOfGroup.set(group, rows);
    const key = labelsKey(labels);
    const row = rows.get(key);
    if (row === undefined) rows.set(key, heads.length);
    return row;
  }

  function addRow(labels: Labels): void {
    hold(steps);
    heads.push({ labels, dropName: expr.bool });
    if (heads.length * steps <= out.values.length) return;
    out.values = grown(out.values, 2 * out.values.length);
    out.present = grown(out.present, 2 * out.present.length);
  }

  return out;
}

/** `and`, `or`, `unless`: whole elements of one side by the presence of the other. */
export function* setBinary(
  { op, matching, span }: BinaryExpr & { readonly op: SetOp },
  left: Vector,
  right: Vector,
  { grid, error, hold }: MatchingContext,
): Work<Vector> {
  const { steps } = grid;
  hold(op === 'or' ? left.values.length + right.values.length : left.values.length);
  const ordinals = new Map<string, number>();
  const signature = groupKeys(matching.labels, !matching.on);
  const keyPiece = rowsPerPiece(1);
  const ordinalsOf = function* ({ heads }: Vector): Work<number[]> {
    const found: number[] = [];
    for (let row = 0; row < heads.length; row++) {
      const key = signature(heads[row]!.labels);
      const known = ordinals.get(key);
      if (known === undefined) ordinals.set(key, ordinals.size);
      found.push(known ?? ordinals.size - 1);
      if (row % keyPiece === keyPiece - 1) yield;
    }
    return found;
  };
  const leftOrdinals = yield* ordinalsOf(left);
  const rightOrdinals = yield* ordinalsOf(right);
  const other = op === 'or' ? left : right;
  const there = yield* presence(other, op === 'or' ? leftOrdinals : rightOrdinals, ordinals.size, steps);
  const piece = rowsPerPiece(steps);
  const kept = function* (vector: Vector, own: number[], wanted: 0 | 1): Work<Uint8Array> {
    const present = vector.present.slice();
    for (let row = 0; row < own.length; row++) {
      const ordinal = own[row]!;
      for (let step = 0; step < steps; step++) {
        if ((there[ordinal * steps + step] === 0) === (wanted === 1)) present[row * steps + step] = 0;
      }
      if (row % piece === piece - 1) yield;
    }
    return present;
  };
  if (op !== 'or') {
    const present = yield* kept(left, leftOrdinals, op === 'and' ? 1 : 0);
    const copy = { ...left, values: left.values.slice(), present, histograms: left.histograms?.slice() };
    return yield* withoutEmptyRows(copy, steps);
  }
  const mixed = left.histograms !== undefined || right.histograms !== undefined;
  const out = emptyVector([...left.heads, ...right.heads], steps, mixed);
  left.histograms?.forEach((histogram, cell) => {
    out.histograms![cell] = histogram;
  });
  right.histograms?.forEach((histogram, cell) => {
    out.histograms![left.values.length + cell] = histogram;
  });
  out.values.set(left.values);
  out.values.set(right.values, left.values.length);
  out.present.set(left.present);
  out.present.set(yield* kept(right, rightOrdinals, 0), left.present.length);
  const present = yield* withoutEmptyRows(out, steps);
  return yield* mergeRows(present, steps, () => {
    if (!grid.instant) throw error(span, 'vector cannot contain metrics with the same labelset');
  });
}

function* groupsOf(many: Vector, one: Vector, { on, labels: names }: VectorMatching): Work<readonly Group[]> {
  const groups = new Map<string, Group>();
  const keyOf = groupKeys(names, !on);
  const chosen = new Set(names);
  const piece = rowsPerPiece(1);
  for (const side of ['many', 'one'] as const) {
    const { heads } = side === 'many' ? many : one;
    for (let row = 0; row < heads.length; row++) {
      if (row % piece === piece - 1) yield;
      const { labels } = heads[row]!;
      const key = keyOf(labels);
      let group = groups.get(key);
      if (group === undefined) {
        group = { labels: groupLabels(labels, chosen, !on), many: [], one: [] };
        groups.set(key, group);
      }
      group[side].push(row);
    }
  }
  return [...groups.values()];
}

/** The row of the "one" side at a step, if any, and the second one, which must not be there. */
function presentOf(
  group: Group,
  one: Vector,
  step: number,
  steps: number,
): readonly [row: number | undefined, twin?: number] {
  let found: number | undefined;
  for (const row of group.one) {
    if (one.present[row * steps + step] === 0) continue;
    if (found !== undefined) return [found, row];
    found = row;
  }
  return [found];
}

/** Two rows of the "one" side are an error, whether the other side has any or not. */
function twinsError(
  group: Group,
  one: Vector,
  rows: readonly [number, number],
  { matching, span }: BinaryExpr,
  { error }: MatchingContext,
): QueryError {
  const twins = rows.map((row) => formatSeries(one.heads[row]!.labels)).sort();
  const side = matching.group === 'right' ? 'left' : 'right';
  const message =
    `found duplicate series for the match group ${formatSeries(group.labels)} on the ${side} hand-side of the ` +
    `operation: [${twins.join(', ')}];many-to-many matching not allowed: matching labels must be unique on one side`;
  return error(span, message);
}

/** Without grouping all rows of a group count as equal: there may be one of them at a step. */
function notUnique({ matching, span }: BinaryExpr, { error }: MatchingContext): QueryError {
  const message =
    matching.group === 'none'
      ? 'many-to-one matching must be explicit (group_left/group_right)'
      : 'grouping labels must ensure unique matches';
  return error(span, `multiple matches for labels: ${message}`);
}

function resultLabels(many: Labels, one: Labels, { op, matching }: BinaryExpr, chosen: ReadonlySet<string>): Labels {
  const keepsName = isComparison(op) || op === '</' || op === '>/';
  let labels = keepsName ? many : withoutMetadata(many);
  if (matching.group === 'none') labels = pickLabels(labels, chosen, matching.on);
  for (const name of matching.include) labels = withLabel(labels, name, labelValue(one, name));
  return labels;
}

function* assembled(
  heads: readonly Head[],
  { values, present, histograms }: Pick<Vector, 'values' | 'present'> & { readonly histograms: HistogramCells },
  steps: number,
  mixed: boolean,
): Work<Vector> {
  const cells = heads.length * steps;
  for (let cell = 0; cell < cells; cell++) {
    if (present[cell] === UNMET) present[cell] = 0;
    if (cell % PIECE_CELLS === 0) yield;
  }
  histograms.length = mixed ? cells : 0;
  const vector = {
    ...{ values: values.subarray(0, cells), present: present.subarray(0, cells) },
    histograms: mixed ? histograms : undefined,
  };
  return yield* withoutEmptyRows({ kind: 'vector', heads, ...vector }, steps);
}

/** In an instant query, equal label sets may still come apart by the end; in a range query they cannot. */
function overlapError({ span }: BinaryExpr, { grid, error }: MatchingContext): void {
  if (!grid.instant) throw error(span, 'vector cannot contain metrics with the same labelset');
}

function* presence({ present }: Vector, ordinals: readonly number[], count: number, steps: number): Work<Uint8Array> {
  const there = new Uint8Array(count * steps);
  const piece = rowsPerPiece(steps);
  for (let row = 0; row < ordinals.length; row++) {
    const base = ordinals[row]! * steps;
    for (let step = 0; step < steps; step++) if (present[row * steps + step] !== 0) there[base + step] = 1;
    if (row % piece === piece - 1) yield;
  }
  return there;
}

function* anyAt({ present }: Vector, steps: number): Work<Uint8Array> {
  const any = new Uint8Array(steps);
  for (let cell = 0, step = 0; cell < present.length; cell++) {
    if (present[cell] !== 0) any[step] = 1;
    if (++step === steps) step = 0;
    if (cell % PIECE_CELLS === 0) yield;
  }
  return any;
}

/** With the name among the labels, as Prometheus lists series in this error. */
function formatSeries(labels: Labels): string {
  const named = labels.map(([name, value]) => `${PLAIN_LABEL.test(name) ? name : quote(name)}=${quote(value)}`);
  return `{${named.join(', ')}}`;
}
