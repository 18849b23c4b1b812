import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { compileRelabel, RELABEL_DEFAULTS, type RelabelRule } from './relabel.ts';

const md5 = (text: string) => createHash('md5').update(text).digest();

const apply = (labels: Record<string, string>, rules: readonly Partial<RelabelRule>[]) => {
  const changed = new Map(Object.entries(labels));
  const kept = compileRelabel(
    rules.map((rule) => ({ ...RELABEL_DEFAULTS, ...rule })),
    md5,
  )(changed);
  return kept ? Object.fromEntries(changed) : undefined;
};

/** `${1}`: a group in braces. */
const group = (name: string) => ['$', '{', name, '}'].join('');

const ABC = { a: 'foo', b: 'bar', c: 'baz' };

/* Behaviour as prometheus/prometheus model/relabel/relabel_test.go and docs/configuration.md describe it. */
test.each<{
  readonly name: string;
  readonly labels?: Record<string, string>;
  readonly rules: readonly Partial<RelabelRule>[];
  readonly want: Record<string, string> | undefined;
}>([
  { name: 'no rule', rules: [], want: ABC },
  {
    name: 'replace',
    rules: [{ sourceLabels: ['a'], regex: 'f(.*)', targetLabel: 'd', replacement: `ch${group('1')}-ch${group('1')}` }],
    want: { ...ABC, d: 'choo-choo' },
  },
  {
    name: 'replace of joined labels',
    rules: [{ sourceLabels: ['a', 'b'], regex: 'foo;(.*)', targetLabel: 'd' }],
    want: { ...ABC, d: 'bar' },
  },
  {
    name: 'replace with a separator',
    rules: [{ sourceLabels: ['a', 'b'], separator: '/', targetLabel: 'd' }],
    want: { ...ABC, d: 'foo/bar' },
  },
  {
    name: 'replace that does not match',
    rules: [{ sourceLabels: ['a'], regex: 'b(.*)', targetLabel: 'd' }],
    want: ABC,
  },
  {
    name: 'replace matches whole values',
    rules: [{ sourceLabels: ['a'], regex: 'fo', targetLabel: 'd', replacement: 'x' }],
    want: ABC,
  },
  {
    name: 'replace with alternatives, anchored as a whole',
    rules: [{ sourceLabels: ['a'], regex: 'x|fo.|y', targetLabel: 'd', replacement: 'x' }],
    want: { ...ABC, d: 'x' },
  },
  {
    name: 'replace with an empty result deletes',
    rules: [{ sourceLabels: ['a'], regex: 'f(z)?oo', targetLabel: 'a' }],
    want: { b: 'bar', c: 'baz' },
  },
  {
    name: 'replace without sources',
    rules: [{ targetLabel: 'd', replacement: 'fixed' }],
    want: { ...ABC, d: 'fixed' },
  },
  { name: 'replace with an empty text', rules: [{ targetLabel: 'a', replacement: '' }], want: { b: 'bar', c: 'baz' } },
  {
    name: 'a template as target',
    rules: [{ sourceLabels: ['a'], regex: '(f).*', targetLabel: `${group('1')}x`, replacement: group('0') }],
    want: { ...ABC, fx: 'foo' },
  },
  {
    name: 'a target that comes out empty',
    rules: [{ sourceLabels: ['a'], regex: 'f(x)?.*', targetLabel: group('1'), replacement: 'y' }],
    want: ABC,
  },
  {
    name: 'a group of another name',
    rules: [{ sourceLabels: ['a'], regex: 'f(.*)', targetLabel: 'd', replacement: `$1x${group('1')}$$1` }],
    want: { ...ABC, d: 'oo$1' },
  },
  {
    name: 'a named group',
    rules: [{ sourceLabels: ['a'], regex: 'f(?P<rest>.*)', targetLabel: 'd', replacement: '<$rest>' }],
    want: { ...ABC, d: '<oo>' },
  },
  {
    name: 'a line break in a value',
    labels: { a: 'x\ny' },
    rules: [{ sourceLabels: ['a'], regex: 'x.(.)', targetLabel: 'd' }],
    want: { a: 'x\ny', d: 'y' },
  },
  {
    name: 'a UTF-8 target',
    rules: [{ sourceLabels: ['a'], targetLabel: 'my.label' }],
    want: { ...ABC, 'my.label': 'foo' },
  },
  { name: 'keep', rules: [{ action: 'keep', sourceLabels: ['a'], regex: 'f.*' }], want: ABC },
  { name: 'keep of another', rules: [{ action: 'keep', sourceLabels: ['a'], regex: 'no-match' }], want: undefined },
  { name: 'keep of an absent label', rules: [{ action: 'keep', sourceLabels: ['z'], regex: '.+' }], want: undefined },
  { name: 'drop', rules: [{ action: 'drop', sourceLabels: ['a'], regex: '.*o.*' }], want: undefined },
  { name: 'drop of another', rules: [{ action: 'drop', sourceLabels: ['a'], regex: 'o' }], want: ABC },
  { name: 'drop by an empty expression', rules: [{ action: 'drop', sourceLabels: ['z'], regex: '' }], want: undefined },
  {
    name: 'drop after replace',
    rules: [
      { sourceLabels: ['a'], targetLabel: 'd' },
      { action: 'drop', sourceLabels: ['d'], regex: 'foo' },
    ],
    want: undefined,
  },
  {
    name: 'keepequal',
    labels: { p: '80', q: '80' },
    rules: [{ action: 'keepequal', sourceLabels: ['p'], targetLabel: 'q' }],
    want: { p: '80', q: '80' },
  },
  {
    name: 'keepequal of different ones',
    rules: [{ action: 'keepequal', sourceLabels: ['a'], targetLabel: 'b' }],
    want: undefined,
  },
  {
    name: 'dropequal',
    labels: { p: '80', q: '80' },
    rules: [{ action: 'dropequal', sourceLabels: ['p'], targetLabel: 'q' }],
    want: undefined,
  },
  {
    name: 'dropequal of different ones',
    rules: [{ action: 'dropequal', sourceLabels: ['a'], targetLabel: 'b' }],
    want: ABC,
  },
  {
    name: 'hashmod',
    rules: [{ action: 'hashmod', sourceLabels: ['c'], targetLabel: 'd', modulus: 1000 }],
    want: { ...ABC, d: '976' },
  },
  {
    name: 'hashmod with a line break',
    labels: { a: 'foo\nbar' },
    rules: [{ action: 'hashmod', sourceLabels: ['a'], targetLabel: 'b', modulus: 1000 }],
    want: { a: 'foo\nbar', b: '734' },
  },
  {
    name: 'labelmap',
    labels: { __meta_a_x: '1', __meta_b: '2', c: '3' },
    rules: [{ action: 'labelmap', regex: '__meta_(.+)' }],
    want: { __meta_a_x: '1', __meta_b: '2', c: '3', a_x: '1', b: '2' },
  },
  {
    name: 'labelmap with a template',
    labels: { a1: 'x' },
    rules: [{ action: 'labelmap', regex: 'a(.)', replacement: `b${group('1')}c` }],
    want: { a1: 'x', b1c: 'x' },
  },
  { name: 'labeldrop', rules: [{ action: 'labeldrop', regex: 'a|c' }], want: { b: 'bar' } },
  { name: 'labelkeep', rules: [{ action: 'labelkeep', regex: 'a|c' }], want: { a: 'foo', c: 'baz' } },
  {
    name: 'lowercase',
    labels: { a: 'FoO' },
    rules: [{ action: 'lowercase', sourceLabels: ['a'], targetLabel: 'b' }],
    want: { a: 'FoO', b: 'foo' },
  },
  {
    name: 'uppercase',
    labels: { a: 'FoO' },
    rules: [{ action: 'uppercase', sourceLabels: ['a'], targetLabel: 'a' }],
    want: { a: 'FOO' },
  },
  {
    name: 'lowercase of nothing deletes',
    rules: [{ action: 'lowercase', sourceLabels: ['z'], targetLabel: 'a' }],
    want: { b: 'bar', c: 'baz' },
  },
])('relabel: $name', ({ labels = ABC, rules, want }) => {
  expect(apply(labels, rules)).toEqual(want);
});

test('a broken expression says what it is', () => {
  expect(() => apply(ABC, [{ regex: '(' }])).toThrow(/not a regular expression: "\("/);
});

test('a hostile expression takes linear time', () => {
  const value = `${'a'.repeat(5_000)}b`;
  expect(apply({ a: value }, [{ action: 'keep', sourceLabels: ['a'], regex: '(a+)+c' }])).toBeUndefined();
});
