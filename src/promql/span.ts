/** A piece of the query's text, in UTF-16 units; `end` is exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A span with the place where it starts, as people count: both from 1. */
export interface Position extends Span {
  readonly line: number;
  readonly column: number;
}

export function positionOf(query: string, { start, end }: Span): Position {
  const before = query.slice(0, start);
  const lineStart = before.lastIndexOf('\n') + 1;
  let line = 1;
  for (let i = before.indexOf('\n'); i !== -1; i = before.indexOf('\n', i + 1)) line++;
  return { start, end, line, column: start - lineStart + 1 };
}
