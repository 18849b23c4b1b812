import { type Labels, labelsOf, METRIC_NAME, NO_LABELS } from '../../model/labels.ts';
import type { Expr } from '../ast.ts';
import { emptyVector, type Scalar, timeOf, type Value, type Vector } from '../value.ts';
import { rowsPerPiece, type Work } from '../work.ts';
import { scalarArg, vectorArg } from './arguments.ts';
import type { CallContext } from './definition.ts';

/** The value of the only series, or NaN. */
export function* scalarOf(args: readonly Value[], { grid }: CallContext): Work<Scalar> {
  const { heads, values, present } = vectorArg(args, 0);
  const out = new Float64Array(grid.steps).fill(Number.NaN);
  const found = new Uint32Array(grid.steps);
  const piece = rowsPerPiece(grid.steps);
  for (let row = 0; row < heads.length; row++) {
    if (row % piece === piece - 1) yield;
    for (let step = 0; step < grid.steps; step++) {
      const cell = row * grid.steps + step;
      if (present[cell] === 1) out[step] = ++found[step]! > 1 ? Number.NaN : values[cell]!;
    }
  }
  return { kind: 'scalar', values: out };
}

export function vectorOf(args: readonly Value[]): Vector {
  const values = scalarArg(args, 0);
  const heads = [{ labels: NO_LABELS, dropName: false }];
  return { kind: 'vector', heads, values, present: new Uint8Array(values.length).fill(1) };
}

export function time(_: readonly Value[], { grid }: CallContext): Scalar {
  const values = new Float64Array(grid.steps);
  for (let step = 0; step < grid.steps; step++) values[step] = timeOf(grid, step) / 1000;
  return { kind: 'scalar', values };
}

/** A function without arguments whose value is the same at every step. */
export function constant(
  value: (context: CallContext) => number,
): (args: readonly Value[], context: CallContext) => Scalar {
  return (_, context) => ({ kind: 'scalar', values: new Float64Array(context.grid.steps).fill(value(context)) });
}

export function ofTwo(choose: (a: number, b: number) => number): (args: readonly Value[]) => Scalar {
  return (args) => {
    const b = scalarArg(args, 1);
    return { kind: 'scalar', values: scalarArg(args, 0).map((a, step) => choose(a, b[step]!)) };
  };
}

/** 1 at the steps where the vector is empty, with the labels that its selector asks for. */
export function absent(args: readonly Value[], { call, grid }: CallContext): Work<Vector> {
  return absentWhere(vectorArg(args, 0), grid.steps, call.args[0]!);
}

export function* absentWhere({ heads, present }: Vector, steps: number, selected: Expr): Work<Vector> {
  const out = emptyVector([{ labels: absentLabels(selected), dropName: false }], steps);
  out.values.fill(1);
  out.present.fill(1);
  const piece = rowsPerPiece(steps);
  for (let row = 0; row < heads.length; row++) {
    if (row % piece === piece - 1) yield;
    for (let step = 0; step < steps; step++) if (present[row * steps + step] !== 0) out.present[step] = 0;
  }
  return out;
}

/** Labels that the selector fixes with one `=` and nothing else. */
function absentLabels(expr: Expr): Labels {
  const selector = expr.kind === 'matrix' ? expr.selector : expr;
  if (selector.kind !== 'selector') return NO_LABELS;
  const fixed = new Map<string, string>();
  const seen = new Set<string>();
  for (const { name, op, value } of selector.matchers) {
    if (name === METRIC_NAME) continue;
    if (op === '=' && !seen.has(name)) {
      fixed.set(name, value);
      seen.add(name);
    } else {
      fixed.delete(name);
    }
  }
  return labelsOf(fixed);
}
