import { METRIC_NAME } from '../model/labels.ts';
import type { Matcher } from '../model/matcher.ts';
import { formatDuration } from '../model/time.ts';
import type {
  AggregateExpr,
  At,
  BinaryExpr,
  Duration,
  Expr,
  SubqueryExpr,
  VectorMatching,
  VectorSelector,
} from './ast.ts';
import { literalMs } from './duration.ts';
import { formatFloat } from './format-float.ts';
import { quote } from './unquote.ts';

export const PLAIN_LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** PromQL text of a tree, on one line. Parsing it gives the same tree. */
export function formatExpr(expr: Expr): string {
  switch (expr.kind) {
    case 'number':
      return expr.duration ? formatDuration(Math.round(expr.value * 1000)) : formatFloat(expr.value);
    case 'string':
      return quote(expr.value);
    case 'paren':
      return `(${formatExpr(expr.inner)})`;
    case 'unary':
      return `${expr.op}${formatExpr(expr.operand)}`;
    case 'binary':
      return `${formatExpr(expr.left)} ${formatOperator(expr)} ${formatExpr(expr.right)}`;
    case 'call':
      return `${expr.name}(${expr.args.map(formatExpr).join(', ')})`;
    case 'aggregate': {
      const first = expr.parameter === undefined ? '' : `${formatExpr(expr.parameter)}, `;
      return `${formatAggregation(expr)}(${first}${formatExpr(expr.operand)})`;
    }
    case 'selector':
      return `${formatSelector(expr)}${formatModifiers(expr)}`;
    case 'matrix':
      return `${formatSelector(expr.selector)}[${formatLength(expr.range)}]${formatModifiers(expr.selector)}`;
    case 'subquery':
      return `${formatExpr(expr.inner)}${formatSubqueryWindow(expr)}`;
  }
}

/** A binary operator with all that modifies it: `/ on (job) group_left ()`. */
export function formatOperator({ op, bool, matching }: BinaryExpr): string {
  return `${op}${bool ? ' bool' : ''}${formatMatching(matching)}`;
}

/** What stands before an aggregation's parentheses: `sum by (job) `. */
export function formatAggregation({ op, without, grouping }: AggregateExpr): string {
  return without || grouping.length > 0 ? `${op} ${without ? 'without' : 'by'} (${formatNames(grouping)}) ` : op;
}

/** What stands after a subquery's expression: `[1h:1m] offset 5m`. */
export function formatSubqueryWindow(expr: SubqueryExpr): string {
  const step = expr.step === undefined ? '' : formatLength(expr.step);
  return `[${formatLength(expr.range)}:${step}]${formatModifiers(expr)}`;
}

function formatMatching({ on, labels, group, include, fillLeft, fillRight }: VectorMatching): string {
  let text = '';
  if (on || labels.length > 0 || group !== 'none') text += ` ${on ? 'on' : 'ignoring'} (${formatNames(labels)})`;
  if (group !== 'none') text += ` group_${group} (${formatNames(include)})`;
  if (fillLeft !== undefined && Object.is(fillLeft, fillRight)) return `${text} fill (${formatFloat(fillLeft)})`;
  if (fillLeft !== undefined) text += ` fill_left (${formatFloat(fillLeft)})`;
  if (fillRight !== undefined) text += ` fill_right (${formatFloat(fillRight)})`;
  return text;
}

function formatSelector({ name, matchers }: VectorSelector): string {
  const inner = name === '' ? matchers : matchers.slice(1);
  if (inner.length === 0 && name !== '') return name;
  return `${name}{${inner.map(formatCondition).join(',')}}`;
}

function formatCondition({ name, op, value }: Matcher): string {
  if (name === METRIC_NAME && op === '=') return `${METRIC_NAME}=${quote(value)}`;
  return `${formatNames([name])}${op}${quote(value)}`;
}

function formatModifiers(node: {
  readonly offset: Duration | undefined;
  readonly at: At | undefined;
  readonly modifier?: VectorSelector['modifier'];
}): string {
  const { offset, at, modifier } = node;
  let text = at === undefined ? '' : ` @ ${at.kind === 'time' ? (at.time / 1000).toFixed(3) : `${at.kind}()`}`;
  if (modifier !== undefined) text += ` ${modifier}`;
  if (offset !== undefined) text += ` offset ${formatLength(offset)}`;
  return text;
}

/** A literal with its units, which it need not have had; inside of an expression as it was. */
function formatLength(length: Duration): string {
  return length.kind === 'literal' ? formatDuration(literalMs(length)) : formatLengthExpr(length);
}

function formatLengthExpr(duration: Duration): string {
  switch (duration.kind) {
    case 'literal':
      return duration.units ? formatDuration(literalMs(duration)) : formatFloat(duration.seconds);
    case 'context':
      return `${duration.name}()`;
    case 'group':
      return `(${formatLengthExpr(duration.inner)})`;
    case 'negated':
      return `-${formatLengthExpr(duration.inner)}`;
    case 'operation': {
      const { op, left, right } = duration;
      if (op === 'min_of' || op === 'max_of') return `${op}(${formatLengthExpr(left)}, ${formatLengthExpr(right)})`;
      return `${formatLengthExpr(left)} ${op} ${formatLengthExpr(right)}`;
    }
  }
}

function formatNames(names: readonly string[]): string {
  return names.map((name) => (PLAIN_LABEL.test(name) ? name : quote(name))).join(', ');
}
