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
import { type DurationContext, durationMs, subqueryStepMs } from './duration.ts';
import { infoMatchers } from './info.ts';
import { hasPointFunction } from './point-windows.ts';
import type { Span } from './span.ts';
import type { Sight } from './windows.ts';

/** What must be loaded before a query can be evaluated. */
export interface SelectorNeed {
  /** What the samples are for: a selector, or a call of `info` for the info series that it adds labels of. */
  readonly node: VectorSelector | CallExpr;
  readonly matchers: readonly Matcher[];
  /** Both ends included: the first millisecond that may matter, and the last. */
  readonly range: TimeRange;
  /** Whether the starts of samples may change what is made of them. */
  readonly usesStarts: boolean;
  /** Whether no more of histograms is looked at than their counts and sums. */
  readonly countsAlone: boolean;
  /** Where a range function of points looks through windows. */
  readonly windows?: WindowsSeen;
  /** Whether it is looked at from one instant alone, where the last sample before is all that is seen. */
  readonly newestAlone?: boolean;
}

/** The windows of one range selector: (sight - lengthMs, sight], at sights that are a multiple of `everyMs` from the first. */
export interface WindowsSeen {
  readonly name: string;
  readonly lengthMs: number;
  readonly first: Millis;
  /** 0: all are the same one. */
  readonly everyMs: number;
}

export interface SelectionOptions {
  /** The query's text, for positions in errors. */
  readonly query: string;
  readonly lookbackMs: number;
  /** The step of a subquery that names none. */
  readonly subqueryStepMs: number;
}

/** Functions that look at when samples began to count. */
const WITH_STARTS = new Set(['rate', 'increase', 'irate', 'resets', 'start_timestamp']);

/** Every selector of a query with the samples that evaluating it over `range` can look at. */
export function selectorsOf(expr: Expr, range: StepRange, options: SelectionOptions): readonly SelectorNeed[] {
  const needs: SelectorNeed[] = [];
  const context: DurationContext = {
    query: options.query,
    stepMs: range.stepMs,
    rangeMs: range.end - range.start,
  };
  const visit = (node: Expr, seen: Seen, windowMs: number | undefined, caller?: string): void => {
    switch (node.kind) {
      case 'paren':
        visit(node.inner, seen, windowMs, caller);
        return;
      case 'matrix':
        visit(node.selector, seen, durationMs(node.range, context, node.span), caller);
        return;
      case 'subquery': {
        const moved = seenBy(node, seen, range, context);
        const length = durationMs(node.range, context, node.span);
        const everyMs = subqueryStepMs(node, options.subqueryStepMs, context);
        // A subquery's steps are multiples of its step.
        visit(
          node.inner,
          { start: moved.start - length, end: moved.end, first: 0, everyMs, ofHistograms: 'all' },
          undefined,
        );
        return;
      }
      case 'selector': {
        const moved = seenBy(node, seen, range, context);
        const extended = node.modifier !== undefined && windowMs !== undefined;
        const back = (windowMs ?? 0) + (extended || windowMs === undefined ? options.lookbackMs : 0);
        const ahead = node.modifier === 'smoothed' ? options.lookbackMs : 0;
        const needed = { start: moved.start - back + 1, end: moved.end + ahead };
        const isPlain = windowMs !== undefined && node.modifier === undefined;
        const windows =
          isPlain && caller !== undefined && hasPointFunction(caller)
            ? { name: caller, lengthMs: windowMs, ...sightsSeen(node, seen, range, context) }
            : undefined;
        const usesStarts = caller !== undefined && WITH_STARTS.has(caller);
        const countsAlone = seen.ofHistograms === 'counts';
        const newestAlone = windowMs === undefined && node.modifier === undefined && moved.start === moved.end;
        const about = { usesStarts, countsAlone, newestAlone, ...(windows && { windows }) };
        needs.push({ node, matchers: node.matchers, range: needed, ...about });
        return;
      }
      case 'call': {
        if (node.name !== 'info') {
          const within = { ...seen, ofHistograms: neededBy(node.name, seen) };
          for (const arg of node.args) visit(arg, within, undefined, node.name);
          return;
        }
        visit(node.args[0]!, seen, undefined);
        const { pinned, offsetMs } = infoSight(node, range, context);
        const needed = {
          start: (pinned ?? seen.start) - offsetMs - options.lookbackMs + 1,
          end: (pinned ?? seen.end) - offsetMs,
        };
        needs.push({ node, matchers: infoMatchers(node), range: needed, usesStarts: false, countsAlone: false });
        return;
      }
      default:
        break;
    }
    const trims = node.kind === 'binary' && (node.op === '</' || node.op === '>/');
    const within: Seen = trims ? { ...seen, ofHistograms: 'all' } : seen;
    for (const child of childrenOf(node)) visit(child, within, undefined);
  };
  const everyMs = range.end === range.start ? 0 : range.stepMs;
  visit(expr, { start: range.start, end: range.end, first: range.start, everyMs, ofHistograms: undefined }, undefined);
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

/** When a node is looked at: at `first`, and at whole steps of `everyMs` from it. */
interface Seen extends TimeRange {
  readonly first: Millis;
  readonly everyMs: number;
  /** What is looked at of histograms, where some function around tells. */
  readonly ofHistograms: 'counts' | 'all' | undefined;
}

const COUNTS_ALONE = new Set(['histogram_count', 'histogram_sum', 'histogram_avg']);
const ALL_OF_HISTOGRAMS = new Set(['histogram_quantile', 'histogram_quantiles', 'histogram_fraction']);

function neededBy(name: string, { ofHistograms }: Seen): Seen['ofHistograms'] {
  if (ofHistograms === 'all' || ALL_OF_HISTOGRAMS.has(name)) return 'all';
  return COUNTS_ALONE.has(name) ? 'counts' : ofHistograms;
}

function sightsSeen(
  node: VectorSelector,
  { first, everyMs }: Seen,
  range: StepRange,
  context: DurationContext,
): Pick<WindowsSeen, 'first' | 'everyMs'> {
  const pinned = pinnedTime(node.at, range);
  const offsetMs = offsetMsOf(node, context);
  return pinned === undefined ? { first: first - offsetMs, everyMs } : { first: pinned - offsetMs, everyMs: 0 };
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
