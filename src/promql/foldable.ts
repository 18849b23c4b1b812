import { type AggregateExpr, childrenOf, type Expr, unwrap, type VectorSelector } from './ast.ts';
import { typeOf } from './check.ts';
import { implementationOf } from './functions/table.ts';
import { isStepInvariant } from './step-invariant.ts';

/**
 * The aggregations of a query that can take their series while these are read, by the selector that they are of. Those
 * of subqueries, which have steps of their own, are not among them.
 */
export function foldableOf(expr: Expr, steps: number): ReadonlyMap<VectorSelector, AggregateExpr> {
  const found = new Map<VectorSelector, AggregateExpr>();
  const visit = (node: Expr): void => {
    // It is evaluated at one step.
    if (node.kind === 'subquery' || (steps > 1 && isStepInvariant(node))) return;
    const selector = node.kind === 'aggregate' ? foldedSelector(node) : undefined;
    if (selector === undefined) childrenOf(node).forEach(visit);
    else found.set(selector, node as AggregateExpr);
  };
  visit(expr);
  return found;
}

/** The selector of an aggregation whose operand is made of one series at a time; undefined where it is not. */
export function foldedSelector({ parameter, operand }: AggregateExpr): VectorSelector | undefined {
  return parameter === undefined ? rowByRow(operand) : undefined;
}

function rowByRow(expr: Expr): VectorSelector | undefined {
  switch (expr.kind) {
    case 'paren':
      return rowByRow(expr.inner);
    case 'selector':
      return expr.modifier === undefined && expr.at === undefined ? expr : undefined;
    case 'unary':
      return rowByRow(expr.operand);
    case 'binary': {
      const [left, right] = [typeOf(expr.left), typeOf(expr.right)];
      if (left === 'scalar' && right === 'vector') return readsNothing(expr.left) ? rowByRow(expr.right) : undefined;
      if (left === 'vector' && right === 'scalar') return readsNothing(expr.right) ? rowByRow(expr.left) : undefined;
      return undefined;
    }
    case 'call': {
      const { kind } = implementationOf(expr.name);
      if (kind === 'each') return rowByRow(expr.args[0]!);
      if (kind !== 'range') return undefined;
      const args = expr.args.map(unwrap);
      const matrix = args.find((arg) => arg.kind === 'matrix');
      if (matrix === undefined || !args.every((arg) => arg === matrix || readsNothing(arg))) return undefined;
      return rowByRow(matrix.selector);
    }
    default:
      return undefined;
  }
}

function readsNothing(expr: Expr): boolean {
  if (expr.kind === 'selector' || (expr.kind === 'call' && expr.name === 'info')) return false;
  return childrenOf(expr).every(readsNothing);
}
