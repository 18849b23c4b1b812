import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { RE2JS } from 're2js';
import { globFiles } from '../config/glob-files.ts';
import { parseRuleFile, type RuleGroup, type RuleProblem } from '../rules/rule-file.ts';
import { orderedGroups, runTest, type TestFailure } from '../rules/run-test.ts';
import { parseTestFile, type TestFile } from '../rules/test-file.ts';
import { fileTrouble } from './read-text.ts';
import { sourceExcerpt } from './source-excerpt.ts';
import { failureLines, plainFailure } from './tell-rule-tests.ts';
import { UsageError } from './usage-error.ts';

export interface TestRulesOptions {
  /** Regular expressions, of which a test's name must match one. None: all tests. */
  readonly run: readonly string[];
  readonly ignoreUnknownFields: boolean;
  readonly json: boolean;
}

/** What became of one test. */
export interface TestResult {
  readonly name: string;
  readonly failures: readonly TestFailure[];
}

/** What became of one file of tests. */
export interface TestFileResult {
  readonly file: string;
  /** What is wrong with it or with a file of rules, one text each, its place in front. */
  readonly problems: readonly string[];
  readonly tests: readonly TestResult[];
}

/** Runs files of unit tests. Exit codes: 0 all pass, 1 one does not. */
export async function testRuleFiles(
  files: readonly string[],
  options: TestRulesOptions,
): Promise<{
  readonly output: string;
  readonly notes: readonly string[];
  readonly exitCode: number;
  readonly results: readonly TestFileResult[];
}> {
  const matches = nameFilter(options.run);
  const notes: string[] = [];
  const results: TestFileResult[] = [];
  for (const file of files) results.push(await testOne(file, { ...options, matches, notes }));
  const output = options.json ? JSON.stringify(results.map(plain), undefined, 2) : results.flatMap(linesOf).join('\n');
  return { output, notes, exitCode: results.every(passes) ? 0 : 1, results };
}

interface Running {
  readonly ignoreUnknownFields: boolean;
  readonly matches: (name: string) => boolean;
  readonly notes: string[];
}

async function testOne(path: string, running: Running): Promise<TestFileResult> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    return { file: path, problems: [`${path}: cannot be read: ${fileTrouble(error)}`], tests: [] };
  }
  const { file, problems } = parseTestFile(text);
  if (problems.length > 0) return { file: path, problems: problems.map((one) => told(path, text, one)), tests: [] };
  const ruleFiles = rulePaths(file, path, running.notes);
  const chosen = [...file.tests.entries()].filter(([, { name }]) => running.matches(name));
  if (chosen.length === 0) return { file: path, problems: [], tests: [] };
  const loaded = loadGroups(ruleFiles, running);
  if (loaded.problems.length > 0) return { file: path, problems: loaded.problems, tests: [] };
  const groups = orderedGroups(loaded.groups, file.groupOrder);
  const tests: TestResult[] = [];
  for (const [i, test] of chosen) {
    const name = test.name === '' ? `unnamed#${i}` : test.name;
    tests.push({ name, failures: await runTest(test, file, groups) });
  }
  return { file: path, problems: [], tests };
}

function rulePaths({ ruleFiles }: TestFile, path: string, notes: string[]): readonly string[] {
  return ruleFiles.flatMap((pattern) => {
    const found = globFiles(pattern, dirname(path));
    if (found.length === 0) notes.push(`${path}: warning: no file matches ${pattern}`);
    return found;
  });
}

function loadGroups(
  paths: readonly string[],
  { ignoreUnknownFields }: Running,
): { readonly groups: readonly RuleGroup[]; readonly problems: readonly string[] } {
  const groups: RuleGroup[] = [];
  const problems: string[] = [];
  for (const path of new Set(paths)) {
    try {
      const text = readFileSync(path, 'utf8');
      const parsed = parseRuleFile(text, { ignoreUnknownFields });
      groups.push(...parsed.groups);
      problems.push(...parsed.problems.map((one) => told(path, text, one)));
    } catch (error) {
      problems.push(`${path}: cannot be read: ${fileTrouble(error)}`);
    }
  }
  return { groups, problems };
}

function told(path: string, text: string, { line, column, message, pointed }: RuleProblem): string {
  const first = `${path}:${line}:${column}: ${message}`;
  return pointed ? `${first}\n${sourceExcerpt(text, { line, column })}` : first;
}

function nameFilter(expressions: readonly string[]): (name: string) => boolean {
  if (expressions.length === 0) return () => true;
  try {
    const compiled = RE2JS.compile(expressions.join('|'));
    return (name) => compiled.matcher(name).find();
  } catch (cause) {
    throw new UsageError(`--run: not a regular expression: ${(cause as Error).message}`, { cause });
  }
}

function passes({ problems, tests }: TestFileResult): boolean {
  return problems.length === 0 && tests.every(({ failures }) => failures.length === 0);
}

function linesOf(result: TestFileResult): readonly string[] {
  const { file, problems, tests } = result;
  const count = `${tests.length} test${tests.length === 1 ? '' : 's'}`;
  if (passes(result)) return [`${file}: ok (${count})`];
  if (problems.length > 0) return [...problems, `${file}: FAILED`];
  const failed = tests.filter(({ failures }) => failures.length > 0);
  const lines = failed.flatMap(({ name, failures }) => failures.flatMap((one) => failureLines(file, name, one)));
  return [...lines, `${file}: FAILED (${failed.length} of ${count})`];
}

function plain(result: TestFileResult): object {
  const { file, problems, tests } = result;
  return {
    ...{ file, ok: passes(result), problems },
    tests: tests.map(({ name, failures }) => {
      return { name, ok: failures.length === 0, failures: failures.map(plainFailure) };
    }),
  };
}
