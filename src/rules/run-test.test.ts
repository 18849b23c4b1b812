import { expect, test } from 'vitest';
import { parseRuleFile } from './rule-file.ts';
import { orderedGroups, runTest } from './run-test.ts';
import { parseTestFile } from './test-file.ts';

async function failuresOf(tests: string, rules = '') {
  const { file, problems } = parseTestFile(tests);
  expect(problems).toEqual([]);
  const groups = orderedGroups(parseRuleFile(rules).groups, file.groupOrder);
  return Promise.all(file.tests.map((one) => runTest(one, file, groups)));
}

test('a failure has the place of its case, what was expected and what came', async () => {
  const tests = [
    'tests:',
    '- input_series: [{series: a, values: 1+1x5}]',
    '  promql_expr_test:',
    '  - expr: a',
    '    eval_time: 2m',
    '    exp_samples: [{labels: a, value: 4}]',
  ].join('\n');
  expect(await failuresOf(tests)).toEqual([
    [
      {
        ...{ kind: 'samples', place: { line: 4, column: 5 }, expression: 'a', atMs: 120_000 },
        expected: [{ labels: [['__name__', 'a']], value: 4, histogram: undefined }],
        got: [{ labels: [['__name__', 'a']], value: 3, histogram: undefined }],
      },
    ],
  ]);
});

test.each([
  ['2.9999999999999996', true],
  ['3.0000000000000004', true],
  ['2.999999999999999', false],
  ['-3', false],
])('with fuzzy_compare %s is 3: %s', async (value, same) => {
  const tests = (fuzzy: boolean) =>
    `fuzzy_compare: ${fuzzy}\ntests:\n- promql_expr_test: [{expr: '${value}', exp_samples: [{value: 3}]}]\n`;
  expect((await failuresOf(tests(true)))[0]?.length).toBe(same ? 0 : 1);
  expect((await failuresOf(tests(false)))[0]?.length).toBe(1);
});

test('groups are evaluated in the order that the tests say, and as in the file without', async () => {
  const rules = 'groups:\n- {name: a, rules: [{record: x, expr: y}]}\n- {name: b, rules: [{record: y, expr: 1}]}\n';
  const tests = (order: string) =>
    `${order}tests:\n- promql_expr_test: [{expr: x, exp_samples: [{labels: x, value: 1}]}]\n`;
  expect(await failuresOf(tests('group_eval_order: [b, a]\n'), rules)).toEqual([[]]);
  expect(await failuresOf(tests(''), rules)).toHaveLength(1);
  expect((await failuresOf(tests(''), rules))[0]).toHaveLength(1);
});

test('alerts of one name in several groups are compared together', async () => {
  const rules =
    'groups:\n- {name: a, rules: [{alert: A, expr: 1, labels: {g: a}}]}\n- {name: b, rules: [{alert: A, expr: 2, labels: {g: b}}]}\n';
  const tests =
    'tests:\n- alert_rule_test: [{alertname: A, exp_alerts: [{exp_labels: {g: b}}, {exp_labels: {g: a}}]}]\n';
  expect(await failuresOf(tests, rules)).toEqual([[]]);
});
