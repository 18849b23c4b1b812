import { RE2JS } from 're2js';
import { expect, test } from 'vitest';
import { wholeValueTest } from './regex.ts';

const list = (length: number, one: (i: number) => string) => Array.from({ length }, (_, i) => one(i)).join('|');

test.each([
  ['(x{1,1000}){1,1000}', 'Go refuses it too'],
  ['a{1000}'.repeat(20), 'repetitions one behind another'],
  ['(a{20}){20}b{1000}(c{30}){30}'.repeat(20), 'nested ones'],
  [`\\Q[\\E${'a{1000}'.repeat(20)}`, 'behind a quoted bracket'],
  [`[]a{1000}]${'a{1000}'.repeat(20)}`, 'behind a bracket in a class'],
  [list(10_000, (i) => `v${i}.`), 'a long list of expressions'],
  ['\\pL'.repeat(1_000), 'classes of Unicode'],
  [`(?i)${'[\\x{100}-\\x{10000}]'.repeat(100)}`, 'folded classes'],
  [`${'(a)'.repeat(10_000)}`, 'groups'],
])('%.40s is too large: %s', (pattern) => {
  expect(() => wholeValueTest(pattern)).toThrow(/^error parsing regexp: (expression too large|invalid repeat count)/);
});

test.each([
  'x{1,1000}',
  '(x{1,30}){1,30}',
  'a{1000}b{1000}c{1000}',
  '(?i)[а-яё]+ [а-яё]*',
  list(1_000, (i) => `pod-${i}-.+`),
  '\\pL{1,1000}',
  '[[:alpha:]]{1,100}',
])('%.40s is not', (pattern) => {
  expect(wholeValueTest(pattern)('-')).toBe(false);
});

test('lists of texts may be of any length, with what is escaped in them', () => {
  const matches = wholeValueTest(list(200_000, (i) => `10\\.0\\.${i}\\-x:9100`));
  expect(['10.0.199999-x:9100', '10.0.200000-x:9100', '10a0.1-x:9100', ''].map(matches)).toEqual([
    true,
    false,
    false,
    false,
  ]);
});

test.each([
  'a|b',
  '',
  '|a',
  'a|',
  'a\\.b|c',
  'a\\d|c',
  '\\|',
  'ä|\\$',
  '(?i)a|B',
  'a.c|\\Qa|b\\E',
  '^a$',
  'a{2}|b',
  'a\\',
  '[|]|x',
])('%s matches what RE2 does, short or in a long list', (pattern) => {
  const values = ['', 'a', 'b', 'B', 'A', 'a.b', 'acb', 'a|b', '|', 'c', 'ä', '$', 'aa', 'a1', 'abc', 'x', 'y5z'];
  for (const whole of [pattern, `${list(500, (i) => `y${i}.`)}|${pattern}`]) {
    let wanted: boolean[] | undefined;
    try {
      const compiled = RE2JS.compile(whole, RE2JS.DOTALL);
      wanted = values.map((value) => compiled.matches(value));
    } catch {
      expect(() => wholeValueTest(whole)).toThrow(RangeError);
      continue;
    }
    expect(values.map(wholeValueTest(whole))).toEqual(wanted);
  }
});
