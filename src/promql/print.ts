import { METRIC_NAME } from '../model/labels.ts';
import type { Matcher } from '../model/matcher.ts';
import { formatDuration } from '../model/time.ts';
import type { AggregateExpr, At, BinaryExpr, Duration, Expr, VectorMatching, VectorSelector } from './ast.ts';
import { quote } from './unquote.ts';

const PLAIN_LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** PromQL text of a tree, on one line. Parsing it gives the same tree. */
export function formatExpr(expr: Expr): string {
  switch (expr.kind) {
    case 'number':
      return expr.duration ? formatLength(Math.round(expr.value * 1000)) : formatNumber(expr.value);
    case 'string':
      return quote(expr.value);
    case 'paren':
      return `(${formatExpr(expr.inner)})`;
    case 'unary':
      return `${expr.op}${formatExpr(expr.operand)}`;
    case 'binary':
      return formatBinary(expr);
    case 'call':
      return `${expr.name}(${expr.args.map(formatExpr).join(', ')})`;
    case 'aggregate':
      return formatAggregate(expr);
    case 'selector':
      return `${formatSelector(expr)}${formatModifiers(expr)}`;
    case 'matrix':
      return `${formatSelector(expr.selector)}[${formatLengthExpr(expr.range)}]${formatModifiers(expr.selector)}`;
    case 'subquery': {
      const step = expr.step === undefined ? '' : formatLengthExpr(expr.step);
      return `${formatExpr(expr.inner)}[${formatLengthExpr(expr.range)}:${step}]${formatModifiers(expr)}`;
    }
  }
}

function formatBinary({ op, left, right, bool, matching }: BinaryExpr): string {
  return `${formatExpr(left)} ${op}${bool ? ' bool' : ''}${formatMatching(matching)} ${formatExpr(right)}`;
}

function formatMatching({ on, labels, group, include, fillLeft, fillRight }: VectorMatching): string {
  let text = '';
  if (on || labels.length > 0 || group !== 'none') text += ` ${on ? 'on' : 'ignoring'} (${formatNames(labels)})`;
  if (group !== 'none') text += ` group_${group} (${formatNames(include)})`;
  if (fillLeft !== undefined && Object.is(fillLeft, fillRight)) return `${text} fill (${formatNumber(fillLeft)})`;
  if (fillLeft !== undefined) text += ` fill_left (${formatNumber(fillLeft)})`;
  if (fillRight !== undefined) text += ` fill_right (${formatNumber(fillRight)})`;
  return text;
}

function formatAggregate({ op, operand, parameter, without, grouping }: AggregateExpr): string {
  const clause = without || grouping.length > 0 ? ` ${without ? 'without' : 'by'} (${formatNames(grouping)}) ` : '';
  const first = parameter === undefined ? '' : `${formatExpr(parameter)}, `;
  return `${op}${clause}(${first}${formatExpr(operand)})`;
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
  if (offset !== undefined) text += ` offset ${formatLengthExpr(offset)}`;
  return text;
}

function formatLengthExpr(duration: Duration): string {
  switch (duration.kind) {
    case 'literal':
      return formatLength(duration.ms);
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

/** Lengths that no unit divides, and infinite ones, do not come out of the parser. */
function formatLength(ms: number): string {
  return formatDuration(ms);
}

function formatNumber(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Inf' : '-Inf';
  return Object.is(value, -0) ? '-0' : String(value);
}

function formatNames(names: readonly string[]): string {
  return names.map((name) => (PLAIN_LABEL.test(name) ? name : quote(name))).join(', ');
}
