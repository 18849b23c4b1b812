import { countValues, limitGroups, reduceGroups } from './aggregate.ts';
import type { SubqueryExpr, VectorSelector } from './ast.ts';
import { type AggregateExpr, type BinaryExpr, type CallExpr, type Expr, isSetOp, type SetOp, unwrap } from './ast.ts';
import { negated, scalarBinary, vectorScalar } from './binary.ts';
import { durationMs } from './duration.ts';
import { notImplemented, QueryError } from './errors.ts';
import { checkSize, type Evaluation, loadedOf } from './evaluation.ts';
import { mapped, vectorArg } from './functions/arguments.ts';
import { absentWhere } from './functions/conversion.ts';
import type { CallContext } from './functions/definition.ts';
import { implementationOf } from './functions/table.ts';
import { setBinary, vectorBinary } from './matching.ts';
import { callOverWindows, type RangeSource, selectorSource, subqueryGrid } from './ranges.ts';
import { offsetMsOf, pinnedTime } from './selectors.ts';
import { positionOf } from './span.ts';
import { emptyVector, type Grid, type Value, type Vector } from './value.ts';
import { latest, runsOf, type Sight, smoothed } from './windows.ts';

/** Evaluates a node at all steps of a grid at once. */
export function evaluate(expr: Expr, evaluation: Evaluation, grid: Grid): Value {
  evaluation.checkAborted();
  switch (expr.kind) {
    case 'number':
      return { kind: 'scalar', values: new Float64Array(grid.steps).fill(expr.value) };
    case 'string':
      return { kind: 'string', value: expr.value };
    case 'paren':
      return evaluate(expr.inner, evaluation, grid);
    case 'unary': {
      const value = evaluate(expr.operand, evaluation, grid);
      if (expr.op === '+') return value;
      if (value.kind === 'vector') return negated(value);
      if (value.kind === 'scalar') return { kind: 'scalar', values: value.values.map((x) => -x) };
      throw new TypeError('a string has no sign');
    }
    case 'binary':
      return evaluateBinary(expr, evaluation, grid);
    case 'call':
      return evaluateCall(expr, evaluation, grid);
    case 'aggregate':
      return evaluateAggregate(expr, evaluation, grid);
    case 'selector':
      return evaluateSelector(expr, evaluation, grid, 'values');
    case 'matrix':
    case 'subquery':
      throw new TypeError('a range vector stands only inside a function or at the top');
  }
}

/** The range vector of a selector or a subquery. */
export function evaluateRange(expr: Expr, evaluation: Evaluation, grid: Grid): RangeSource {
  const node = unwrap(expr);
  if (node.kind === 'matrix') return selectorSource(node, sightOfNode(node.selector, evaluation), evaluation);
  if (node.kind !== 'subquery') throw new TypeError(`a ${node.kind} is no range vector`);
  return evaluateSubquery(node, evaluation, grid);
}

function evaluateSubquery(node: SubqueryExpr, evaluation: Evaluation, grid: Grid): RangeSource {
  const sight = sightOfNode(node, evaluation);
  const inner = subqueryGrid(node, sight, evaluation, grid);
  checkSize(inner.steps, node.span, evaluation);
  const vector =
    inner.steps > 0 ? vectorArg([evaluate(node.inner, evaluation, inner)], 0) : emptyVector([], inner.steps);
  const runs = runsOf(vector, inner);
  const rangeMs = durationMs(node.range, evaluation.durations, node.span);
  return { count: runs.length, run: (index) => runs[index]!, sight, rangeMs, modifier: undefined };
}

function evaluateSelector(
  node: VectorSelector,
  evaluation: Evaluation,
  grid: Grid,
  wanted: 'values' | 'times',
): Vector {
  const { series, range } = loadedOf(evaluation, node);
  if (node.modifier === 'anchored') throw notImplemented(evaluation.query, node.span, 'anchored instant vector');
  checkSize(series.length * grid.steps, node.span, evaluation);
  const view = { grid, sight: sightOfNode(node, evaluation), lookbackMs: evaluation.lookbackMs };
  return node.modifier === 'smoothed' ? smoothed(series, range, view) : latest(series, range, view, wanted);
}

function evaluateBinary(expr: BinaryExpr, evaluation: Evaluation, grid: Grid): Value {
  const { op, span } = expr;
  if (op === '</' || op === '>/') throw notImplemented(evaluation.query, span, `${op} (native histograms)`);
  const left = evaluate(expr.left, evaluation, grid);
  const right = evaluate(expr.right, evaluation, grid);
  if (left.kind === 'scalar' && right.kind === 'scalar') return scalarBinary(expr, left, right);
  if (left.kind === 'vector' && right.kind === 'scalar') return vectorScalar(expr, left, right, false);
  if (left.kind === 'scalar' && right.kind === 'vector') return vectorScalar(expr, right, left, true);
  if (left.kind !== 'vector' || right.kind !== 'vector') throw new TypeError('a string is no operand');
  const context = { grid, error: errorsOf(evaluation) };
  if (isSetOp(op)) return setBinary(expr as BinaryExpr & { op: SetOp }, left, right, context);
  return vectorBinary(expr, left, right, context);
}

function evaluateAggregate(expr: AggregateExpr, evaluation: Evaluation, grid: Grid): Vector {
  const { op } = expr;
  const context = { grid, annotations: evaluation.annotations, error: errorsOf(evaluation) };
  if (op === 'limit_ratio') throw notImplemented(evaluation.query, expr.span, op);
  const parameter = expr.parameter === undefined ? undefined : evaluate(expr.parameter, evaluation, grid);
  const vector = vectorArg([evaluate(expr.operand, evaluation, grid)], 0);
  switch (op) {
    case 'count_values':
      if (parameter?.kind !== 'string') throw new TypeError('count_values needs a string');
      return countValues(expr, vector, parameter.value, context);
    case 'topk':
    case 'bottomk':
    case 'limitk':
      if (parameter?.kind !== 'scalar') throw new TypeError(`${op} needs a scalar`);
      return limitGroups(expr, vector, parameter, context);
    default:
      if (parameter !== undefined && parameter.kind !== 'scalar') throw new TypeError(`${op} needs a scalar`);
      return reduceGroups(expr, vector, parameter, context);
  }
}

function evaluateCall(call: CallExpr, evaluation: Evaluation, grid: Grid): Value {
  const implementation = implementationOf(call.name);
  switch (implementation.kind) {
    case 'missing':
      throw notImplemented(evaluation.query, call.span, call.name);
    case 'each':
      return mapped(vectorArg([evaluate(call.args[0]!, evaluation, grid)], 0), 1, implementation.compute);
    case 'whole': {
      const args = call.args.map((arg) => evaluate(arg, evaluation, grid));
      return implementation.compute(args, callContext(call, evaluation, grid));
    }
    case 'range': {
      const at = call.args.findIndex((arg) => isRange(arg));
      const scalars = call.args.filter((_, i) => i !== at).map((arg) => scalarValues(arg, evaluation, grid));
      const source = evaluateRange(call.args[at]!, evaluation, grid);
      return callOverWindows(source, implementation, scalars, callContext(call, evaluation, grid), evaluation);
    }
    case 'evaluator':
      return call.name === 'timestamp' ? timestamps(call, evaluation, grid) : absentOverTime(call, evaluation, grid);
  }
}

/** Of a selector, the times of its samples; of anything else, the times of the steps. */
function timestamps(call: CallExpr, evaluation: Evaluation, grid: Grid): Vector {
  const arg = unwrap(call.args[0]!);
  if (arg.kind === 'selector') return mapped(evaluateSelector(arg, evaluation, grid, 'times'), 1, (seconds) => seconds);
  const vector = vectorArg([evaluate(arg, evaluation, grid)], 0);
  return mapped(vector, grid.steps, (_, step) => (grid.start + step * grid.stepMs) / 1000);
}

function absentOverTime(call: CallExpr, evaluation: Evaluation, grid: Grid): Vector {
  const source = evaluateRange(call.args[0]!, evaluation, grid);
  const present = implementationOf('present_over_time');
  if (present.kind !== 'range') throw new TypeError('present_over_time is a range function');
  const vector = callOverWindows(source, present, [], callContext(call, evaluation, grid), evaluation);
  return absentWhere(vector, grid.steps, unwrap(call.args[0]!));
}

function scalarValues(arg: Expr, evaluation: Evaluation, grid: Grid): Float64Array {
  const value = evaluate(arg, evaluation, grid);
  if (value.kind !== 'scalar') throw new TypeError(`a ${value.kind} is no scalar`);
  return value.values;
}

function isRange(arg: Expr): boolean {
  const { kind } = unwrap(arg);
  return kind === 'matrix' || kind === 'subquery';
}

function sightOfNode(node: VectorSelector | SubqueryExpr, { range, durations }: Evaluation): Sight {
  return { pinned: pinnedTime(node.at, range), offsetMs: offsetMsOf(node, durations) };
}

function callContext(call: CallExpr, evaluation: Evaluation, grid: Grid): CallContext {
  const { annotations, range } = evaluation;
  return { call, grid, query: range, annotations, error: errorsOf(evaluation) };
}

function errorsOf({ query }: Evaluation): CallContext['error'] {
  return (span, message) => new QueryError('execution', message, positionOf(query, span));
}
