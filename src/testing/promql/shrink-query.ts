import { childrenOf, type Expr } from '../../promql/ast.ts';
import { typeOf } from '../../promql/check.ts';
import { parseQuery } from '../../promql/parse.ts';
import { formatExpr } from '../../promql/print.ts';
import type { Question } from './compare-answers.ts';

/** The smallest question found by taking parts away, for which `fails` still holds. What does not parse stays as it is. */
export async function shrunk(question: Question, fails: (smaller: Question) => Promise<boolean>): Promise<Question> {
  let best = question;
  for (let again = true; again; ) {
    again = false;
    for (const smaller of smallerOf(best)) {
      if (!(await fails(smaller))) continue;
      best = smaller;
      again = true;
      break;
    }
  }
  return best;
}

function* smallerOf(question: Question): Generator<Question> {
  const { query, start, end, stepMs } = question;
  if (stepMs !== undefined && end > start) {
    const half = Math.floor((end - start) / stepMs / 2) * stepMs;
    yield { ...question, end: start + half };
    yield { ...question, start: start + half + stepMs };
  }
  let expr: Expr;
  try {
    expr = parseQuery(query);
  } catch {
    return;
  }
  const seen = new Set([query]);
  for (const smaller of [...partsOf(expr).filter((part) => typeOf(part) !== 'matrix'), ...simpler(expr)]) {
    const text = formatExpr(smaller);
    if (seen.has(text) || text.length > query.length) continue;
    seen.add(text);
    yield { ...question, query: text };
  }
}

/** All below a node, the largest first. */
function partsOf(expr: Expr): readonly Expr[] {
  const children = childrenOf(expr);
  return [...children, ...children.flatMap(partsOf)];
}

/** With one thing less, somewhere. */
function simpler(expr: Expr): readonly Expr[] {
  const found: Expr[] = [];
  const within = (child: Expr, put: (smaller: Expr) => Expr) => {
    const type = typeOf(child);
    const parts = partsOf(child).filter((part) => typeOf(part) === type && isWhole(child, part));
    for (const smaller of [...parts, ...simpler(child)]) found.push(put(smaller));
  };
  switch (expr.kind) {
    case 'number':
    case 'string':
      break;
    case 'paren':
      within(expr.inner, (inner) => ({ ...expr, inner }));
      break;
    case 'unary':
      within(expr.operand, (operand) => ({ ...expr, operand: grouped(operand) }));
      break;
    case 'binary':
      within(expr.left, (left) => ({ ...expr, left: grouped(left) }));
      within(expr.right, (right) => ({ ...expr, right: grouped(right) }));
      if (expr.bool) found.push({ ...expr, bool: false });
      if (expr.matching.fillLeft !== undefined || expr.matching.fillRight !== undefined) {
        found.push({ ...expr, matching: { ...expr.matching, fillLeft: undefined, fillRight: undefined } });
      }
      if (expr.matching.include.length > 0) found.push({ ...expr, matching: { ...expr.matching, include: [] } });
      break;
    case 'call':
      for (const [i, arg] of expr.args.entries())
        within(arg, (smaller) => ({ ...expr, args: expr.args.with(i, smaller) }));
      break;
    case 'aggregate': {
      within(expr.operand, (operand) => ({ ...expr, operand }));
      if (expr.parameter !== undefined) within(expr.parameter, (parameter) => ({ ...expr, parameter }));
      if (expr.grouping.length > 0) found.push({ ...expr, grouping: expr.grouping.slice(1) });
      break;
    }
    case 'subquery':
      within(expr.inner, (inner) => ({ ...expr, inner: grouped(inner) }));
      if (expr.step !== undefined) found.push({ ...expr, step: undefined });
      if (expr.offset !== undefined) found.push({ ...expr, offset: undefined });
      if (expr.at !== undefined) found.push({ ...expr, at: undefined });
      break;
    case 'selector':
    case 'matrix': {
      const selector = expr.kind === 'matrix' ? expr.selector : expr;
      const put = (smaller: typeof selector): Expr =>
        expr.kind === 'matrix' ? { ...expr, selector: smaller } : smaller;
      if (selector.offset !== undefined) found.push(put({ ...selector, offset: undefined }));
      if (selector.at !== undefined) found.push(put({ ...selector, at: undefined }));
      if (selector.modifier !== undefined) found.push(put({ ...selector, modifier: undefined }));
      const least = selector.name === '' ? 0 : 1;
      for (let i = selector.matchers.length - 1; i >= least && selector.matchers.length > 1; i--) {
        found.push(put({ ...selector, matchers: selector.matchers.toSpliced(i, 1) }));
      }
    }
  }
  return found;
}

/** A selector inside of a range selector is no expression of its own. */
function isWhole(around: Expr, part: Expr): boolean {
  return !(around.kind === 'matrix' && around.selector === part);
}

function grouped(expr: Expr): Expr {
  return expr.kind === 'binary' || expr.kind === 'unary' ? { kind: 'paren', inner: expr, span: expr.span } : expr;
}
