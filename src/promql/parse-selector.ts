import { METRIC_NAME } from '../model/labels.ts';
import { compileMatcher, type Matcher, type MatcherOp } from '../model/matcher.ts';
import type { At, Expr, VectorSelector } from './ast.ts';
import {
  accept,
  advance,
  type Cursor,
  expectSymbol,
  fail,
  isSymbol,
  lastEnd,
  MAX_DEPTH,
  peek,
  tooDeep,
  unexpected,
} from './cursor.ts';
import { formatFixed } from './format-float.ts';
import { parseOffset, parsePositiveDuration } from './parse-duration.ts';
import { durationOf, numberOf, stringOf } from './parse-literal.ts';
import { isLabelName } from './unquote.ts';

const MATCH_OPS: ReadonlySet<string> = new Set<MatcherOp>(['=', '!=', '=~', '!~']);
/** Words that may not name a label in a list such as `by (…)`: none but those that are no word at all. */
const LABEL_TOKENS: ReadonlySet<string> = new Set(['identifier', 'metric', 'keyword']);

/** `name{…}`, `name` or `{…}`, from the name, or the brace, on. */
export function parseVectorSelector(cursor: Cursor): VectorSelector {
  const start = peek(cursor).start;
  const named = !isSymbol(peek(cursor), '{');
  const token = named ? advance(cursor) : undefined;
  const name = token === undefined ? '' : cursor.query.slice(token.start, token.end);
  const matchers: Matcher[] = named ? [{ name: METRIC_NAME, op: '=', value: name }] : [];
  if (isSymbol(peek(cursor), '{')) matchers.push(...parseMatchers(cursor));
  const span = { start, end: lastEnd(cursor) };
  return { kind: 'selector', matchers, name, offset: undefined, at: undefined, modifier: undefined, span };
}

/** What may follow an expression directly: a range, `offset`, `@`, `anchored`, `smoothed`. */
export function parsePostfix(cursor: Cursor, operand: Expr): Expr {
  let expr = operand;
  for (;;) {
    if (cursor.height > MAX_DEPTH) throw tooDeep(cursor);
    if (isSymbol(peek(cursor), '[')) expr = parseRange(cursor, expr);
    else if (accept(cursor, 'offset')) expr = withOffset(cursor, expr);
    else if (accept(cursor, '@')) expr = withAt(cursor, expr);
    else if (accept(cursor, 'anchored')) expr = withModifier(cursor, expr, 'anchored');
    else if (accept(cursor, 'smoothed')) expr = withModifier(cursor, expr, 'smoothed');
    else return expr;
  }
}

/** `(a, "b.c", sum)`: keywords may be labels here. */
export function parseLabelList(cursor: Cursor): readonly string[] {
  expectSymbol(cursor, '(', 'grouping opts', '"("');
  const names: string[] = [];
  while (!accept(cursor, ')')) {
    const token = peek(cursor);
    if (token.kind === 'string') {
      const name = stringOf(cursor);
      if (!isLabelName(name)) throw fail(cursor, token, `invalid label name for grouping: ${JSON.stringify(name)}`);
      names.push(name);
    } else if (LABEL_TOKENS.has(token.kind)) {
      advance(cursor);
      names.push(cursor.query.slice(token.start, token.end));
    } else {
      throw unexpected(cursor, 'grouping opts', 'label');
    }
    if (accept(cursor, ',')) continue;
    expectSymbol(cursor, ')', 'grouping opts', '"," or ")"');
    break;
  }
  return names;
}

function parseMatchers(cursor: Cursor): readonly Matcher[] {
  advance(cursor);
  const matchers: Matcher[] = [];
  while (!accept(cursor, '}')) {
    matchers.push(parseMatcher(cursor));
    if (accept(cursor, ',')) continue;
    expectSymbol(cursor, '}', 'label matching', '"," or "}"');
    break;
  }
  return matchers;
}

function parseMatcher(cursor: Cursor): Matcher {
  const token = peek(cursor);
  if (token.kind !== 'identifier' && token.kind !== 'string') {
    throw unexpected(cursor, 'label matching', 'identifier or "}"');
  }
  const quoted = token.kind === 'string';
  const name = quoted ? stringOf(cursor) : advance(cursor).text;
  const op = peek(cursor);
  if (!(op.kind === 'symbol' && MATCH_OPS.has(op.text))) {
    if (quoted) return { name: METRIC_NAME, op: '=', value: name };
    throw unexpected(cursor, 'label matching', 'label matching operator');
  }
  advance(cursor);
  if (peek(cursor).kind !== 'string') throw unexpected(cursor, 'label matching', 'string');
  const matcher: Matcher = { name, op: op.text as MatcherOp, value: stringOf(cursor) };
  try {
    compileMatcher(matcher);
  } catch (error) {
    if (error instanceof RangeError) {
      throw fail(cursor, { start: token.start, end: lastEnd(cursor) }, error.message);
    }
    throw error;
  }
  return matcher;
}

function parseRange(cursor: Cursor, operand: Expr): Expr {
  const bracket = advance(cursor);
  const height = cursor.height + 1;
  const range = parsePositiveDuration(cursor, 'subquery or range selector');
  cursor.height = height;
  if (accept(cursor, ':')) {
    const at = undefined;
    const context = 'subquery selector';
    const step = isSymbol(peek(cursor), ']') ? undefined : parsePositiveDuration(cursor, context);
    expectSymbol(cursor, ']', context, '"]"');
    const span = { start: operand.span.start, end: lastEnd(cursor) };
    return { kind: 'subquery', inner: operand, range, step, offset: undefined, at, span };
  }
  expectSymbol(cursor, ']', 'subquery or range', '":" or "]"');
  const brackets = { start: bracket.start, end: lastEnd(cursor) };
  if (operand.kind !== 'selector') throw fail(cursor, brackets, 'ranges only allowed for vector selectors');
  if (operand.offset !== undefined) throw fail(cursor, brackets, 'no offset modifiers allowed before range');
  if (operand.at !== undefined) throw fail(cursor, brackets, 'no @ modifiers allowed before range');
  return { kind: 'matrix', selector: operand, range, span: { start: operand.span.start, end: brackets.end } };
}

function withOffset(cursor: Cursor, expr: Expr): Expr {
  const offset = parseOffset(cursor);
  const span = { start: expr.span.start, end: lastEnd(cursor) };
  const target = expr.kind === 'matrix' ? expr.selector : expr;
  if (target.kind !== 'selector' && target.kind !== 'subquery') {
    const kinds = 'an instant vector selector or range vector selector or a subquery';
    throw fail(cursor, expr.span, `offset modifier must be preceded by ${kinds}`);
  }
  if (target.offset !== undefined) throw fail(cursor, expr.span, 'offset may not be set multiple times');
  if (expr.kind === 'matrix') return { ...expr, selector: { ...expr.selector, offset }, span };
  return { ...target, offset, span };
}

function withAt(cursor: Cursor, expr: Expr): Expr {
  const at = parseAt(cursor, expr);
  const span = { start: expr.span.start, end: lastEnd(cursor) };
  const target = expr.kind === 'matrix' ? expr.selector : expr;
  if (target.kind !== 'selector' && target.kind !== 'subquery') {
    const kinds = 'an instant vector selector or range vector selector or a subquery';
    throw fail(cursor, expr.span, `@ modifier must be preceded by ${kinds}`);
  }
  if (target.at !== undefined) throw fail(cursor, expr.span, '@ <timestamp> may not be set multiple times');
  if (expr.kind === 'matrix') return { ...expr, selector: { ...expr.selector, at }, span };
  return { ...target, at, span };
}

function parseAt(cursor: Cursor, expr: Expr): At {
  const token = peek(cursor);
  if (token.kind === 'keyword' && (token.text === 'start' || token.text === 'end')) {
    advance(cursor);
    expectSymbol(cursor, '(', '@', 'timestamp');
    expectSymbol(cursor, ')', '@', 'timestamp');
    return { kind: token.text };
  }
  const sign = accept(cursor, '-') ? -1 : 1;
  if (sign === 1) accept(cursor, '+');
  const number = peek(cursor);
  if (number.kind !== 'number' && number.kind !== 'duration') throw unexpected(cursor, '@', 'timestamp');
  advance(cursor);
  const time = sign * (number.kind === 'number' ? Math.round(numberOf(number) * 1000) : durationOf(cursor, number));
  if (!(Math.abs(time) < 2 ** 63)) {
    throw fail(cursor, expr.span, `timestamp out of bounds for @ modifier: ${formatFixed(time / 1000)}`);
  }
  return { kind: 'time', time: time + 0 };
}

function withModifier(cursor: Cursor, expr: Expr, modifier: 'anchored' | 'smoothed'): Expr {
  const span = { start: expr.span.start, end: lastEnd(cursor) };
  if (expr.kind === 'subquery') throw fail(cursor, expr.span, `${modifier} modifier is not supported for subqueries`);
  if (expr.kind !== 'selector' && expr.kind !== 'matrix') {
    throw fail(cursor, expr.span, `${modifier} modifier not implemented`);
  }
  const selector = expr.kind === 'matrix' ? expr.selector : expr;
  if (selector.modifier !== undefined && selector.modifier !== modifier) {
    throw fail(cursor, expr.span, 'anchored and smoothed modifiers cannot be used together');
  }
  if (expr.kind === 'matrix') return { ...expr, selector: { ...selector, modifier }, span };
  return { ...selector, modifier, span };
}
