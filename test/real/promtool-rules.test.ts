import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkRuleFiles } from '../../src/cli/check-rules.ts';
import { testRuleFiles } from '../../src/cli/test-rules.ts';
import { RULE_FILES } from '../../src/testing/rule-file-cases.ts';
import { TEST_FILES } from '../../src/testing/test-file-cases.ts';

/** Our judgement of rules and their unit tests beside promtool's own, on the same files. */

const run = promisify(execFile);
const NONE = 'there is no promtool of Prometheus 3 in ../shared/bin';
const CHECK = { lint: 'duplicate-rules', lintFatal: false, ignoreUnknownFields: false, json: false } as const;
const TEST = { run: [], ignoreUnknownFields: false, json: false };

let promtool: string | undefined;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'foresail-promtool-'));
  const install = resolve('../shared/bin/install');
  // Debian's is of Prometheus 2, whose rules differ in many of these.
  if (existsSync(install)) promtool = join((await run(install)).stdout.trim(), 'promtool');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Its exit code and all that it says. */
async function ask(...args: readonly string[]): Promise<{ readonly code: number; readonly text: string }> {
  try {
    const { stdout, stderr } = await run(promtool!, args, { maxBuffer: 1 << 28 });
    return { code: 0, text: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, text: stdout + stderr };
  }
}

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('check rules', () => {
  test.for(RULE_FILES)('$name', async ({ text, problems }, { skip }) => {
    if (promtool === undefined) return skip(NONE);
    const path = write('check.yaml', text);
    const ours = checkRuleFiles([path], CHECK);
    expect(ours.exitCode).toBe(problems.length > 0 ? 1 : 0);
    expect((await ask('check', 'rules', path)).code).toBe(ours.exitCode);
  });

  test.for([
    ['--lint-fatal'],
    ['--lint-fatal', '--lint=none'],
    ['--lint-fatal', '--lint=all'],
    ['--lint=duplicate-rules'],
  ])('duplicates with %j', async (flags, { skip }) => {
    if (promtool === undefined) return skip(NONE);
    const path = write('twice.yaml', 'groups:\n- name: g\n  rules: [{record: a, expr: 1}, {record: a, expr: 2}]\n');
    const lint = flags.includes('--lint=none') ? ('none' as const) : ('duplicate-rules' as const);
    const ours = checkRuleFiles([path], { ...CHECK, lint, lintFatal: flags.includes('--lint-fatal') });
    expect((await ask('check', 'rules', ...flags, path)).code).toBe(ours.exitCode);
  });
});

describe('test rules', () => {
  test.for(TEST_FILES)('$name', async ({ rules, tests, fault }, { skip }) => {
    if (promtool === undefined) return skip(NONE);
    rmSync(join(folder, 'rules.yaml'), { force: true });
    if (rules !== undefined) write('rules.yaml', rules);
    const path = write('a.test.yaml', tests);
    const ours = await testRuleFiles([path], TEST);
    expect(ours.exitCode).toBe(fault === undefined ? 0 : 1);
    expect((await ask('test', 'rules', path)).code).toBe(ours.exitCode);
  });

  test.for([
    'alerts/foresail.test.yaml',
    'alerts/workloads.test.yaml',
    'test/fixtures/rules/node.test.yaml',
    'test/fixtures/rules/states.test.yaml',
  ])('%s passes', async (path, { skip }) => {
    const { output, exitCode } = await testRuleFiles([path], TEST);
    expect(output).toContain(': ok (');
    expect(exitCode).toBe(0);
    if (promtool === undefined) return skip(NONE);
    expect(await ask('test', 'rules', path)).toMatchObject({ code: 0 });
  });
});

interface Templates {
  readonly expanded: readonly (readonly [template: string, want: string])[];
  readonly refused: readonly (readonly [template: string, message: string])[];
}

describe('templates', () => {
  const { expanded, refused } = JSON.parse(readFileSync('test/fixtures/rules/templates.json', 'utf8')) as Templates;
  const rulesOf = (templates: readonly string[]): string => {
    const expr = 'up{instance="a.b:1"} * 1234.5678';
    const rules = templates.map((t, i) => ({ alert: `T${i}`, expr, annotations: { t } }));
    return JSON.stringify({ groups: [{ name: 'g', rules }] });
  };

  test('promtool makes of them what we do', async ({ skip }) => {
    if (promtool === undefined) return skip(NONE);
    write('rules.yaml', rulesOf(expanded.map(([template]) => template)));
    const series = ['b:2', 'a.b:1'].map((instance, i) => ({
      series: `up{instance="${instance}",job="api"}`,
      values: `${i}x9`,
    }));
    const cases = expanded.map(([, want], i) => ({
      eval_time: '5m',
      alertname: `T${i}`,
      exp_alerts: [
        {
          exp_labels: { instance: 'a.b:1', job: 'api' },
          exp_annotations: { t: want.replaceAll('__alert_T', `__alert_T${i}`) },
        },
      ],
    }));
    const one = { input_series: series, external_labels: { region: 'eu' }, external_url: 'http://x/y' };
    const path = write(
      'a.test.yaml',
      JSON.stringify({ rule_files: ['rules.yaml'], tests: [{ ...one, alert_rule_test: cases }] }),
    );
    const ours = await testRuleFiles([path], TEST);
    expect(ours.output).toContain(': ok (');
    expect(await ask('test', 'rules', path)).toMatchObject({ code: 0 });
  });

  test('promtool refuses what we refuse, in the same words', async ({ skip }) => {
    if (promtool === undefined) return skip(NONE);
    const path = write('rules.yaml', rulesOf(refused.map(([template]) => template)));
    const { code, text } = await ask('check', 'rules', path);
    expect(code).toBe(1);
    for (const [i, [, message]] of refused.entries()) {
      expect(text).toContain(`"T${i}": annotation "t": ${message.replaceAll('__alert_T', `__alert_T${i}`)}`);
    }
  });
});
