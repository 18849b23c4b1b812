import { childrenOf, type Duration, type Expr, type SubqueryExpr } from './ast.ts';
import { QueryError } from './errors.ts';
import { greater, smaller } from './numeric.ts';
import { bytesOf, positionOf, type Span } from './span.ts';

/** What `step()` and `range()` mean inside a duration: the query's own, in milliseconds. */
export interface DurationContext {
  readonly query: string;
  readonly stepMs: number;
  readonly rangeMs: number;
}

/** @throws {QueryError} If the result is no length of time, or not above zero where it must be. */
export function durationMs(duration: Duration, context: DurationContext, span: Span, mayBeNegative = false): number {
  if (duration.kind === 'literal') return literalMs(duration);
  const seconds = evaluate(duration, context, span);
  const at = duration.span ?? span;
  if (!Number.isFinite(seconds)) throw fault(context, at, 'duration is NaN or infinite');
  if (seconds <= 0 && !mayBeNegative) throw fault(context, at, 'duration must be greater than 0');
  if (Math.abs(seconds) > 2 ** 63 / 1e9) throw fault(context, at, 'duration is out of range');
  return Math.trunc(seconds * 1000) + 0;
}

/**
 * The step of a subquery. One that comes to nothing counts as left out.
 * @throws {QueryError} As `durationMs`, and if it is a literal below a millisecond.
 */
export function subqueryStepMs({ step, span }: SubqueryExpr, defaultMs: number, context: DurationContext): number {
  if (step === undefined) return defaultMs;
  const ms = durationMs(step, context, span);
  if (ms > 0) return ms;
  if (step.kind === 'literal' && literalNs(step.seconds) > 0) {
    throw fault(context, step.span ?? span, 'the step of a subquery must be at least 1ms');
  }
  return defaultMs;
}

/** A literal that stands alone counts in whole nanoseconds, of which the milliseconds are what matters. */
export function literalMs({ seconds }: Duration & { readonly kind: 'literal' }): number {
  const nanoseconds = literalNs(seconds);
  return (nanoseconds - (nanoseconds % 1e6)) / 1e6;
}

/** Half a nanosecond goes away from zero. */
function literalNs(seconds: number): number {
  return Math.sign(seconds) * Math.round(Math.abs(seconds) * 1e9) + 0;
}

/** @throws {QueryError} If any length of time in a query is none, in the order that Prometheus finds them. */
export function checkDurations(expr: Expr, context: DurationContext): void {
  if ((expr.kind === 'selector' || expr.kind === 'subquery') && expr.offset !== undefined) {
    durationMs(expr.offset, context, expr.span, true);
  }
  if (expr.kind === 'subquery') subqueryStepMs(expr, 1, context);
  if (expr.kind === 'subquery' || expr.kind === 'matrix') durationMs(expr.range, context, expr.span);
  for (const child of childrenOf(expr)) checkDurations(child, context);
}

function evaluate(duration: Duration, context: DurationContext, span: Span): number {
  switch (duration.kind) {
    case 'literal':
      return duration.seconds;
    case 'context':
      return (duration.name === 'step' ? context.stepMs : context.rangeMs) / 1000;
    case 'group':
      return evaluate(duration.inner, context, span);
    case 'negated':
      return -evaluate(duration.inner, context, span);
    case 'operation': {
      const left = evaluate(duration.left, context, span);
      const right = evaluate(duration.right, context, span);
      switch (duration.op) {
        case '+':
          return left + right;
        case '-':
          return left - right;
        case '*':
          return left * right;
        case '/':
          if (right === 0) throw fault(context, duration.span ?? span, 'division by zero');
          return left / right;
        case '%':
          if (right === 0) throw fault(context, duration.span ?? span, 'modulo by zero');
          return left % right;
        case '^':
          return left ** right;
        case 'min_of':
          return smaller(left, right);
        case 'max_of':
          return greater(left, right);
      }
    }
  }
}

/** Prometheus has the first and the last place of the text here, not its line and column. */
function fault(context: DurationContext, span: Span, message: string): QueryError {
  const [start, end] = [span.start, span.end].map((at) => bytesOf(context.query.slice(0, at)));
  return new QueryError('bad_data', `${start}:${end}: ${message}`, positionOf(context.query, span));
}
