import type { Duration } from './ast.ts';
import { QueryError } from './errors.ts';
import { positionOf, type Span } from './span.ts';

/** What `step()` and `range()` mean inside a duration: the query's own, in milliseconds. */
export interface DurationContext {
  readonly query: string;
  readonly stepMs: number;
  readonly rangeMs: number;
}

/** @throws {QueryError} If the result is no length of time, or not above zero where it must be. */
export function durationMs(duration: Duration, context: DurationContext, span: Span, mayBeNegative = false): number {
  if (duration.kind === 'literal') return duration.ms;
  const seconds = evaluate(duration, context, span);
  if (!Number.isFinite(seconds)) throw fault(context, span, 'duration is NaN or infinite');
  if (seconds <= 0 && !mayBeNegative) throw fault(context, span, 'duration must be greater than 0');
  if (Math.abs(seconds) > 2 ** 63 / 1e9) throw fault(context, span, 'duration is out of range');
  return Math.trunc(seconds * 1000);
}

function evaluate(duration: Duration, context: DurationContext, span: Span): number {
  switch (duration.kind) {
    case 'literal':
      return duration.ms / 1000;
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
          if (right === 0) throw fault(context, span, 'division by zero');
          return left / right;
        case '%':
          if (right === 0) throw fault(context, span, 'modulo by zero');
          return left % right;
        case '^':
          return left ** right;
        case 'min_of':
          return Math.min(left, right);
        case 'max_of':
          return Math.max(left, right);
      }
    }
  }
}

function fault(context: DurationContext, span: Span, message: string): QueryError {
  const position = positionOf(context.query, span);
  return new QueryError('execution', `${position.line}:${position.column}: ${message}`, position);
}
