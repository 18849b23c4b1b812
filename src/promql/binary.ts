import { operate } from './arithmetic.ts';
import { type BinaryExpr, isComparison } from './ast.ts';
import { mappedRows, withDroppedName } from './functions/arguments.ts';
import type { Rows } from './rows.ts';
import type { Scalar } from './value.ts';

export function scalarBinary({ op }: BinaryExpr, left: Scalar, right: Scalar): Scalar {
  const compute = operate(op);
  return { kind: 'scalar', values: left.values.map((a, step) => compute(a, right.values[step]!)) };
}

/**
 * A vector and a scalar, on either side. A comparison keeps the vector's elements that satisfy it, or with `bool`
 * gives 1 or 0 for each.
 */
export function vectorScalarRows(expr: BinaryExpr, rows: Rows, scalar: Float64Array, scalarIsLeft: boolean): Rows {
  const compute = operate(expr.op);
  const filter = isComparison(expr.op) && !expr.bool;
  return {
    count: rows.count,
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
  return mappedRows(rows, steps, (value) => -value);
}
