import type { Matcher } from '../model/matcher.ts';
import type { Millis } from '../model/time.ts';
import type { Span } from './span.ts';

export type ValueType = 'scalar' | 'string' | 'vector' | 'matrix';

export type ArithmeticOp = '+' | '-' | '*' | '/' | '%' | '^' | 'atan2';
export type ComparisonOp = '==' | '!=' | '<' | '<=' | '>' | '>=';
export type SetOp = 'and' | 'or' | 'unless';
/** Cuts a native histogram's upper or lower part off. */
export type TrimOp = '</' | '>/';
export type BinaryOp = ArithmeticOp | ComparisonOp | SetOp | TrimOp;

export const AGGREGATORS = [
  ...(['sum', 'avg', 'count', 'min', 'max', 'group', 'stddev', 'stdvar', 'topk', 'bottomk'] as const),
  ...(['count_values', 'quantile', 'limitk', 'limit_ratio'] as const),
];
export type Aggregator = (typeof AGGREGATORS)[number];
const WITH_PARAMETER: ReadonlySet<Aggregator> = new Set<Aggregator>([
  ...(['topk', 'bottomk', 'count_values', 'quantile', 'limitk', 'limit_ratio'] as const),
]);

/** How series of two vectors find each other. */
export interface VectorMatching {
  readonly on: boolean;
  readonly labels: readonly string[];
  /** `left`: many on the left side (group_left). Set operators are many-to-many and ignore it. */
  readonly group: 'none' | 'left' | 'right';
  /** Labels that `group_left` or `group_right` copies from the one side. */
  readonly include: readonly string[];
  /** The value of a series that is missing on that side. */
  readonly fillLeft: number | undefined;
  readonly fillRight: number | undefined;
}

/** The instant that `@` pins a selector to. */
export type At =
  | { readonly kind: 'time'; readonly time: Millis }
  | { readonly kind: 'start' }
  | { readonly kind: 'end' };

/** A length of time: a literal, or an expression that the query's own range and step complete. */
export type Duration =
  /** In seconds. With units (`5m`) or without (`300`). */
  (
    | { readonly kind: 'literal'; readonly seconds: number; readonly units: boolean }
    | { readonly kind: 'context'; readonly name: 'step' | 'range' }
    | { readonly kind: 'group'; readonly inner: Duration }
    | { readonly kind: 'negated'; readonly inner: Duration }
    | {
        readonly kind: 'operation';
        readonly op: '+' | '-' | '*' | '/' | '%' | '^' | 'min_of' | 'max_of';
        readonly left: Duration;
        readonly right: Duration;
      }
  ) & {
    /** Where it stands, if it comes from a text. */
    readonly span?: Span;
  };

export interface NumberLiteral {
  readonly kind: 'number';
  readonly value: number;
  /** Written as a duration (`5m`): seconds. */
  readonly duration: boolean;
  readonly span: Span;
}

export interface StringLiteral {
  readonly kind: 'string';
  /** A byte that is not UTF-8 is the lone surrogate U+DC00 + byte. */
  readonly value: string;
  readonly span: Span;
}

export interface ParenExpr {
  readonly kind: 'paren';
  readonly inner: Expr;
  readonly span: Span;
}

export interface UnaryExpr {
  readonly kind: 'unary';
  readonly op: '+' | '-';
  readonly operand: Expr;
  readonly span: Span;
}

export interface BinaryExpr {
  readonly kind: 'binary';
  readonly op: BinaryOp;
  readonly left: Expr;
  readonly right: Expr;
  readonly bool: boolean;
  readonly matching: VectorMatching;
  readonly span: Span;
}

export interface CallExpr {
  readonly kind: 'call';
  readonly name: string;
  readonly args: readonly Expr[];
  readonly span: Span;
}

export interface AggregateExpr {
  readonly kind: 'aggregate';
  readonly op: Aggregator;
  readonly operand: Expr;
  readonly parameter: Expr | undefined;
  readonly without: boolean;
  readonly grouping: readonly string[];
  readonly span: Span;
}

export interface VectorSelector {
  readonly kind: 'selector';
  /** Every condition. A name before the braces is the first of them, an `=` on `__name__`. */
  readonly matchers: readonly Matcher[];
  /** The name before the braces, or empty. */
  readonly name: string;
  readonly offset: Duration | undefined;
  readonly at: At | undefined;
  readonly modifier: 'anchored' | 'smoothed' | undefined;
  readonly span: Span;
}

export interface MatrixSelector {
  readonly kind: 'matrix';
  readonly selector: VectorSelector;
  readonly range: Duration;
  readonly span: Span;
}

export interface SubqueryExpr {
  readonly kind: 'subquery';
  readonly inner: Expr;
  readonly range: Duration;
  /** The default is the evaluation interval of the query's caller, 1 minute unless told. */
  readonly step: Duration | undefined;
  readonly offset: Duration | undefined;
  readonly at: At | undefined;
  readonly span: Span;
}

export type Expr =
  | NumberLiteral
  | StringLiteral
  | ParenExpr
  | UnaryExpr
  | BinaryExpr
  | CallExpr
  | AggregateExpr
  | VectorSelector
  | MatrixSelector
  | SubqueryExpr;

export function takesParameter(op: Aggregator): boolean {
  return WITH_PARAMETER.has(op);
}

export function isComparison(op: BinaryOp): op is ComparisonOp {
  return op === '==' || op === '!=' || op === '<' || op === '<=' || op === '>' || op === '>=';
}

export function isSetOp(op: BinaryOp): op is SetOp {
  return op === 'and' || op === 'or' || op === 'unless';
}

/** The direct parts of a node, in the order of the text. */
export function childrenOf(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case 'number':
    case 'string':
    case 'selector':
      return [];
    case 'paren':
    case 'subquery':
      return [expr.inner];
    case 'unary':
      return [expr.operand];
    case 'binary':
      return [expr.left, expr.right];
    case 'call':
      return expr.args;
    case 'aggregate':
      return expr.parameter === undefined ? [expr.operand] : [expr.parameter, expr.operand];
    case 'matrix':
      return [expr.selector];
  }
}

/** Without the parentheses around it. */
export function unwrap(expr: Expr): Expr {
  let inner = expr;
  while (inner.kind === 'paren') inner = inner.inner;
  return inner;
}
