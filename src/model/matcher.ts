import { wholeValueTest } from './regex.ts';

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
 * @throws {RangeError} If the regular expression is not valid RE2, or would take the thread for too long to compile.
 */
export function compileMatcher(matcher: Matcher): (value: string) => boolean {
  const { op, value } = matcher;
  switch (op) {
    case '=':
      return (text) => text === value;
    case '!=':
      return (text) => text !== value;
    case '=~':
      return wholeValueTest(value);
    case '!~': {
      const matches = wholeValueTest(value);
      return (text) => !matches(text);
    }
  }
}

/** A text that other matchers do not have: names may be any text, and look like what is behind them when written out. */
export function matchersKey(matchers: readonly Matcher[]): string {
  return JSON.stringify(matchers.map(({ name, op, value }) => [name, op, value]));
}

export function formatMatcher({ name, op, value }: Matcher): string {
  return `${name}${op}${JSON.stringify(value)}`;
}
