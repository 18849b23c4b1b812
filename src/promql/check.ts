import { METRIC_NAME } from '../model/labels.ts';
import { compileMatcher } from '../model/matcher.ts';
import type { ValueType, VectorSelector } from './ast.ts';
import { type AggregateExpr, type BinaryExpr, type CallExpr, type Expr, isComparison, isSetOp } from './ast.ts';
import { parseError } from './errors.ts';
import { signatureOf } from './functions/signatures.ts';
import type { Span } from './span.ts';

const TYPE_NAMES: Readonly<Record<ValueType, string>> = {
  scalar: 'scalar',
  string: 'string',
  vector: 'instant vector',
  matrix: 'range vector',
};

/** The type of what an expression evaluates to. */
export function typeOf(expr: Expr): ValueType {
  switch (expr.kind) {
    case 'number':
      return 'scalar';
    case 'string':
      return 'string';
    case 'paren':
      return typeOf(expr.inner);
    case 'unary':
      return typeOf(expr.operand);
    case 'binary':
      return typeOf(expr.left) === 'scalar' && typeOf(expr.right) === 'scalar' ? 'scalar' : 'vector';
    case 'call':
      return signatureOf(expr.name)?.returns ?? 'vector';
    case 'aggregate':
    case 'selector':
      return 'vector';
    case 'matrix':
    case 'subquery':
      return 'matrix';
  }
}

export function typeName(type: ValueType): string {
  return TYPE_NAMES[type];
}

/** @throws {QueryError} `bad_data`, if a part has the wrong type. */
export function check(query: string, expr: Expr): ValueType {
  switch (expr.kind) {
    case 'number':
      return 'scalar';
    case 'string':
      return 'string';
    case 'paren':
      return check(query, expr.inner);
    case 'unary': {
      const type = check(query, expr.operand);
      if (type === 'scalar' || type === 'vector') return type;
      const got = `got "${TYPE_NAMES[type]}"`;
      const allowed = 'unary expression only allowed on expressions of type scalar or instant vector';
      throw parseError(query, expr.span, `${allowed}, ${got}`);
    }
    case 'binary':
      return checkBinary(query, expr);
    case 'call':
      return checkCall(query, expr);
    case 'aggregate':
      return checkAggregate(query, expr);
    case 'selector':
      return checkSelector(query, expr);
    case 'matrix':
      checkSelector(query, expr.selector);
      return 'matrix';
    case 'subquery': {
      const type = check(query, expr.inner);
      if (type === 'vector') return 'matrix';
      throw parseError(query, expr.span, `subquery is only allowed on instant vector, got ${type} instead`);
    }
  }
}

function checkBinary(query: string, expr: BinaryExpr): ValueType {
  const { op, left, right, matching, span } = expr;
  const leftType = check(query, left);
  const rightType = check(query, right);
  const fills = matching.fillLeft !== undefined || matching.fillRight !== undefined;
  const at = operatorSpan(query, expr);
  if (expr.bool && !isComparison(op)) {
    throw parseError(query, at, 'bool modifier can only be used on comparison operators');
  }
  if (isComparison(op) && !expr.bool && leftType === 'scalar' && rightType === 'scalar') {
    throw parseError(query, at, 'comparisons between scalars must use BOOL modifier');
  }
  const twice = matching.on ? matching.labels.find((label) => matching.include.includes(label)) : undefined;
  if (twice !== undefined) {
    throw parseError(query, at, `label ${JSON.stringify(twice)} must not occur in ON and GROUP clause at once`);
  }
  for (const [type, side] of [[leftType, left] as const, [rightType, right] as const]) {
    if (type === 'scalar' || type === 'vector') continue;
    throw parseError(query, side.span, 'binary expression must contain only scalar and instant vector types');
  }
  if (leftType !== 'vector' || rightType !== 'vector') {
    if (matching.labels.length > 0) {
      throw parseError(query, span, 'vector matching only allowed between instant vectors');
    }
    if (fills) throw parseError(query, span, 'filling in missing series only allowed between instant vectors');
    if (isSetOp(op)) throw parseError(query, span, `set operator "${op}" not allowed in binary scalar expression`);
  } else if (isSetOp(op)) {
    if (matching.group !== 'none') throw parseError(query, span, `no grouping allowed for "${op}" operation`);
    if (fills) throw parseError(query, span, 'filling in missing series not allowed for set operators');
  }
  return leftType === 'scalar' && rightType === 'scalar' ? 'scalar' : 'vector';
}

function checkCall(query: string, call: CallExpr): ValueType {
  const { name, args, span } = call;
  const { args: types, variadic, returns } = signatureOf(name)!;
  const quoted = JSON.stringify(name);
  if (variadic === 0) {
    if (types.length !== args.length) {
      throw parseError(query, span, `expected ${types.length} argument(s) in call to ${quoted}, got ${args.length}`);
    }
  } else {
    const least = types.length - 1;
    if (args.length < least) {
      throw parseError(query, span, `expected at least ${least} argument(s) in call to ${quoted}, got ${args.length}`);
    }
    if (variadic > 0 && args.length > least + variadic) {
      const most = least + variadic;
      throw parseError(query, span, `expected at most ${most} argument(s) in call to ${quoted}, got ${args.length}`);
    }
  }
  args.forEach((arg, i) => {
    const want = types[Math.min(i, types.length - 1)]!;
    if (name === 'info' && i === 1) {
      checkInfoSelector(query, arg, want, span);
      return;
    }
    const type = check(query, arg);
    if (type === want) return;
    const got = `got ${TYPE_NAMES[type]}`;
    throw parseError(query, arg.span, `expected type ${TYPE_NAMES[want]} in call to function ${quoted}, ${got}`);
  });
  return returns;
}

/** The second argument of `info` is a selector of labels: it names no metric, and may match everything. */
function checkInfoSelector(query: string, arg: Expr, want: ValueType, span: Span): void {
  const type = typeOf(arg);
  if (type !== want) {
    const got = `got ${TYPE_NAMES[type]}`;
    throw parseError(query, span, `expected type ${TYPE_NAMES[want]} in call to function "info", ${got}`);
  }
  if (arg.kind !== 'selector') throw parseError(query, arg.span, 'expected label selectors only');
  if (arg.name !== '') {
    throw parseError(query, arg.span, 'expected label selectors only, got vector selector instead');
  }
}

function checkAggregate(query: string, { op, operand, parameter }: AggregateExpr): ValueType {
  expectType(query, operand, 'vector', 'aggregation expression');
  if (parameter !== undefined) {
    expectType(query, parameter, op === 'count_values' ? 'string' : 'scalar', 'aggregation parameter');
  }
  return 'vector';
}

function expectType(query: string, expr: Expr, want: ValueType, context: string): void {
  const type = check(query, expr);
  if (type === want) return;
  const got = `got ${TYPE_NAMES[type]}`;
  throw parseError(query, expr.span, `expected type ${TYPE_NAMES[want]} in ${context}, ${got}`);
}

function checkSelector(query: string, { name, matchers, span }: VectorSelector): ValueType {
  if (name !== '') {
    const second = matchers.slice(1).find((matcher) => matcher.name === METRIC_NAME);
    if (second === undefined) return 'vector';
    const names = `${JSON.stringify(name)} or ${JSON.stringify(second.value)}`;
    throw parseError(query, span, `metric name must not be set twice: ${names}`);
  }
  if (matchers.some((matcher) => !compileMatcher(matcher)(''))) return 'vector';
  throw parseError(query, span, 'vector selector must contain at least one non-empty matcher');
}

function operatorSpan(query: string, { left, right }: BinaryExpr): Span {
  const between = query.slice(left.span.end, right.span.start);
  const start = left.span.end + (between.length - between.trimStart().length);
  return { start, end: Math.max(start + 1, left.span.end + between.trimEnd().length) };
}
