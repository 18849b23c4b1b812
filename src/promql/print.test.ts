import fc from 'fast-check';
import { expect, test } from 'vitest';
import { METRIC_NAME } from '../model/labels.ts';
import type { Matcher, MatcherOp } from '../model/matcher.ts';
import type { Aggregator, At, BinaryOp, Duration, Expr, VectorMatching, VectorSelector } from './ast.ts';
import { AGGREGATORS, isComparison, isSetOp, takesParameter } from './ast.ts';
import { parseQuery, RANKS } from './parse.ts';
import { prettyExpr } from './pretty.ts';
import { formatExpr } from './print.ts';

const span = { start: 0, end: 0 };
const names = fc.constantFrom('up', 'sum', 'a:b', '_x', 'fill', 'step', 'start', 'by');
const labels = fc.constantFrom('job', 'le', 'sum', 'on', 'my.label', 'ünïcode', 'by', '__x');
const texts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.constantFrom('a\\b"c', "it's", '`', '\n\t', 'a\udcc5z'),
);
/** Of longer ones Prometheus loses nanoseconds, and so milliseconds. */
const lengths = fc.integer({ min: 1, max: 10 ** 9 });
const literals = lengths.map((ms): Duration => ({ kind: 'literal', seconds: ms / 1000, units: true }));
/** Which an operation may have: alone they get units. */
const bare = fc
  .double({ min: 1e-12, max: 1e9, noNaN: true })
  .map((seconds): Duration => ({ kind: 'literal', seconds, units: false }));
const context = fc.constantFrom<Duration>({ kind: 'context', name: 'step' }, { kind: 'context', name: 'range' });

/** Grouped operands, so that every operation is one that the parser would read. */
const durations: fc.Arbitrary<Duration> = fc.letrec<{ duration: Duration }>((tie) => ({
  duration: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'duration' },
    literals,
    context,
    tie('duration').map((inner): Duration => ({ kind: 'group', inner })),
    fc
      .tuple(
        fc.constantFrom('+', '-', '*', '/', '%', '^', 'min_of', 'max_of'),
        fc.oneof(tie('duration'), bare),
        tie('duration'),
      )
      .map(([op, left, right]): Duration => {
        const plain = op === 'min_of' || op === 'max_of';
        return { kind: 'operation', op, left: plain ? left : atom(left), right: plain ? right : atom(right) };
      }),
  ),
})).duration;
const offsets = fc.oneof(
  fc
    .integer({ min: -(10 ** 9), max: 10 ** 9 })
    .map((ms): Duration => ({ kind: 'literal', seconds: ms / 1000, units: true })),
  context,
  durations.map((inner): Duration => ({ kind: 'negated', inner: { kind: 'group', inner } })),
);
const ats = fc.oneof(
  fc.integer({ min: -(10 ** 12), max: 10 ** 13 }).map((time): At => ({ kind: 'time', time })),
  fc.constantFrom<At>({ kind: 'start' }, { kind: 'end' }),
);
const matchers = fc.record<Matcher>({ name: labels, op: fc.constantFrom<MatcherOp>('=', '!='), value: texts });

const selectors: fc.Arbitrary<VectorSelector> = fc
  .tuple(
    fc.option(names),
    texts.filter((text) => text !== ''),
    fc.array(matchers, { maxLength: 3 }),
  )
  .chain(([name, quoted, more]) =>
    fc.record({
      kind: fc.constant('selector' as const),
      matchers: fc.constant([{ name: METRIC_NAME, op: '=' as const, value: name ?? quoted }, ...more]),
      name: fc.constant(name ?? ''),
      offset: fc.option(offsets, { nil: undefined }),
      at: fc.option(ats, { nil: undefined }),
      modifier: fc.constantFrom(undefined, 'anchored' as const, 'smoothed' as const),
      span: fc.constant(span),
    }),
  );
const numbers: fc.Arbitrary<Expr> = fc.oneof(
  fc.double().map((value): Expr => ({ kind: 'number', value, duration: false, span })),
  lengths.map((ms): Expr => ({ kind: 'number', value: ms / 1000, duration: true, span })),
);
const matchings = (op: BinaryOp): fc.Arbitrary<VectorMatching> =>
  fc
    .record({
      on: fc.boolean(),
      labels: fc.uniqueArray(labels, { maxLength: 2 }),
      group: fc.constantFrom<VectorMatching['group']>('none', 'left', 'right'),
      include: fc.uniqueArray(labels, { maxLength: 2 }),
      fillLeft: fc.option(fc.double(), { nil: undefined }),
      fillRight: fc.option(fc.double(), { nil: undefined }),
    })
    .map(({ on, labels: by, group, include, fillLeft, fillRight }) => ({
      on,
      labels: by,
      group: isSetOp(op) ? 'none' : group,
      include: isSetOp(op) || group === 'none' ? [] : include.filter((label) => !by.includes(label)),
      fillLeft: isSetOp(op) ? undefined : fillLeft,
      fillRight: isSetOp(op) ? undefined : fillRight,
    }));

const { vector } = fc.letrec<{ vector: Expr }>((tie) => ({
  vector: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'expr' },
    selectors,
    tie('vector').map((inner): Expr => ({ kind: 'paren', inner, span })),
    tie('vector').map((operand): Expr => ({ kind: 'unary', op: '-', operand: above(operand, RANKS['*']), span })),
    fc.tuple(fc.constantFrom('abs', 'ceil', 'timestamp'), tie('vector')).map(([name, arg]): Expr => {
      return { kind: 'call', name, args: [arg], span };
    }),
    fc.tuple(numbers, selectors, durations).map(([number, selector, range]): Expr => {
      const matrix: Expr = { kind: 'matrix', selector, range: range, span };
      return { kind: 'call', name: 'quantile_over_time', args: [number, matrix], span };
    }),
    fc
      .tuple(tie('vector'), durations, fc.option(durations, { nil: undefined }), fc.option(ats, { nil: undefined }))
      .map(([inner, range, step, at]): Expr => {
        const shared = { kind: 'subquery', range: range, at, offset: undefined, span } as const;
        const subquery: Expr = { ...shared, inner: paren(inner), step: step };
        return { kind: 'call', name: 'rate', args: [subquery], span };
      }),
    fc
      .tuple(
        fc.constantFrom(...AGGREGATORS),
        tie('vector'),
        fc.boolean(),
        fc.array(labels, { maxLength: 2 }),
        numbers,
        texts,
      )
      .map(([op, operand, without, grouping, number, text]): Expr => {
        const parameter = parameterOf(op, number, text);
        return { kind: 'aggregate', op, operand, parameter, without, grouping, span };
      }),
    fc
      .constantFrom(...(Object.keys(RANKS) as BinaryOp[]))
      .chain((op) => fc.tuple(fc.constant(op), tie('vector'), tie('vector'), fc.boolean(), matchings(op)))
      .map(([op, left, right, bool, matching]): Expr => {
        const rank = RANKS[op];
        const sides = {
          left: above(left, op === '^' ? rank : rank - 1),
          right: above(right, op === '^' ? rank - 1 : rank),
        };
        return { kind: 'binary', op, ...sides, bool: bool && isComparison(op), matching, span };
      }),
  ),
}));

test('prettyExpr() writes what parseQuery() reads back to the same tree', () => {
  fc.assert(
    fc.property(vector, (expr) => {
      expect(withoutSpans(parseQuery(prettyExpr(expr)))).toEqual(withoutSpans(expr));
    }),
    { numRuns: 200 },
  );
});

test('prettyExpr() splits what is longer than a line, and only that', () => {
  const long = 'rate(http_request_duration_seconds_bucket{namespace="shop",workload="checkout"}[5m])';
  expect(prettyExpr(parseQuery('sum(rate(a[5m])) by (job)'))).toBe('sum by (job) (rate(a[5m]))');
  expect(prettyExpr(parseQuery(`histogram_quantile(0.9, -(sum by (le) (${long}) * 1000) > bool 2)`))).toBe(
    [
      'histogram_quantile(',
      '  0.9,',
      '    -(',
      `        sum by (le) (${long})`,
      '      *',
      '        1000',
      '    )',
      '  > bool',
      '    2',
      ')',
    ].join('\n'),
  );
});

test('formatExpr() writes what parseQuery() reads back to the same tree', () => {
  fc.assert(
    fc.property(vector, (expr) => {
      expect(withoutSpans(parseQuery(formatExpr(expr)))).toEqual(withoutSpans(expr));
    }),
    { numRuns: 500 },
  );
});

function paren(inner: Expr): Expr {
  return { kind: 'paren', inner, span };
}

/** In parentheses unless it binds tighter than `rank`. A sign binds like `*`. */
function above(expr: Expr, rank: number): Expr {
  const own = expr.kind === 'binary' ? RANKS[expr.op] : expr.kind === 'unary' ? RANKS['*'] : Number.POSITIVE_INFINITY;
  return own > rank && expr.kind !== 'unary' ? expr : Number.isFinite(own) ? paren(expr) : expr;
}

function atom(duration: Duration): Duration {
  const grouped = duration.kind === 'operation' && duration.op !== 'min_of' && duration.op !== 'max_of';
  return grouped ? { kind: 'group', inner: duration } : duration;
}

function parameterOf(op: Aggregator, number: Expr, text: string): Expr | undefined {
  if (!takesParameter(op)) return undefined;
  return op === 'count_values' ? { kind: 'string', value: text, span } : number;
}

function withoutSpans(expr: Expr): unknown {
  return JSON.parse(
    JSON.stringify(expr, (key, value: unknown) => {
      if (key === 'span') return undefined;
      // JSON has no NaN, no infinities and no negative zero.
      return typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0)) ? String(value) : value;
    }),
  );
}
