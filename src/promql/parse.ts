import {
  AGGREGATORS,
  type AggregateExpr,
  type Aggregator,
  type BinaryOp,
  type CallExpr,
  type Expr,
  takesParameter,
  type VectorMatching,
} from './ast.ts';
import { check } from './check.ts';
import {
  accept,
  advance,
  type Cursor,
  cursorOf,
  expectSymbol,
  fail,
  isKeyword,
  isSymbol,
  lastEnd,
  MAX_DEPTH,
  nested,
  peek,
  tooDeep,
  unexpected,
} from './cursor.ts';
import { signatureOf } from './functions/signatures.ts';
import type { Token } from './lex.ts';
import { durationOf, numberOf, stringOf } from './parse-literal.ts';
import { parseLabelList, parsePostfix, parseVectorSelector } from './parse-selector.ts';

/** Higher binds tighter. All associate to the left but `^`. */
export const RANKS: Readonly<Record<BinaryOp, number>> = {
  or: 1,
  ...{ and: 2, unless: 2 },
  ...{ '==': 3, '!=': 3, '<': 3, '<=': 3, '>': 3, '>=': 3, '</': 3, '>/': 3 },
  ...{ '+': 4, '-': 4 },
  ...{ '*': 5, '/': 5, '%': 5, atan2: 5 },
  '^': 6,
};
const UNARY_RANK = RANKS['*'];

const AGGREGATOR_WORDS: ReadonlySet<string> = new Set(AGGREGATORS);
const CALLABLE_WORDS = new Set(['start', 'end', 'step', 'range', 'max_of', 'min_of']);
const NO_METRIC_WORDS = new Set(['on', 'ignoring', 'group_left', 'group_right', 'bool', 'atan2']);

/**
 * Parses and type-checks PromQL, with all of Prometheus's experimental syntax.
 * @throws {QueryError} `bad_data`, in Prometheus's words, with the position.
 */
export function parseQuery(query: string): Expr {
  const cursor = cursorOf(query);
  if (peek(cursor).kind === 'end') throw fail(cursor, { start: 0, end: 0 }, 'no expression found in input');
  const expr = parseExpr(cursor, 1);
  if (peek(cursor).kind !== 'end') throw unexpected(cursor);
  check(query, expr);
  return expr;
}

function parseExpr(cursor: Cursor, minRank: number): Expr {
  return nested(cursor, () => {
    let left = parseUnary(cursor);
    let height = cursor.height;
    for (;;) {
      const token = peek(cursor);
      const rank = rankOf(token);
      cursor.height = height;
      if (rank === undefined || rank < minRank) return left;
      const op = advance(cursor).text as BinaryOp;
      const bool = accept(cursor, 'bool');
      const matching = parseMatching(cursor);
      const right = parseExpr(cursor, op === '^' ? rank : rank + 1);
      height = Math.max(height, cursor.height) + 1;
      if (height > MAX_DEPTH) throw tooDeep(cursor);
      const span = { start: left.span.start, end: right.span.end };
      left = { kind: 'binary', op, left, right, bool, matching, span };
    }
  });
}

function rankOf(token: Token): number | undefined {
  if (token.kind !== 'symbol' && token.kind !== 'keyword') return undefined;
  return Object.hasOwn(RANKS, token.text) ? RANKS[token.text as BinaryOp] : undefined;
}

function parseUnary(cursor: Cursor): Expr {
  const token = peek(cursor);
  if (!isSymbol(token, '+') && !isSymbol(token, '-')) return parsePostfix(cursor, parsePrimary(cursor));
  const op = advance(cursor).text as '+' | '-';
  const operand = parseExpr(cursor, UNARY_RANK + 1);
  cursor.height++;
  const span = { start: token.start, end: operand.span.end };
  if (operand.kind === 'number') return { ...operand, value: op === '-' ? -operand.value : operand.value, span };
  return { kind: 'unary', op, operand, span };
}

function parsePrimary(cursor: Cursor): Expr {
  const token = peek(cursor);
  const span = { start: token.start, end: token.end };
  cursor.height = 1;
  switch (token.kind) {
    case 'number':
      advance(cursor);
      return { kind: 'number', value: numberOf(token), duration: false, span };
    case 'duration':
      advance(cursor);
      return { kind: 'number', value: durationOf(cursor, token) / 1000, duration: true, span };
    case 'string':
      return { kind: 'string', value: stringOf(cursor), span };
    case 'symbol': {
      if (token.text === '{') return parseVectorSelector(cursor);
      if (token.text !== '(') throw unexpected(cursor);
      advance(cursor);
      const inner = parseExpr(cursor, 1);
      expectSymbol(cursor, ')');
      cursor.height++;
      return { kind: 'paren', inner, span: { start: token.start, end: lastEnd(cursor) } };
    }
    case 'identifier':
      return isSymbol(peek(cursor, 1), '(') ? parseCall(cursor) : parseVectorSelector(cursor);
    case 'metric':
      return parseVectorSelector(cursor);
    case 'keyword': {
      const next = peek(cursor, 1);
      const opens = isSymbol(next, '(');
      if (AGGREGATOR_WORDS.has(token.text) && (opens || isKeyword(next, 'by') || isKeyword(next, 'without'))) {
        return parseAggregate(cursor);
      }
      if (CALLABLE_WORDS.has(token.text) && opens) return parseCall(cursor);
      if (NO_METRIC_WORDS.has(token.text)) throw unexpected(cursor);
      return parseVectorSelector(cursor);
    }
    default:
      throw unexpected(cursor);
  }
}

function parseCall(cursor: Cursor): CallExpr {
  const token = advance(cursor);
  const args = parseArguments(cursor);
  const name = token.text;
  if (signatureOf(name) === undefined) throw fail(cursor, token, `unknown function with name ${JSON.stringify(name)}`);
  return { kind: 'call', name, args, span: { start: token.start, end: lastEnd(cursor) } };
}

function parseArguments(cursor: Cursor): readonly Expr[] {
  expectSymbol(cursor, '(');
  const args: Expr[] = [];
  if (accept(cursor, ')')) return args;
  let height = 0;
  for (;;) {
    args.push(parseExpr(cursor, 1));
    height = Math.max(height, cursor.height);
    const comma = peek(cursor);
    if (!accept(cursor, ',')) break;
    if (isSymbol(peek(cursor), ')')) throw fail(cursor, comma, 'trailing commas not allowed in function call args');
  }
  expectSymbol(cursor, ')');
  cursor.height = height + 1;
  return args;
}

function parseAggregate(cursor: Cursor): AggregateExpr {
  const token = advance(cursor);
  const op = token.text as Aggregator;
  const outer = cursor.inside;
  cursor.inside = 'aggregation';
  let grouping = parseGrouping(cursor);
  const args = parseArguments(cursor);
  cursor.inside = outer;
  grouping ??= parseGrouping(cursor);
  const span = { start: token.start, end: lastEnd(cursor) };
  if (args.length === 0) throw fail(cursor, span, 'no arguments for aggregate expression provided');
  const wanted = takesParameter(op) ? 2 : 1;
  if (args.length !== wanted) {
    const counts = `expected ${wanted}, got ${args.length}`;
    throw fail(cursor, span, `wrong number of arguments for aggregate expression provided, ${counts}`);
  }
  const parameter = wanted === 2 ? args[0] : undefined;
  const { without, labels } = grouping ?? { without: false, labels: [] };
  return { kind: 'aggregate', op, operand: args[wanted - 1]!, parameter, without, grouping: labels, span };
}

function parseGrouping(cursor: Cursor): { without: boolean; labels: readonly string[] } | undefined {
  if (accept(cursor, 'by')) return { without: false, labels: parseLabelList(cursor) };
  if (accept(cursor, 'without')) return { without: true, labels: parseLabelList(cursor) };
  return undefined;
}

function parseMatching(cursor: Cursor): VectorMatching {
  let on = false;
  let labels: readonly string[] = [];
  let group: VectorMatching['group'] = 'none';
  let include: readonly string[] = [];
  if (isKeyword(peek(cursor), 'on') || isKeyword(peek(cursor), 'ignoring')) {
    on = advance(cursor).text === 'on';
    labels = parseLabelList(cursor);
    if (isKeyword(peek(cursor), 'group_left') || isKeyword(peek(cursor), 'group_right')) {
      group = advance(cursor).text === 'group_left' ? 'left' : 'right';
      if (isSymbol(peek(cursor), '(')) include = parseLabelList(cursor);
    }
  }
  const fill = accept(cursor, 'fill') ? parseFill(cursor) : undefined;
  if (fill !== undefined) return { on, labels, group, include, fillLeft: fill, fillRight: fill };
  let fillLeft = accept(cursor, 'fill_left') ? parseFill(cursor) : undefined;
  const fillRight = accept(cursor, 'fill_right') ? parseFill(cursor) : undefined;
  if (fillLeft === undefined && accept(cursor, 'fill_left')) fillLeft = parseFill(cursor);
  return { on, labels, group, include, fillLeft, fillRight };
}

function parseFill(cursor: Cursor): number {
  expectSymbol(cursor, '(');
  const sign = accept(cursor, '-') ? -1 : 1;
  if (sign === 1) accept(cursor, '+');
  const token = peek(cursor);
  if (token.kind !== 'number' && token.kind !== 'duration') throw unexpected(cursor);
  advance(cursor);
  const value = token.kind === 'number' ? numberOf(token) : durationOf(cursor, token) / 1000;
  expectSymbol(cursor, ')');
  return sign * value;
}
