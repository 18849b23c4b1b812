import { RE2JS, RE2JSSyntaxException } from 're2js';

export type MatcherOp = '=' | '!=' | '=~' | '!~';

/** A condition on one label. An absent label has the empty value. Regular expressions match the whole value. */
export interface Matcher {
  readonly name: string;
  readonly op: MatcherOp;
  readonly value: string;
}

/**
 * Compiles a matcher into a test of the label's value.
 *
 * Tenants' regular expressions run in linear time (RE2), never on the JavaScript engine: one hostile pattern would
 * hold the process for seconds. The dot matches line breaks, as in Prometheus 3.
 *
 * @throws {RangeError} If the regular expression is not valid RE2.
 */
export function compileMatcher(matcher: Matcher): (value: string) => boolean {
  const { op, value } = matcher;
  switch (op) {
    case '=':
      return (text) => text === value;
    case '!=':
      return (text) => text !== value;
    case '=~':
      return compileRegex(value);
    case '!~': {
      const matches = compileRegex(value);
      return (text) => !matches(text);
    }
  }
}

const LITERALS = /^[a-zA-Z0-9_:\-/ ]*(?:\|[a-zA-Z0-9_:\-/ ]*)*$/;

/** A whole-value test. Lists of plain texts (`a|b|c`), `.*` and `.+` need no automaton. */
function compileRegex(pattern: string): (value: string) => boolean {
  if (pattern === '.*') return () => true;
  if (pattern === '.+') return (text) => text !== '';
  if (LITERALS.test(pattern)) {
    const texts = new Set(pattern.split('|'));
    return (text) => texts.has(text);
  }
  try {
    const compiled = RE2JS.compile(pattern, RE2JS.DOTALL);
    return (text) => compiled.matches(text);
  } catch (error) {
    if (error instanceof RE2JSSyntaxException) {
      throw new RangeError(goMessage(error, pattern), { cause: error });
    }
    throw error;
  }
}

/** Go tells the pattern as it is written; the flags that hold for it here are not in it. */
function goMessage({ message }: RE2JSSyntaxException, pattern: string): string {
  return message.replace(`\`(?s)${pattern}\``, `\`${pattern}\``);
}

/** A text that other matchers do not have: names may be any text, and look like what is behind them when written out. */
export function matchersKey(matchers: readonly Matcher[]): string {
  return JSON.stringify(matchers.map(({ name, op, value }) => [name, op, value]));
}

export function formatMatcher({ name, op, value }: Matcher): string {
  return `${name}${op}${JSON.stringify(value)}`;
}
