import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TEST_FILES } from '../testing/test-file-cases.ts';
import { type CheckRulesOptions, checkRuleFiles } from './check-rules.ts';
import { formatJunit } from './junit.ts';
import { sourceExcerpt } from './source-excerpt.ts';
import { testRuleFiles } from './test-rules.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'foresail-rules-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const CHECK: CheckRulesOptions = { lint: 'duplicate-rules', lintFatal: false, ignoreUnknownFields: false, json: false };
const TEST = { run: [], ignoreUnknownFields: false, json: false };

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function check(text: string, options: Partial<CheckRulesOptions> = {}) {
  const path = write('check.yaml', text);
  const { output, exitCode } = checkRuleFiles([path], { ...CHECK, ...options });
  return { exitCode, lines: output.replaceAll(path, 'FILE').split('\n') };
}

const TWICE = 'groups:\n- name: g\n  rules:\n  - {record: a, expr: 1}\n  - {record: a, expr: 2}\n';

describe('foresail check rules', () => {
  test('counts groups and rules', () => {
    const { exitCode, lines } = check('groups:\n- name: g\n  rules:\n  - {record: a, expr: 1}\n');
    expect(lines).toEqual(['FILE: ok (1 group, 1 rule)']);
    expect(exitCode).toBe(0);
  });

  test('shows the place in PromQL', () => {
    const text = 'groups:\n- name: g\n  rules:\n  - record: a\n    expr: |\n      sum(\n        rate(b)\n      )\n';
    const { exitCode, lines } = check(text);
    expect(lines).toEqual([
      expect.stringMatching(
        /^FILE:7:14: group "g", rule 1, "a": could not parse expression: 2:8: parse error: expected/,
      ),
      '  rate(b)',
      '       ^',
    ]);
    expect(exitCode).toBe(1);
  });

  test.each<[options: Partial<CheckRulesOptions>, want: number]>([
    [{}, 0],
    [{ lintFatal: true }, 3],
    [{ lintFatal: true, lint: 'all' }, 3],
    [{ lintFatal: true, lint: 'none' }, 0],
  ])('duplicates with %j end with %i', (options, want) => {
    const { exitCode, lines } = check(TWICE, options);
    expect(exitCode).toBe(want);
    expect(lines.some((line) => line.startsWith('FILE:5:5: duplicate rule: a'))).toBe(options.lint !== 'none');
    expect(lines.at(-1)).toBe(want === 3 ? 'FILE: FAILED (1 duplicate rule)' : 'FILE: ok (1 group, 2 rules)');
  });

  test('a mistake counts more than duplicates, and a file that is not there is one', () => {
    const paths = [write('twice.yaml', TWICE), join(folder, 'absent.yaml')];
    const { output, exitCode } = checkRuleFiles(paths, { ...CHECK, lintFatal: true });
    expect(exitCode).toBe(1);
    expect(output).toContain('absent.yaml: cannot be read: there is no such file or folder');
  });

  test('as JSON', () => {
    const { lines } = check(TWICE, { json: true });
    expect(JSON.parse(lines.join('\n'))).toEqual([
      {
        ...{ file: 'FILE', ok: true, groups: 1, rules: 2, problems: [], warnings: [] },
        duplicates: [
          {
            name: 'a',
            labels: {},
            places: [
              { line: 4, column: 5 },
              { line: 5, column: 5 },
            ],
          },
        ],
      },
    ]);
  });
});

test.each([
  ['a b', 3, '  a b\n    ^'],
  ['    a', 5, '  a\n  ^'],
  ['\ta b', 4, '  \ta b\n  \t  ^'],
  [`${'x'.repeat(300)} y`, 302, `  ${'x'.repeat(158)} y\n  ${' '.repeat(159)}^`],
])('sourceExcerpt(%j, %i)', (text, column, want) => {
  expect(sourceExcerpt(text, { line: 1, column })).toBe(want);
});

describe('foresail test rules', () => {
  test.each(TEST_FILES)('$name', async ({ rules, tests, fault }) => {
    rmSync(join(folder, 'rules.yaml'), { force: true });
    if (rules !== undefined) write('rules.yaml', rules);
    const { output, exitCode } = await testRuleFiles([write('a.test.yaml', tests)], TEST);
    expect(exitCode).toBe(fault === undefined ? 0 : 1);
    expect(output).toContain(fault ?? ': ok (');
  });

  const NAMED = [
    'tests:',
    "- {name: one, promql_expr_test: [{expr: '1', exp_samples: [{value: 1}]}]}",
    "- {name: two, promql_expr_test: [{expr: '1', exp_samples: [{value: 2}]}]}",
    "- {promql_expr_test: [{expr: '1', exp_samples: [{value: 1}]}]}",
  ].join('\n');

  test('says which test fails, and where', async () => {
    const path = write('named.yaml', NAMED);
    const { output } = await testRuleFiles([path], TEST);
    expect(output.replaceAll(path, 'FILE').split('\n')).toEqual([
      'FILE:3:34: name: two, expr: "1", time: 0s',
      '    exp: {} 2',
      '    got: {} 1',
      'FILE: FAILED (1 of 3 tests)',
    ]);
  });

  test.each([
    [['one'], 'ok (1 test)'],
    [['on', 'tw'], 'FAILED (1 of 2 tests)'],
    [['^$'], 'ok (1 test)'],
    [['three'], 'ok (0 tests)'],
  ])('--run %j', async (run, want) => {
    const { output } = await testRuleFiles([write('named.yaml', NAMED)], { ...TEST, run });
    expect(output).toContain(want);
  });

  test('--run that is no regular expression is wrong usage', async () => {
    await expect(testRuleFiles([write('named.yaml', NAMED)], { ...TEST, run: ['('] })).rejects.toMatchObject({
      code: 'usage',
    });
  });

  test('as JSON and as JUnit has it', async () => {
    const { output, results } = await testRuleFiles([write('named.yaml', NAMED)], { ...TEST, json: true });
    expect(JSON.parse(output)).toMatchObject([
      {
        ok: false,
        tests: [
          { name: 'one', ok: true },
          { name: 'two', ok: false, failures: [{ kind: 'samples', line: 3 }] },
          { name: 'unnamed#2' },
        ],
      },
    ]);
    expect(formatJunit(results)).toMatch(
      /<testsuite name=".*named.yaml" tests="3" failures="1" errors="0">[\s\S]*<testcase name="two">\n\s+<failure>[^<]*exp: \{\} 2[^<]*<\/failure>/,
    );
  });

  test('files of rules may be named by patterns, from the folder of the tests', async () => {
    mkdirSync(join(folder, 'sub.d'), { recursive: true });
    write('sub.d/a1.yaml', 'groups:\n- {name: a, rules: [{record: x, expr: 1}]}\n');
    write('sub.d/b1.yaml', 'groups:\n- {name: a, rules: [{record: y, expr: 2}]}\n');
    const tests = (pattern: string) =>
      `rule_files: ['${pattern}']\ntests:\n- promql_expr_test: [{expr: x + y, exp_samples: [{value: 3}]}]\n`;
    for (const pattern of ['sub.d/*.yaml', 'sub.d/[ab]?.yaml', 's*/*1.y[^x]ml', `${folder}/sub.d/*`]) {
      const { output } = await testRuleFiles([write('glob.yaml', tests(pattern))], TEST);
      expect(output, pattern).toContain('ok (1 test)');
    }
    const { notes } = await testRuleFiles([write('glob.yaml', tests('sub.d/c*'))], TEST);
    expect(notes.join()).toContain('no file matches sub.d/c*');
  });

  test('unknown fields of rules are passed over where that is asked for', async () => {
    write('rules.yaml', 'groups:\n- {name: a, owner: b, rules: []}\n');
    const path = write('owner.yaml', 'rule_files: [rules.yaml]\ntests:\n- {}\n');
    expect((await testRuleFiles([path], TEST)).output).toContain('rules.yaml:2:13: field owner not found in a group');
    expect((await testRuleFiles([path], { ...TEST, ignoreUnknownFields: true })).exitCode).toBe(0);
  });
});
