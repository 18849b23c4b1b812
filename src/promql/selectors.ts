import type { Matcher } from '../model/matcher.ts';
import type { StepRange } from '../model/query-result.ts';
import type { Millis, TimeRange } from '../model/time.ts';
import {
  type At,
  type CallExpr,
  childrenOf,
  type Duration,
  type Expr,
  type SubqueryExpr,
  type VectorSelector,
} from './ast.ts';
import { type DurationContext, durationMs } from './duration.ts';
import { infoMatchers } from './info.ts';
import type { Span } from './span.ts';
import type { Sight } from './windows.ts';

/** What must be loaded before a query can be evaluated. */
export interface SelectorNeed {
  /** What the samples are for: a selector, or a call of `info` for the info series that it adds labels of. */
  readonly node: VectorSelector | CallExpr;
  readonly matchers: readonly Matcher[];
  /** Both ends included: the first millisecond that may matter, and the last. */
  readonly range: TimeRange;
}

export interface SelectionOptions {
  /** The query's text, for positions in errors. */
  readonly query: string;
  readonly lookbackMs: number;
}

/** Every selector of a query with the samples that evaluating it over `range` can look at. */
export function selectorsOf(expr: Expr, range: StepRange, options: SelectionOptions): readonly SelectorNeed[] {
  const needs: SelectorNeed[] = [];
  const context: DurationContext = {
    query: options.query,
    stepMs: range.stepMs,
    rangeMs: range.end - range.start,
  };
  const visit = (node: Expr, seen: TimeRange, windowMs: number | undefined): void => {
    switch (node.kind) {
      case 'matrix':
        visit(node.selector, seen, durationMs(node.range, context, node.span));
        return;
      case 'subquery': {
        const moved = seenBy(node, seen, range, context);
        const length = durationMs(node.range, context, node.span);
        visit(node.inner, { start: moved.start - length, end: moved.end }, undefined);
        return;
      }
      case 'selector': {
        const moved = seenBy(node, seen, range, context);
        const extended = node.modifier !== undefined && windowMs !== undefined;
        const back = (windowMs ?? 0) + (extended || windowMs === undefined ? options.lookbackMs : 0);
        const ahead = node.modifier === 'smoothed' ? options.lookbackMs : 0;
        const needed = { start: moved.start - back + 1, end: moved.end + ahead };
        needs.push({ node, matchers: node.matchers, range: needed });
        return;
      }
      case 'call': {
        if (node.name !== 'info') break;
        visit(node.args[0]!, seen, undefined);
        const { pinned, offsetMs } = infoSight(node, range, context);
        const needed = {
          start: (pinned ?? seen.start) - offsetMs - options.lookbackMs + 1,
          end: (pinned ?? seen.end) - offsetMs,
        };
        needs.push({ node, matchers: infoMatchers(node), range: needed });
        return;
      }
      default:
        break;
    }
    for (const child of childrenOf(node)) visit(child, seen, undefined);
  };
  visit(expr, { start: range.start, end: range.end }, undefined);
  return needs;
}

/** Where `info` looks at info series: where the first selector of its argument looks, subqueries around it included. */
export function infoSight({ args }: CallExpr, range: StepRange, context: DurationContext): Sight {
  const visit = (node: Expr, sight: Sight): Sight | undefined => {
    const moved = (by: VectorSelector | SubqueryExpr): Sight => {
      const pinned = pinnedTime(by.at, range);
      const offsetMs = offsetMsOf(by, context);
      return pinned === undefined ? { ...sight, offsetMs: sight.offsetMs + offsetMs } : { pinned, offsetMs };
    };
    if (node.kind === 'selector') return moved(node);
    const inner = node.kind === 'subquery' ? moved(node) : sight;
    for (const child of childrenOf(node)) {
      const found = visit(child, inner);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  const own: Sight = { pinned: undefined, offsetMs: 0 };
  return visit(args[0]!, own) ?? own;
}

/** The instant that `@` names, if any. */
export function pinnedTime(at: At | undefined, range: StepRange): Millis | undefined {
  if (at === undefined) return undefined;
  if (at.kind === 'time') return at.time;
  return at.kind === 'start' ? range.start : range.end;
}

export function offsetMsOf(
  node: { readonly offset: Duration | undefined; readonly span: Span },
  context: DurationContext,
): number {
  return node.offset === undefined ? 0 : durationMs(node.offset, context, node.span, true);
}

function seenBy(
  node: { readonly at: At | undefined; readonly offset: Duration | undefined; readonly span: Span },
  seen: TimeRange,
  range: StepRange,
  context: DurationContext,
): TimeRange {
  const pinned = pinnedTime(node.at, range);
  const offset = offsetMsOf(node, context);
  return { start: (pinned ?? seen.start) - offset, end: (pinned ?? seen.end) - offset };
}
