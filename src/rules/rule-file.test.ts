import { describe, expect, test } from 'vitest';
import { RULE_FILES } from '../testing/rule-file-cases.ts';
import { duplicateRules } from './duplicates.ts';
import { parseRuleFile } from './rule-file.ts';

describe('parseRuleFile()', () => {
  test.each(RULE_FILES)('$name', ({ text, problems }) => {
    const found = parseRuleFile(text).problems.map(({ line, column, message }) => [`${line}:${column}`, message]);
    expect(found).toEqual(problems.map(([place, part]) => [place, expect.stringContaining(part)]));
  });

  test("reads what a group and its rules say, with the group's labels", () => {
    const text = [
      'groups:',
      '- name: g',
      '  interval: 1m30s',
      '  query_offset: 10s',
      '  limit: 3',
      '  labels: {a: group, b: group}',
      '  rules:',
      '  - record: r',
      '    expr: up',
      '  - alert: A',
      '    expr: up == 0',
      '    for: 5m',
      '    keep_firing_for: 1h',
      '    labels: {b: rule}',
      '    annotations: {c: d}',
    ].join('\n');
    expect(parseRuleFile(text).groups).toEqual([
      {
        ...{ name: 'g', intervalMs: 90_000, queryOffsetMs: 10_000, limit: 3 },
        rules: [
          {
            ...{ kind: 'recording', name: 'r', expression: 'up', place: { line: 8, column: 5 } },
            labels: new Map([
              ['a', 'group'],
              ['b', 'group'],
            ]),
          },
          {
            ...{ kind: 'alerting', name: 'A', expression: 'up == 0', place: { line: 10, column: 5 } },
            ...{ forMs: 300_000, keepFiringForMs: 3_600_000, annotations: new Map([['c', 'd']]) },
            labels: new Map([
              ['a', 'group'],
              ['b', 'rule'],
            ]),
          },
        ],
      },
    ]);
  });

  test('passes over unknown fields where that is asked for', () => {
    const text = 'owner: x\ngroups:\n- name: g\n  owner: x\n  rules:\n  - {record: a, expr: 1, owner: {b: c}}\n';
    expect(parseRuleFile(text).problems).toHaveLength(3);
    const lenient = parseRuleFile(text, { ignoreUnknownFields: true });
    expect(lenient.problems).toEqual([]);
    expect(lenient.groups[0]?.rules).toHaveLength(1);
  });

  test('warns of a second document', () => {
    expect(parseRuleFile('groups: []\n---\na: b\n').warnings).toEqual(['only the first of its YAML documents is read']);
  });

  test.each([
    ['an alias to itself', 'groups: &a\n- name: g\n  rules: *a\n'],
    ['deep nesting', `groups: ${'['.repeat(20_000)}`],
    [
      'a bomb of aliases',
      `a: &a [x]\n${Array.from({ length: 30 }, (_, i) => `b${i}: &b${i} [*${i === 0 ? 'a' : `b${i - 1}`}, *${i === 0 ? 'a' : `b${i - 1}`}]`).join('\n')}`,
    ],
    ['bytes', '\u0000\u0001\ufffe'],
  ])('%s is a problem and no crash', (_, text) => {
    expect(parseRuleFile(text).problems.length).toBeGreaterThan(0);
  });
});

test('duplicateRules() finds rules of one name with the same labels, whatever they say', () => {
  const text = [
    'groups:',
    '- name: g',
    '  rules:',
    '  - {record: a, expr: 1}',
    '  - {record: a, expr: 2, labels: {b: c}}',
    '  - {record: b, expr: 1, labels: {b: c}}',
    '- name: h',
    '  labels: {b: c}',
    '  rules:',
    '  - {record: a, expr: 3}',
    '  - {alert: b, expr: 3}',
  ].join('\n');
  expect(duplicateRules(parseRuleFile(text).groups)).toEqual([
    {
      name: 'a',
      labels: [['b', 'c']],
      places: [
        { line: 5, column: 5 },
        { line: 10, column: 5 },
      ],
    },
    {
      name: 'b',
      labels: [['b', 'c']],
      places: [
        { line: 6, column: 5 },
        { line: 11, column: 5 },
      ],
    },
  ]);
});
