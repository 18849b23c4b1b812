import { countValues, limitGroups, limitRatio, reduceGroups } from './aggregate.ts';
import type { SubqueryExpr, VectorSelector } from './ast.ts';
import { type AggregateExpr, type BinaryExpr, type CallExpr, type Expr, isSetOp, type SetOp, unwrap } from './ast.ts';
import { negatedRows, scalarBinary, vectorScalarRows } from './binary.ts';
import { typeOf } from './check.ts';
import { durationMs } from './duration.ts';
import { notImplemented, QueryError } from './errors.ts';
import { type Evaluation, hold, holding, loadedOf } from './evaluation.ts';
import { foldedSelector } from './foldable.ts';
import { histogramRows, mappedRows, vectorArg } from './functions/arguments.ts';
import { absentWhere } from './functions/conversion.ts';
import type { CallContext } from './functions/definition.ts';
import { checkLabelCall } from './functions/labels.ts';
import { implementationOf } from './functions/table.ts';
import { smoothedMixedRows } from './histograms/smoothed.ts';
import { addInfo } from './info.ts';
import { setBinary, vectorBinary } from './matching.ts';
import { pointRows } from './point-windows.ts';
import type { RangeSource } from './range-source.ts';
import { hintOf, selectorSource, subqueryGrid, windowRows } from './ranges.ts';
import { collect, type Rows, rowsOf } from './rows.ts';
import { infoSight, offsetMsOf, pinnedTime } from './selectors.ts';
import { positionOf } from './span.ts';
import { isStepInvariant } from './step-invariant.ts';
import { emptyVector, type Grid, repeated, timeOf, type Value, type Vector } from './value.ts';
import { latestRows, runOfRow, type Sight, sightsOf, smoothedRows } from './windows.ts';
import type { Work } from './work.ts';

/** Evaluates a node at all steps of a grid at once. */
export function* evaluate(expr: Expr, evaluation: Evaluation, grid: Grid): Work<Value> {
  return yield* holding(evaluation, evaluateNode(expr, evaluation, grid));
}

function* evaluateNode(expr: Expr, evaluation: Evaluation, grid: Grid): Work<Value> {
  if (!grid.instant && isStepInvariant(expr)) {
    const value = yield* evaluateNode(expr, evaluation, { ...grid, steps: 1, instant: true });
    if (value.kind !== 'string') hold(value.values.length * grid.steps, expr.span, evaluation);
    return yield* repeated(value, grid.steps);
  }
  switch (expr.kind) {
    case 'number':
      hold(grid.steps, expr.span, evaluation);
      return { kind: 'scalar', values: new Float64Array(grid.steps).fill(expr.value) };
    case 'string':
      return { kind: 'string', value: expr.value };
    case 'paren':
      return yield* evaluate(expr.inner, evaluation, grid);
    case 'unary': {
      if (typeOf(expr.operand) === 'vector') break;
      const value = yield* evaluate(expr.operand, evaluation, grid);
      if (value.kind !== 'scalar') throw new TypeError('a string has no sign');
      return expr.op === '+' ? value : { kind: 'scalar', values: value.values.map((x) => -x) };
    }
    case 'binary': {
      if (sidesOf(expr) === 'mixed') break;
      return yield* evaluateBinary(expr, evaluation, grid);
    }
    case 'call': {
      const { kind } = implementationOf(expr.name);
      if (kind === 'each' || kind === 'histogram' || kind === 'range') break;
      return yield* evaluateCall(expr, evaluation, grid);
    }
    case 'aggregate':
      return yield* evaluateAggregate(expr, evaluation, grid);
    case 'selector':
      break;
    case 'matrix':
    case 'subquery':
      throw new TypeError('a range vector stands only inside a function or at the top');
  }
  const rows = yield* evaluateRows(expr, evaluation, grid);
  hold(rows.count * grid.steps, expr.span, evaluation);
  return yield* collect(rows, grid.steps);
}

/** An instant vector row by row: of selectors, range functions and what goes value by value, without holding it. */
export function* evaluateRows(expr: Expr, evaluation: Evaluation, grid: Grid): Work<Rows> {
  if (!grid.instant && isStepInvariant(expr)) {
    return yield* rowsOf(vectorArg([yield* evaluate(expr, evaluation, grid)], 0), grid.steps);
  }
  switch (expr.kind) {
    case 'paren':
      return yield* evaluateRows(expr.inner, evaluation, grid);
    case 'selector':
      return selectorRows(expr, evaluation, grid, 'values');
    case 'unary': {
      const rows = yield* evaluateRows(expr.operand, evaluation, grid);
      return expr.op === '+' ? rows : negatedRows(rows, grid.steps);
    }
    case 'binary': {
      if (sidesOf(expr) !== 'mixed') break;
      const scalarIsLeft = typeOf(expr.left) === 'scalar';
      const [vector, scalar] = scalarIsLeft ? [expr.right, expr.left] : [expr.left, expr.right];
      // Of two faults the left one is told.
      const early = scalarIsLeft ? yield* scalarValues(scalar, evaluation, grid) : undefined;
      const rows = yield* evaluateRows(vector, evaluation, grid);
      const side = { scalar: early ?? (yield* scalarValues(scalar, evaluation, grid)), scalarIsLeft };
      return vectorScalarRows(expr, rows, side, evaluation.annotations);
    }
    case 'call': {
      const implementation = implementationOf(expr.name);
      if (implementation.kind === 'each') {
        return mappedRows(yield* evaluateRows(expr.args[0]!, evaluation, grid), grid.steps, implementation.compute);
      }
      if (implementation.kind === 'histogram') {
        return histogramRows(yield* evaluateRows(expr.args[0]!, evaluation, grid), grid.steps, implementation.compute);
      }
      if (implementation.kind !== 'range') break;
      const at = expr.args.findIndex((arg) => isRange(arg));
      const scalars: Float64Array[] = [];
      for (const [i, arg] of expr.args.entries()) {
        if (i !== at) scalars.push(yield* scalarValues(arg, evaluation, grid));
      }
      const points = pointWindowRows(expr, at, evaluation, grid);
      if (points !== undefined) return points;
      const source = yield* evaluateRange(expr.args[at]!, evaluation, grid);
      return windowRows(source, implementation, scalars, callContext(expr, evaluation, grid), evaluation);
    }
    default:
      break;
  }
  return yield* rowsOf(vectorArg([yield* evaluate(expr, evaluation, grid)], 0), grid.steps);
}

/** A range function over points, where its selector was answered with them. */
function pointWindowRows(call: CallExpr, at: number, evaluation: Evaluation, grid: Grid): Rows | undefined {
  const node = unwrap(call.args[at]!);
  if (node.kind !== 'matrix') return undefined;
  const { series, ofPoints } = loadedOf(evaluation, node.selector);
  if (!ofPoints) return undefined;
  const onRow = hintOf(callContext(call, evaluation, grid));
  const implementation = implementationOf(call.name);
  return pointRows(series, {
    name: call.name,
    keepsName: implementation.kind === 'range' && implementation.keepsName === true,
    ends: sightsOf(sightOfNode(node.selector, evaluation), grid),
    rangeMs: durationMs(node.range, evaluation.durations, node.span),
    ...(onRow && { onRow }),
  });
}

/** The range vector of a selector or a subquery. */
export function* evaluateRange(expr: Expr, evaluation: Evaluation, grid: Grid): Work<RangeSource> {
  const node = unwrap(expr);
  if (node.kind === 'matrix') return selectorSource(node, sightOfNode(node.selector, evaluation), evaluation);
  if (node.kind !== 'subquery') throw new TypeError(`a ${node.kind} is no range vector`);
  return yield* evaluateSubquery(node, evaluation, grid);
}

function* evaluateSubquery(node: SubqueryExpr, evaluation: Evaluation, grid: Grid): Work<RangeSource> {
  const sight = sightOfNode(node, evaluation);
  const inner = subqueryGrid(node, sight, evaluation, grid);
  hold(inner.steps, node.span, evaluation);
  const value = inner.steps > 0 ? yield* evaluate(node.inner, evaluation, inner) : emptyVector([], inner.steps);
  const vector = vectorArg([value], 0);
  const rangeMs = durationMs(node.range, evaluation.durations, node.span);
  const run = (row: number) => runOfRow(vector, row, inner);
  const { heads, histograms } = vector;
  return { count: heads.length, mixed: histograms !== undefined, run, sight, rangeMs, modifier: undefined };
}

function selectorRows(
  node: VectorSelector,
  evaluation: Evaluation,
  grid: Grid,
  wanted: 'values' | 'times' | 'starts',
): Rows {
  const loaded = loadedOf(evaluation, node);
  // Without a range there is nothing to anchor: the newest sample, as without the modifier.
  const view = { sights: sightsOf(sightOfNode(node, evaluation), grid), lookbackMs: evaluation.lookbackMs };
  // What the time of a sample is asked of is a sample, not what lies between two.
  if (node.modifier !== 'smoothed' || wanted !== 'values') return latestRows(loaded, view, wanted);
  return loaded.mixed
    ? smoothedMixedRows(loaded, view, { node, annotations: evaluation.annotations })
    : smoothedRows(loaded, view);
}

function* evaluateBinary(expr: BinaryExpr, evaluation: Evaluation, grid: Grid): Work<Value> {
  const { op } = expr;
  const held = (cells: number) => hold(cells, expr.span, evaluation);
  const left = yield* evaluate(expr.left, evaluation, grid);
  const right = yield* evaluate(expr.right, evaluation, grid);
  if (left.kind === 'scalar' && right.kind === 'scalar') {
    return scalarBinary(expr, left, right, errorsOf(evaluation));
  }
  if (left.kind !== 'vector' || right.kind !== 'vector') throw new TypeError('a string is no operand');
  const context = { grid, annotations: evaluation.annotations, error: errorsOf(evaluation), hold: held };
  if (isSetOp(op)) return yield* setBinary(expr as BinaryExpr & { op: SetOp }, left, right, context);
  return yield* vectorBinary(expr, left, right, context);
}

function* evaluateAggregate(whole: AggregateExpr, evaluation: Evaluation, grid: Grid): Work<Vector> {
  const expr = { ...whole, operand: unwrap(whole.operand), parameter: whole.parameter && unwrap(whole.parameter) };
  const { op } = expr;
  const { annotations } = evaluation;
  const holdCells = (cells: number) => hold(cells, whole.span, evaluation);
  const context = { grid, annotations, error: errorsOf(evaluation), hold: holdCells };
  const parameter = expr.parameter === undefined ? undefined : yield* evaluate(expr.parameter, evaluation, grid);
  switch (op) {
    case 'count_values':
    case 'topk':
    case 'bottomk':
    case 'limitk':
    case 'limit_ratio': {
      const vector = vectorArg([yield* evaluate(expr.operand, evaluation, grid)], 0);
      if (parameter?.kind === 'string') return yield* countValues(expr, vector, parameter.value, context);
      if (parameter?.kind !== 'scalar') throw new TypeError(`${op} needs a parameter`);
      if (op === 'limit_ratio') return yield* limitRatio(expr, vector, parameter, context);
      return yield* limitGroups(expr, vector, parameter, context);
    }
    default: {
      if (parameter !== undefined && parameter.kind !== 'scalar') throw new TypeError(`${op} needs a scalar`);
      const folded = foldedSelector(whole);
      const fold = folded && evaluation.loaded.get(folded)?.fold;
      if (fold !== undefined) return yield* fold.finish();
      const rows = yield* evaluateRows(expr.operand, evaluation, grid);
      return yield* reduceGroups(expr, rows, parameter, context);
    }
  }
}

function* evaluateCall(call: CallExpr, evaluation: Evaluation, grid: Grid): Work<Value> {
  const implementation = implementationOf(call.name);
  switch (implementation.kind) {
    case 'whole':
    case 'pieces': {
      if (call.name === 'label_replace' || call.name === 'label_join')
        checkLabelCall(callContext(call, evaluation, grid));
      const args: Value[] = [];
      for (const arg of call.args) args.push(yield* evaluate(arg, evaluation, grid));
      const context = callContext(call, evaluation, grid);
      if (implementation.kind === 'whole') return implementation.compute(args, context);
      return yield* implementation.compute(args, context);
    }
    case 'evaluator':
      if (call.name === 'timestamp') return yield* timestamps(call, evaluation, grid);
      if (call.name === 'start_timestamp') return yield* startTimestamps(call, evaluation, grid);
      if (call.name === 'info') return yield* info(call, evaluation, grid);
      return yield* absentOverTime(call, evaluation, grid);
    default:
      throw notImplemented(evaluation.query, call.span, call.name);
  }
}

/** Of a selector, the times of its samples; of anything else, the times of the steps. */
function* timestamps(call: CallExpr, evaluation: Evaluation, grid: Grid): Work<Vector> {
  const { steps } = grid;
  const arg = unwrap(call.args[0]!);
  const rows =
    arg.kind === 'selector'
      ? mappedRows(selectorRows(arg, evaluation, grid, 'times'), steps, (seconds) => seconds)
      : mappedRows(
          histogramRows(yield* evaluateRows(arg, evaluation, grid), steps, () => 0, true),
          steps,
          (_, step) => timeOf(grid, step) / 1000,
        );
  hold(rows.count * steps, call.span, evaluation);
  return yield* collect(rows, steps);
}

/** Of a selector, the starts of its samples (0: unset); anything else has lost them. */
function* startTimestamps(call: CallExpr, evaluation: Evaluation, grid: Grid): Work<Vector> {
  const arg = unwrap(call.args[0]!);
  if (arg.kind !== 'selector') {
    yield* evaluate(arg, evaluation, grid);
    return emptyVector([], grid.steps);
  }
  const rows = mappedRows(selectorRows(arg, evaluation, grid, 'starts'), grid.steps, (seconds) => seconds);
  hold(rows.count * grid.steps, call.span, evaluation);
  return yield* collect(rows, grid.steps);
}

function* info(call: CallExpr, evaluation: Evaluation, grid: Grid): Work<Vector> {
  const base = vectorArg([yield* evaluate(call.args[0]!, evaluation, grid)], 0);
  const loaded = loadedOf(evaluation, call);
  if (loaded.mixed) {
    throw errorsOf(evaluation)(
      call.span,
      'info metrics have float samples, and some that are selected have histograms',
    );
  }
  const sights = sightsOf(infoSight(call, evaluation.range, evaluation.durations), grid);
  const rows = latestRows(loaded, { sights, lookbackMs: evaluation.lookbackMs }, 'times');
  hold(rows.count * grid.steps, call.span, evaluation);
  return yield* addInfo(base, yield* collect(rows, grid.steps), callContext(call, evaluation, grid));
}

function* absentOverTime(call: CallExpr, evaluation: Evaluation, grid: Grid): Work<Vector> {
  const source = yield* evaluateRange(call.args[0]!, evaluation, grid);
  const present = implementationOf('present_over_time');
  if (present.kind !== 'range') throw new TypeError('present_over_time is a range function');
  const rows = windowRows(source, present, [], callContext(call, evaluation, grid), evaluation);
  hold(rows.count * grid.steps, call.span, evaluation);
  return yield* absentWhere(yield* collect(rows, grid.steps), grid.steps, unwrap(call.args[0]!));
}

function* scalarValues(arg: Expr, evaluation: Evaluation, grid: Grid): Work<Float64Array> {
  const value = yield* evaluate(arg, evaluation, grid);
  if (value.kind !== 'scalar') throw new TypeError(`a ${value.kind} is no scalar`);
  return value.values;
}

/** Whether a vector meets a scalar, or both sides are alike. */
function sidesOf({ left, right }: BinaryExpr): 'mixed' | 'alike' {
  return typeOf(left) === typeOf(right) ? 'alike' : 'mixed';
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
  return {
    call: { ...call, args: call.args.map(placed) },
    grid,
    query: range,
    annotations,
    error: errorsOf(evaluation),
    hold: (cells) => hold(cells, call.span, evaluation),
  };
}

/** Prometheus tells of an argument at its own place, without the parentheses around it; of a subquery it forgets the place. */
function placed(arg: Expr): Expr {
  const inner = unwrap(arg);
  return inner.kind === 'subquery' ? { ...inner, span: { start: 0, end: 0 } } : inner;
}

function errorsOf({ query }: Evaluation): CallContext['error'] {
  return (span, message) => new QueryError('execution', message, positionOf(query, span));
}
