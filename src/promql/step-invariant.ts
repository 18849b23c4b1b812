import { childrenOf, type Expr } from './ast.ts';

/** Their value depends on the step though their arguments do not. */
const OF_THE_STEP = new Set([
  ...['days_in_month', 'day_of_month', 'day_of_week', 'day_of_year', 'hour', 'minute', 'month', 'year'],
  ...['predict_linear', 'range', 'start', 'end', 'step', 'time', 'timestamp'],
]);

/**
 * Whether an expression has one value for all steps, since `@` pins every selector in it. As in Prometheus it is then
 * evaluated at one step, which is faster and tells in annotations and errors.
 */
export function isStepInvariant(expr: Expr): boolean {
  switch (expr.kind) {
    case 'number':
    case 'string':
      return true;
    case 'selector':
    case 'subquery':
      return expr.at !== undefined;
    case 'matrix':
      return expr.selector.at !== undefined;
    case 'call':
      return !OF_THE_STEP.has(expr.name) && expr.args.every(isStepInvariant);
    default:
      return childrenOf(expr).every(isStepInvariant);
  }
}
