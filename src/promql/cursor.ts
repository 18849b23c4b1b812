import { parseError, type QueryError } from './errors.ts';
import { describeToken, lex, type Token } from './lex.ts';
import type { Span } from './span.ts';

/**
 * Trees are walked by recursion, so their depth is bounded well below what Node's default stack carries. A chain of
 * operators of one rank (`a or b or c …`) is a tree as deep as the chain is long.
 */
export const MAX_DEPTH = 512;

/** A place in a query's tokens. One for each parse; the functions beside it move it. */
export interface Cursor {
  readonly query: string;
  readonly tokens: readonly Token[];
  at: number;
  depth: number;
  /** The height of the tree that was parsed last. */
  height: number;
  /** Set inside an aggregation's arguments: Prometheus names it in errors there. */
  inside: 'aggregation' | undefined;
}

export function cursorOf(query: string): Cursor {
  return { query, tokens: lex(query), at: 0, depth: 0, height: 0, inside: undefined };
}

export function peek(cursor: Cursor, ahead = 0): Token {
  return cursor.tokens[Math.min(cursor.at + ahead, cursor.tokens.length - 1)]!;
}

export function advance(cursor: Cursor): Token {
  const token = peek(cursor);
  if (cursor.at < cursor.tokens.length - 1) cursor.at++;
  return token;
}

/** The end of the last token that was taken. */
export function lastEnd(cursor: Cursor): number {
  return cursor.at === 0 ? 0 : cursor.tokens[cursor.at - 1]!.end;
}

export function isSymbol(token: Token, text: string): boolean {
  return token.kind === 'symbol' && token.text === text;
}

export function isKeyword(token: Token, text: string): boolean {
  return token.kind === 'keyword' && token.text === text;
}

/** Takes the next token if it is this symbol or keyword. */
export function accept(cursor: Cursor, text: string): boolean {
  const token = peek(cursor);
  if (!isSymbol(token, text) && !isKeyword(token, text)) return false;
  advance(cursor);
  return true;
}

export function expectSymbol(cursor: Cursor, text: string, context?: string, expected?: string): void {
  if (!isSymbol(peek(cursor), text)) throw unexpected(cursor, context, expected);
  advance(cursor);
}

export function fail(cursor: Cursor, span: Span, message: string): QueryError {
  return parseError(cursor.query, span, message);
}

/** `unexpected … in CONTEXT, expected …`, about the next token; a lexical error speaks for itself. */
export function unexpected(cursor: Cursor, context: string | undefined = cursor.inside, expected?: string): QueryError {
  const token = peek(cursor);
  if (token.kind === 'error') return fail(cursor, token, token.text);
  const where = context === undefined ? '' : ` in ${context}`;
  const instead = expected === undefined ? '' : `, expected ${expected}`;
  return fail(cursor, token, `unexpected ${describeToken(token, cursor.query)}${where}${instead}`);
}

/** Goes one level down for the time of `parse`. */
export function nested<T>(cursor: Cursor, parse: (cursor: Cursor) => T): T {
  if (++cursor.depth > MAX_DEPTH) {
    throw tooDeep(cursor);
  }
  const result = parse(cursor);
  cursor.depth--;
  return result;
}

export function tooDeep(cursor: Cursor): QueryError {
  return fail(cursor, peek(cursor), `the query is nested more than ${MAX_DEPTH} levels deep`);
}
