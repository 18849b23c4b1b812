import { parseDuration } from '../model/time.ts';
import { advance, type Cursor, fail } from './cursor.ts';
import type { Token } from './lex.ts';
import { unquote } from './unquote.ts';

/** The value of a `number` token: decimal, `0x…`, `0…` (octal, as Go reads it), `Inf`, `NaN`; `_` separates digits. */
export function numberOf(token: Token): number {
  const text = token.text.replaceAll('_', '');
  if (text === 'inf') return Number.POSITIVE_INFINITY;
  if (text === 'nan') return Number.NaN;
  if (/^0[0-7]+$/.test(text)) return Number.parseInt(text, 8);
  return Number(text);
}

/** Milliseconds of a `duration` token. */
export function durationOf(cursor: Cursor, token: Token): number {
  try {
    return parseDuration(token.text);
  } catch (error) {
    if (error instanceof RangeError)
      throw fail(cursor, token, `not a valid duration string: ${JSON.stringify(token.text)}`);
    throw error;
  }
}

/** Takes a `string` token and decodes it. */
export function stringOf(cursor: Cursor): string {
  const token = advance(cursor);
  const text = unquote(token.text);
  if (typeof text === 'string') return text;
  throw fail(cursor, token, `${text.error}`);
}
