import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Expr } from './ast.ts';
import { QueryError } from './errors.ts';
import { parseQuery } from './parse.ts';
import { formatExpr } from './print.ts';

/** The tree in words: every operation in parentheses. */
function shape(expr: Expr): string {
  switch (expr.kind) {
    case 'paren':
      return shape(expr.inner);
    case 'unary':
      return `(${expr.op}${shape(expr.operand)})`;
    case 'binary':
      return `(${shape(expr.left)} ${expr.op} ${shape(expr.right)})`;
    default:
      return formatExpr(expr);
  }
}

describe('parseQuery()', () => {
  test.each([
    ['1 + 2 * 3', '(1 + (2 * 3))'],
    ['1 * 2 + 3', '((1 * 2) + 3)'],
    ['2 ^ 3 ^ 2', '(2 ^ (3 ^ 2))'],
    ['-1 ^ 2', '(-(1 ^ 2))'],
    ['-a * b', '((-a) * b)'],
    ['2 ^ -1', '(2 ^ -1)'],
    ['a - b - c', '((a - b) - c)'],
    ['a % b atan2 c / d', '(((a % b) atan2 c) / d)'],
    ['a or b and c unless d', '(a or ((b and c) unless d))'],
    ['a + b == bool c > d', '(((a + b) == c) > d)'],
    ['a < b or c >/ d', '((a < b) or (c >/ d))'],
    ['- - a', '(-(-a))'],
  ])('binds %s as %s', (query, want) => {
    expect(shape(parseQuery(query))).toBe(want);
  });

  test.each([
    ['0x1F', 31],
    ['0755', 493],
    ['1e3', 1000],
    ['.5', 0.5],
    ['5.', 5],
    ['1_000.5', 1000.5],
    ['Inf', Number.POSITIVE_INFINITY],
    ['-iNf', Number.NEGATIVE_INFINITY],
    ['NaN', Number.NaN],
    ['1h30m', 5400],
    ['50ms', 0.05],
  ])('reads the number %s', (query, value) => {
    expect(parseQuery(query)).toMatchObject({ kind: 'number', value });
  });

  test.each([
    ["'it\\'s'", "it's"],
    ['"tab\\tnul\\x00 \\u00e9 \\U0001F600 \\101"', 'tab\tnul\0 é 😀 A'],
    ['`raw\\n`', 'raw\\n'],
    ['"\\xc3\\xa9"', 'é'],
    ['"a\\xc5z"', 'a\udcc5z'],
  ])('decodes the string %s', (query, value) => {
    expect(parseQuery(query)).toMatchObject({ kind: 'string', value });
  });

  test.each([
    ['sum by (job) (up)', 'sum by (job) (up)'],
    ['sum (up) by (job,)', 'sum by (job) (up)'],
    ['SUM(up) WITHOUT (sum, "my.label")', 'sum without (sum, "my.label") (up)'],
    ['topk(5, up)', 'topk(5, up)'],
    ['{"my.metric", a="b"}', '{__name__="my.metric",a="b"}'],
    ['sum{on="x",}', 'sum{on="x"}'],
    ['foo:bar{a!="1",b=~"x|y",c!~".*"}', 'foo:bar{a!="1",b=~"x|y",c!~".*"}'],
    ['x offset -5m @ start()', 'x @ start() offset -5m'],
    ['x[5m] @ 1603774568 offset 1w', 'x[5m] @ 1603774568.000 offset 1w'],
    ['rate(x[1m])[1h:] @ end()', 'rate(x[1m])[1h:] @ end()'],
    ['x[90] # seconds', 'x[1m30s]'],
    ['x[5m + step() * 2:max_of(1m, range())]', 'x[5m + step() * 2:max_of(1m, range())]'],
    ['x offset -(2m^2)', 'x offset -(2m ^ 2)'],
    ['x[5m] anchored', 'x[5m] anchored'],
    ['a * on (x, y) group_left (z) b', 'a * on (x, y) group_left (z) b'],
    ['a + ignoring () group_right b', 'a + ignoring () group_right () b'],
    ['a + fill_right (2) fill_left (-1) b', 'a + fill_left (-1) fill_right (2) b'],
    ['fill + fill (0) fill', 'fill + fill (0) fill'],
    ['min_of(1, 2)', 'min_of(1, 2)'],
    ['1./6. < bool 3', '1 / 6 < bool 3'],
  ])('reads %s', (query, want) => {
    expect(formatExpr(parseQuery(query))).toBe(want);
  });

  test.each([
    ['', 'unknown position: parse error: no expression found in input'],
    ['1 +', '1:4: parse error: unexpected end of input'],
    ['foo bar', '1:5: parse error: unexpected identifier "bar"'],
    ['(1 + 2', '1:7: parse error: unclosed left parenthesis'],
    ['1 == 1', '1:3: parse error: comparisons between scalars must use BOOL modifier'],
    ['a + bool b', '1:3: parse error: bool modifier can only be used on comparison operators'],
    ['a and 1', '1:1: parse error: set operator "and" not allowed in binary scalar expression'],
    ['rate(x)', '1:6: parse error: expected type range vector in call to function "rate", got instant vector'],
    ['abs(x, y)', '1:1: parse error: expected 1 argument(s) in call to "abs", got 2'],
    ['nope(x)', '1:1: parse error: unknown function with name "nope"'],
    ['{}', '1:1: parse error: vector selector must contain at least one non-empty matcher'],
    ['{a=~".*"}', '1:1: parse error: vector selector must contain at least one non-empty matcher'],
    ['x{__name__="y"}', '1:1: parse error: metric name must not be set twice: "x" or "y"'],
    ['sum(x) by (a', '1:13: parse error: unclosed left parenthesis'],
    ['sum()', '1:1: parse error: no arguments for aggregate expression provided'],
    ['x[5m', '1:5: parse error: unclosed left bracket'],
    ['x[0s]', '1:3: parse error: duration must be greater than 0'],
    ['(a + b)[5m]', '1:8: parse error: ranges only allowed for vector selectors'],
    ['sum(\n  x[5m]\n)', '2:3: parse error: expected type instant vector in aggregation expression, got range vector'],
    ['a + on (x) group_left (x) b', '1:3: parse error: label "x" must not occur in ON and GROUP clause at once'],
    ['"a" + 1', '1:1: parse error: binary expression must contain only scalar and instant vector types'],
    [
      '-"a"',
      '1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, got "string"',
    ],
    ['x offset 1m offset 2m', '1:1: parse error: offset may not be set multiple times'],
    ['1 offset 1m', /offset modifier must be preceded by an instant vector selector/],
    ['x{a=~"("}', /1:3: parse error: error parsing regexp/],
    ["'unterminated", '1:1: parse error: unterminated quoted string'],
  ])('refuses %j', (query, message) => {
    expect(() => parseQuery(query)).toThrow(message);
  });

  test('says where: line, column and the span in the text', () => {
    const error = attempt('sum(\n  rate(x)\n)');
    expect(error).toMatchObject({ code: 'bad_data', position: { line: 2, column: 8, start: 12, end: 13 } });
  });

  test.each([
    ['parentheses', `${'('.repeat(10_000)}1${')'.repeat(10_000)}`],
    ['signs', `${'-'.repeat(10_000)}1`],
    ['a chain', `1${' + 1'.repeat(10_000)}`],
    ['calls', `${'abs('.repeat(10_000)}x${')'.repeat(10_000)}`],
    ['subqueries', `x${'[5m:]'.repeat(10_000)}`],
    ['chains inside of chains', `${'('.repeat(300)}1${`${' + 1'.repeat(300)})`.repeat(300)}`],
    ['durations', `x[${'('.repeat(10_000)}1m${')'.repeat(10_000)}]`],
  ])('refuses %s 10,000 levels deep', (_, query) => {
    expect(attempt(query)?.message).toMatch(/nested more than 512 levels deep/);
  });

  test('a tree as deep as is allowed can be printed and parsed again', () => {
    const query = `${'abs('.repeat(500)}x${')'.repeat(500)}`;
    expect(formatExpr(parseQuery(query))).toBe(query);
  });

  test('long texts are read in one pass', () => {
    const digits = '1'.repeat(200_000);
    expect(attempt(`${digits}x`)?.message).toMatch(/bad number/);
    expect(attempt(`x{a="${'\\'.repeat(200_000)}`)?.message).toMatch(/unterminated/);
    expect(parseQuery(`x{a="${'b'.repeat(200_000)}"}`).kind).toBe('selector');
  });

  test('mutated queries are answered with a tree or a QueryError', () => {
    const query = 'sum by (a) (rate(x{b=~"c.*",d!="e"}[5m:1m] offset -1h @ end())) / on (f) group_left (g) -2 ^ 0x1F';
    const mutation = fc.tuple(fc.nat(query.length), fc.nat(3), fc.string({ unit: 'grapheme', maxLength: 3 }));
    fc.assert(
      fc.property(fc.array(mutation, { maxLength: 4 }), (mutations) => {
        let text = query;
        for (const [at, length, added] of mutations) text = text.slice(0, at) + added + text.slice(at + length);
        const error = attempt(text);
        if (error !== undefined) expect(error).toBeInstanceOf(QueryError);
      }),
    );
  });
});

function attempt(query: string): Error | undefined {
  try {
    parseQuery(query);
    return undefined;
  } catch (error) {
    return error as Error;
  }
}
