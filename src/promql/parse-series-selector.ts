import type { Matcher } from '../model/matcher.ts';
import { unwrap } from './ast.ts';
import { parseError } from './errors.ts';
import { parseQuery } from './parse.ts';

/**
 * Parses a selector of series, as `match[]` has it: `up{job="api"}`, without an offset or `@`.
 * @throws {QueryError} If the text is anything else.
 */
export function parseSeriesSelector(text: string): readonly Matcher[] {
  const expr = unwrap(parseQuery(text));
  if (expr.kind !== 'selector' || expr.at !== undefined || expr.offset !== undefined) {
    throw parseError(text, expr.span, 'expected a series selector such as up{job="api"}');
  }
  return expr.matchers;
}
