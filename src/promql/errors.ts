import { CodedError } from '../model/errors.ts';
import { type Position, positionOf, type Span } from './span.ts';

/**
 * A query cannot be answered. `bad_data`: the text is not PromQL (HTTP 400). `execution`: it is, but evaluating it
 * failed or needs a part of PromQL that is not implemented yet (HTTP 422).
 */
export class QueryError extends CodedError {
  override readonly name = 'QueryError';
  readonly code: 'bad_data' | 'execution';
  /** Where in the query's text, if the error belongs to a part of it. */
  readonly position: Position | undefined;

  constructor(code: 'bad_data' | 'execution', message: string, position?: Position, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.position = position;
  }
}

/** In Prometheus's words: `1:5: parse error: unexpected …`. */
export function parseError(query: string, span: Span, message: string): QueryError {
  const position = positionOf(query, span);
  const where = query === '' ? 'unknown position' : `${position.line}:${position.column}`;
  return new QueryError('bad_data', `${where}: parse error: ${message}`, position);
}

export function notImplemented(query: string, span: Span, name: string): QueryError {
  const position = positionOf(query, span);
  const message = `not implemented yet: ${name} (${position.line}:${position.column})`;
  return new QueryError('execution', message, position);
}
