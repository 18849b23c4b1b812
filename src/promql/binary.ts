import { operate } from './arithmetic.ts';
import { type BinaryExpr, isComparison } from './ast.ts';
import { mappedRows, withDroppedName } from './functions/arguments.ts';
import type { CallContext } from './functions/definition.ts';
import { type Element, elementOperation } from './histograms/elements.ts';
import { multiplied } from './histograms/scale.ts';
import type { Rows } from './rows.ts';
import { HISTOGRAM, type HistogramCells, type Scalar } from './value.ts';

export function scalarBinary(
  { op, span }: BinaryExpr,
  left: Scalar,
  right: Scalar,
  error: CallContext['error'],
): Scalar {
  if (op === '</' || op === '>/') throw error(span, `operator "${op}" not allowed for Scalar operations`);
  const compute = operate(op);
  return { kind: 'scalar', values: left.values.map((a, step) => compute(a, right.values[step]!)) };
}

/** The values of the scalar at all steps, and where it stands. */
export interface ScalarSide {
  readonly scalar: Float64Array;
  readonly scalarIsLeft: boolean;
}

/**
 * A vector and a scalar, on either side. A comparison keeps the vector's elements that satisfy it, or with `bool`
 * gives 1 or 0 for each.
 */
export function vectorScalarRows(
  expr: BinaryExpr,
  rows: Rows,
  { scalar, scalarIsLeft }: ScalarSide,
  annotations: CallContext['annotations'],
): Rows {
  if (rows.mixed || expr.op === '</' || expr.op === '>/') {
    return mixedRows(expr, rows, { scalar, scalarIsLeft }, annotations);
  }
  const compute = operate(expr.op);
  const filter = isComparison(expr.op) && !expr.bool;
  return {
    count: rows.count,
    mixed: false,
    ready: rows.ready,
    read(row, values, present, at) {
      const head = rows.read(row, values, present, at);
      if (head === undefined) return undefined;
      let found = 0;
      for (let step = 0; step < scalar.length; step++) {
        const cell = at + step;
        if (present[cell] === 0) continue;
        const a = values[cell]!;
        const b = scalar[step]!;
        const result = scalarIsLeft ? compute(b, a) : compute(a, b);
        if (filter) found += present[cell] = result;
        else values[cell] = result;
      }
      if (!filter) return withDroppedName(head);
      return found > 0 ? head : undefined;
    },
  };
}

export function negatedRows(rows: Rows, steps: number): Rows {
  if (!rows.mixed) return mappedRows(rows, steps, (value) => -value);
  return {
    count: rows.count,
    mixed: true,
    ready: rows.ready,
    read(row, values, present, at, histograms) {
      const head = rows.read(row, values, present, at, histograms);
      if (head === undefined) return undefined;
      for (let cell = at; cell < at + steps; cell++) {
        if (present[cell] === HISTOGRAM) histograms![cell] = multiplied(histograms![cell]!, -1);
        else values[cell] = -values[cell]!;
      }
      return withDroppedName(head);
    },
  };
}

/** Where elements may be histograms, or the operator is for them. */
function mixedRows(
  expr: BinaryExpr,
  rows: Rows,
  { scalar, scalarIsLeft }: ScalarSide,
  annotations: CallContext['annotations'],
): Rows {
  const compute = elementOperation(expr, annotations);
  const comparison = isComparison(expr.op);
  // A comparison and a trim leave the metric what it is.
  const keepsName = (comparison && !expr.bool) || expr.op === '</' || expr.op === '>/';
  const own: HistogramCells = [];
  return {
    count: rows.count,
    mixed: rows.mixed,
    ready: rows.ready,
    read(row, values, present, at, histograms = own) {
      const head = rows.read(row, values, present, at, histograms);
      if (head === undefined) return undefined;
      let found = 0;
      for (let step = 0; step < scalar.length; step++) {
        const cell = at + step;
        if (present[cell] === 0) continue;
        const element: Element = present[cell] === HISTOGRAM ? histograms[cell]! : values[cell]!;
        const result = scalarIsLeft ? compute(scalar[step]!, element) : compute(element, scalar[step]!);
        if (result === undefined || (comparison && !expr.bool && !result.met)) {
          present[cell] = 0;
          continue;
        }
        found++;
        if (!comparison) present[cell] = put(result.value, cell, values, histograms);
        else if (expr.bool) present[cell] = put(result.met ? 1 : 0, cell, values, histograms);
      }
      if (found === 0) return undefined;
      return keepsName ? head : withDroppedName(head);
    },
  };
}

/** Returns what `present` should say of the cell. */
export function put(element: Element, cell: number, values: Float64Array, histograms: HistogramCells): 1 | 2 {
  if (typeof element === 'number') {
    values[cell] = element;
    return 1;
  }
  histograms[cell] = element;
  return HISTOGRAM;
}
