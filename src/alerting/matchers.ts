import { type Labels, labelValue } from '../model/labels.ts';
import { compileMatcher, type Matcher, type MatcherOp } from '../model/matcher.ts';

/** A test of a label set: true where all matchers hold. An absent label is the empty text. */
export type LabelTest = (labels: Labels) => boolean;

/** @throws {RangeError} If a regular expression is not valid. */
export function compileMatchers(matchers: readonly Matcher[]): LabelTest {
  // What is quick to ask first: most are answered by it.
  const quickFirst = [...matchers].sort((a, b) => Number(a.op.endsWith('~')) - Number(b.op.endsWith('~')));
  const tests = quickFirst.map((matcher) => ({ name: matcher.name, test: compileMatcher(matcher) }));
  return (labels) => tests.every(({ name, test }) => test(labelValue(labels, name)));
}

const ONE = /\s*("(?:[^"\\]|\\.)*"|[^\s=!~{},"]+)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|[^\s",{}]*)\s*(,|$)/y;

/**
 * Matchers as Alertmanager writes them: `severity="critical"`, `team=~"a|b"`, several behind commas, in braces or not.
 * Quotes may be left out around a value without spaces and commas.
 * @throws {RangeError} If the text is something else, or a regular expression is not valid.
 */
export function parseMatchers(text: string): readonly Matcher[] {
  const inner = text
    .trim()
    .replace(/^\{(.*)\}$/s, '$1')
    .replace(/,\s*$/, '');
  const matchers: Matcher[] = [];
  for (let at = 0; at < inner.length; ) {
    ONE.lastIndex = at;
    const found = ONE.exec(inner);
    if (found === null) throw new RangeError(`expected a matcher such as severity="critical", got ${shown(text)}`);
    matchers.push({ name: unquoted(found[1]!), op: found[2] as MatcherOp, value: unquoted(found[3]!) });
    at = ONE.lastIndex;
  }
  if (matchers.length === 0 && inner.trim() !== '') throw new RangeError(`expected matchers, got ${shown(text)}`);
  compileMatchers(matchers);
  return matchers;
}

function unquoted(text: string): string {
  if (!text.startsWith('"')) return text;
  return text.slice(1, -1).replace(/\\(.)/gs, (_whole, letter: string) => (letter === 'n' ? '\n' : letter));
}

function shown(text: string): string {
  return JSON.stringify(text.length <= 100 ? text : `${text.slice(0, 100)}…`);
}
