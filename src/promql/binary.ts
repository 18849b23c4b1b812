import { operate } from './arithmetic.ts';
import { type BinaryExpr, isComparison } from './ast.ts';
import type { Head, Scalar, Vector } from './value.ts';

export function scalarBinary({ op }: BinaryExpr, left: Scalar, right: Scalar): Scalar {
  const compute = operate(op);
  return { kind: 'scalar', values: left.values.map((a, step) => compute(a, right.values[step]!)) };
}

/**
 * A vector and a scalar, on either side. A comparison keeps the vector's elements that satisfy it, or with `bool`
 * gives 1 or 0 for each.
 */
export function vectorScalar(expr: BinaryExpr, vector: Vector, scalar: Scalar, scalarIsLeft: boolean): Vector {
  const { op, bool } = expr;
  const compute = operate(op);
  const filter = isComparison(op) && !bool;
  const steps = scalar.values.length;
  const values = new Float64Array(vector.values.length);
  const present = vector.present.slice();
  for (let cell = 0, step = 0; cell < values.length; cell++) {
    if (present[cell] === 1) {
      const a = vector.values[cell]!;
      const b = scalar.values[step]!;
      const result = scalarIsLeft ? compute(b, a) : compute(a, b);
      if (filter) {
        values[cell] = a;
        present[cell] = result;
      } else {
        values[cell] = result;
      }
    }
    if (++step === steps) step = 0;
  }
  const heads = filter ? vector.heads : vector.heads.map(withDroppedName);
  return { kind: 'vector', heads, values, present };
}

export function negated(vector: Vector): Vector {
  const { heads, values, present } = vector;
  return { kind: 'vector', heads: heads.map(withDroppedName), values: values.map((value) => -value), present };
}

function withDroppedName(head: Head): Head {
  return head.dropName ? head : { labels: head.labels, dropName: true };
}
