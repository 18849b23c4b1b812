import { METRIC_NAME } from '../model/labels.ts';
import { type At, type BinaryExpr, type Duration, type Expr, isSetOp, type VectorSelector } from './ast.ts';
import { typeOf } from './check.ts';
import { literalMs } from './duration.ts';
import { formatFloat } from './format-float.ts';
import { signatureOf } from './functions/signatures.ts';

/**
 * A query's tree in the form of Prometheus's `parse_query`, ready for JSON. Lengths are in milliseconds; one that the
 * query's own range and step complete is 0.
 */
export function describeTree(expr: Expr): object {
  switch (expr.kind) {
    case 'number':
      return { type: 'numberLiteral', val: formatFloat(expr.value) };
    case 'string':
      return { type: 'stringLiteral', val: expr.value };
    case 'paren':
      return { type: 'parenExpr', expr: describeTree(expr.inner) };
    case 'unary':
      return { type: 'unaryExpr', op: expr.op, expr: describeTree(expr.operand) };
    case 'binary': {
      const { op, left, right, bool } = expr;
      const sides = { lhs: describeTree(left), rhs: describeTree(right) };
      return { type: 'binaryExpr', op, ...sides, matching: describeMatching(expr), bool };
    }
    case 'call':
      return { type: 'call', func: describeFunction(expr.name), args: expr.args.map(describeTree) };
    case 'aggregate': {
      const { op, operand, parameter, grouping, without } = expr;
      const param = parameter === undefined ? null : describeTree(parameter);
      return { type: 'aggregation', op, expr: describeTree(operand), param, grouping, without };
    }
    case 'selector':
      return { type: 'vectorSelector', ...describeSelector(expr) };
    case 'matrix':
      return { type: 'matrixSelector', range: lengthOf(expr.range), ...describeSelector(expr.selector) };
    case 'subquery': {
      const { inner, range, step, offset, at } = expr;
      const lengths = { range: lengthOf(range), offset: lengthOf(offset), step: lengthOf(step) };
      return { type: 'subquery', expr: describeTree(inner), ...lengths, ...describeAt(at) };
    }
  }
}

function describeMatching({ op, left, right, matching }: BinaryExpr): object | null {
  if (typeOf(left) === 'scalar' || typeOf(right) === 'scalar') return null;
  const { on, labels, group, include, fillLeft = null, fillRight = null } = matching;
  const cards = { none: 'one-to-one', left: 'many-to-one', right: 'one-to-many' } as const;
  const card = isSetOp(op) ? 'many-to-many' : cards[group];
  return { card, labels, on, include, fillValues: { lhs: fillLeft, rhs: fillRight } };
}

function describeFunction(name: string): object {
  const { args, variadic, returns } = signatureOf(name)!;
  return { name, argTypes: args, variadic, returnType: returns };
}

function describeSelector({ name, matchers, offset, at, modifier }: VectorSelector): object {
  // Prometheus puts the name that stands before the braces behind the other conditions.
  const ordered = name === '' ? matchers : [...matchers.slice(1), { name: METRIC_NAME, op: '=', value: name }];
  return {
    name,
    offset: lengthOf(offset),
    matchers: ordered.map(({ name: label, op, value }) => ({ name: label, value, type: op })),
    ...describeAt(at),
    anchored: modifier === 'anchored',
    smoothed: modifier === 'smoothed',
  };
}

function describeAt(at: At | undefined): object {
  const timestamp = at?.kind === 'time' ? at.time : null;
  return { timestamp, startOrEnd: at === undefined || at.kind === 'time' ? null : at.kind };
}

function lengthOf(duration: Duration | undefined): number {
  return duration?.kind === 'literal' ? literalMs(duration) : 0;
}
