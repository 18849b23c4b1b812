import type { Duration } from './ast.ts';
import {
  accept,
  advance,
  type Cursor,
  expectSymbol,
  fail,
  isSymbol,
  lastEnd,
  nested,
  peek,
  unexpected,
} from './cursor.ts';
import type { Token } from './lex.ts';
import { durationOf, numberOf } from './parse-literal.ts';

type Operator = (Duration & { kind: 'operation' })['op'];

const RANK: Readonly<Record<string, number>> = { '+': 1, '-': 1, '*': 2, '/': 2, '%': 2, '^': 3 };
const UNARY_RANK = 2;
/** Prometheus keeps durations in 63 bits of nanoseconds. */
const MAX_SECONDS = 2 ** 63 / 1e9;
const FORMS = 'number, duration, step(), or range()';

/** Inside brackets: an arithmetic expression of durations and seconds. */
function parseDurationExpr(cursor: Cursor, context: string, minRank = 1): Duration {
  return nested(cursor, () => {
    let left = parseTerm(cursor, context);
    for (;;) {
      const token = peek(cursor);
      const rank = token.kind === 'symbol' ? RANK[token.text] : undefined;
      if (rank === undefined || rank < minRank) return left;
      const op = advance(cursor).text as Operator;
      const right = parseDurationExpr(cursor, context, op === '^' ? rank : rank + 1);
      if (right.kind === 'literal' && right.seconds === 0) {
        if (op === '/') throw fail(cursor, token, 'division by zero');
        if (op === '%') throw fail(cursor, token, 'modulo by zero');
      }
      left = { kind: 'operation', op, left, right, ...covering(left, right) };
    }
  });
}

/** A range or a step: a literal must be above zero. */
export function parsePositiveDuration(cursor: Cursor, context: string): Duration {
  const start = peek(cursor);
  const duration = parseDurationExpr(cursor, context);
  if (duration.kind === 'literal' && !(duration.seconds > 0))
    throw fail(cursor, start, 'duration must be greater than 0');
  return duration;
}

/** After `offset`: one term, so that `x offset 1m + 2` adds to `x`. */
export function parseOffset(cursor: Cursor): Duration {
  // Parentheses begin an expression that goes on behind them.
  if (isSymbol(peek(cursor), '(')) return parseDurationExpr(cursor, 'offset');
  const { start } = peek(cursor);
  const sign = accept(cursor, '-') ? '-' : accept(cursor, '+') ? '+' : '';
  const inner = parseAtom(cursor, 'offset');
  return sign === '-' ? negate(inner, start) : inner;
}

function parseTerm(cursor: Cursor, context: string): Duration {
  const { start } = peek(cursor);
  if (accept(cursor, '-')) return negate(parseDurationExpr(cursor, context, UNARY_RANK + 1), start);
  if (accept(cursor, '+')) return parseDurationExpr(cursor, context, UNARY_RANK + 1);
  return parseAtom(cursor, context);
}

function parseAtom(cursor: Cursor, context: string): Duration {
  const token = peek(cursor);
  if (token.kind === 'number') return literal(cursor, advance(cursor), numberOf(token), false);
  if (token.kind === 'duration') return literal(cursor, advance(cursor), durationOf(cursor, token) / 1000, true);
  if (isSymbol(token, '(')) {
    advance(cursor);
    const inner = parseDurationExpr(cursor, context);
    expectSymbol(cursor, ')', context);
    return { kind: 'group', inner, ...covering(inner, inner) };
  }
  if (token.kind === 'keyword' && (token.text === 'step' || token.text === 'range')) {
    advance(cursor);
    expectSymbol(cursor, '(', context, FORMS);
    expectSymbol(cursor, ')', context, FORMS);
    return { kind: 'context', name: token.text, span: { start: token.start, end: lastEnd(cursor) } };
  }
  if (token.kind === 'keyword' && (token.text === 'min_of' || token.text === 'max_of')) {
    advance(cursor);
    expectSymbol(cursor, '(', context);
    const left = parseDurationExpr(cursor, context);
    expectSymbol(cursor, ',', context);
    const right = parseDurationExpr(cursor, context);
    expectSymbol(cursor, ')', context);
    return { kind: 'operation', op: token.text, left, right, ...covering(left, right) };
  }
  throw unexpected(cursor, context, FORMS);
}

function literal(cursor: Cursor, token: Token, seconds: number, units: boolean): Duration {
  if (!(Math.abs(seconds) <= MAX_SECONDS)) throw fail(cursor, token, 'duration out of range');
  return { kind: 'literal', seconds, units, span: { start: token.start, end: token.end } };
}

function negate(inner: Duration, start: number): Duration {
  const span = { start, end: inner.span?.end ?? start };
  return inner.kind === 'literal' ? { ...inner, seconds: 0 - inner.seconds, span } : { kind: 'negated', inner, span };
}

/** From one to the other: what stands around them is left out, as in Prometheus. */
function covering(left: Duration, right: Duration): Pick<Duration, 'span'> {
  return { span: { start: left.span?.start ?? 0, end: right.span?.end ?? 0 } };
}
