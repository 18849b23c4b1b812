/** A piece of the query's text, in UTF-16 units; `end` is exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A span with the place where it starts: both from 1, the column in bytes of UTF-8, as Prometheus counts. */
export interface Position extends Span {
  readonly line: number;
  readonly column: number;
}

export function positionOf(query: string, { start, end }: Span): Position {
  const before = query.slice(0, start);
  const lineStart = before.lastIndexOf('\n') + 1;
  let line = 1;
  for (let i = before.indexOf('\n'); i !== -1; i = before.indexOf('\n', i + 1)) line++;
  return { start, end, line, column: bytesOf(before.slice(lineStart)) + 1 };
}

/** Of a text in UTF-8. */
export function bytesOf(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // Half of a pair takes two bytes.
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1;
  }
  return bytes;
}
