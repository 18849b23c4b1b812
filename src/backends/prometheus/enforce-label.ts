import type { Label } from '../../model/labels.ts';
import type { Matcher } from '../../model/matcher.ts';
import type { Expr, VectorSelector } from '../../promql/ast.ts';
import { QueryError } from '../../promql/errors.ts';
import { parseQuery } from '../../promql/parse.ts';
import { formatExpr } from '../../promql/print.ts';

/**
 * The expression with a condition in every selector, so that it reaches one tenant's series alone.
 * @throws {QueryError} If the text is not PromQL, or holds `info`, which looks at series that no selector names.
 */
export function enforceLabel(expression: string, [name, value]: Label): string {
  return formatExpr(enforced(parseQuery(expression), { name, op: '=', value }));
}

function enforced(expr: Expr, matcher: Matcher): Expr {
  const inside = (part: Expr) => enforced(part, matcher);
  switch (expr.kind) {
    case 'number':
    case 'string':
      return expr;
    case 'selector':
      return selecting(expr, matcher);
    case 'matrix':
      return { ...expr, selector: selecting(expr.selector, matcher) };
    case 'paren':
    case 'subquery':
      return { ...expr, inner: inside(expr.inner) };
    case 'unary':
      return { ...expr, operand: inside(expr.operand) };
    case 'binary':
      return { ...expr, left: inside(expr.left), right: inside(expr.right) };
    case 'call':
      if (expr.name === 'info') {
        const why = 'it looks at series that are not named, and tenants share the engine';
        throw new QueryError('execution', `info() cannot be used here: ${why}`);
      }
      return { ...expr, args: expr.args.map(inside) };
    case 'aggregate': {
      const { parameter } = expr;
      return { ...expr, operand: inside(expr.operand), parameter: parameter && inside(parameter) };
    }
  }
}

/** Other conditions on the label stay: they can only narrow. */
function selecting(selector: VectorSelector, matcher: Matcher): VectorSelector {
  return { ...selector, matchers: [...selector.matchers, matcher] };
}
