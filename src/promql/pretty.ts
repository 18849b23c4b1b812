import type { Expr } from './ast.ts';
import { formatAggregation, formatExpr, formatOperator, formatSubqueryWindow } from './print.ts';

/** What is longer than this is split, as Prometheus's own formatter does. */
const LINE_LENGTH = 100;

/** PromQL text of a tree, over several lines where one would be too long. Parsing it gives the same tree. */
export function prettyExpr(expr: Expr, level = 0): string {
  const indent = '  '.repeat(level);
  const line = formatExpr(expr);
  if (line.length <= LINE_LENGTH) return indent + line;
  switch (expr.kind) {
    case 'number':
    case 'string':
    case 'selector':
    case 'matrix':
      return indent + line;
    case 'paren':
      return bracketed(`${indent}(`, [expr.inner], level);
    case 'unary':
      return `${indent}${expr.op}${prettyExpr(expr.operand, level).trimStart()}`;
    case 'binary': {
      const [left, right] = [expr.left, expr.right].map((side) => prettyExpr(side, level + 1));
      return `${left}\n${indent}${formatOperator(expr)}\n${right}`;
    }
    case 'call':
      return bracketed(`${indent}${expr.name}(`, expr.args, level);
    case 'aggregate': {
      const args = expr.parameter === undefined ? [expr.operand] : [expr.parameter, expr.operand];
      return bracketed(`${indent}${formatAggregation(expr)}(`, args, level);
    }
    case 'subquery':
      return `${prettyExpr(expr.inner, level)}${formatSubqueryWindow(expr)}`;
  }
}

function bracketed(open: string, args: readonly Expr[], level: number): string {
  const lines = args.map((arg) => prettyExpr(arg, level + 1)).join(',\n');
  return `${open}\n${lines}\n${'  '.repeat(level)})`;
}
