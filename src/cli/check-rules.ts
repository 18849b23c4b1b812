import { readFileSync } from 'node:fs';
import { formatLabels } from '../model/labels.ts';
import { type DuplicateRules, duplicateRules } from '../rules/duplicates.ts';
import { parseRuleFile, type RuleProblem } from '../rules/rule-file.ts';
import { fileTrouble } from './read-text.ts';
import { sourceExcerpt } from './source-excerpt.ts';
import { nameOf } from './text-pieces.ts';

/** Flags of `foresail check rules`. */
export interface CheckRulesOptions {
  readonly lint: 'all' | 'duplicate-rules' | 'none';
  readonly lintFatal: boolean;
  readonly ignoreUnknownFields: boolean;
  readonly json: boolean;
}

interface RuleFileCheck {
  readonly file: string;
  readonly text: string;
  readonly groups: number;
  readonly rules: number;
  readonly problems: readonly RuleProblem[];
  readonly duplicates: readonly DuplicateRules[];
  readonly warnings: readonly string[];
}

/** Checks files of rules and says what it found. Exit codes: 0 right, 1 wrong, 3 duplicates where they are fatal. */
export function checkRuleFiles(
  files: readonly string[],
  options: CheckRulesOptions,
): { readonly output: string; readonly exitCode: number } {
  const checks = files.map((file) => checkOne(file, options));
  const output = options.json
    ? JSON.stringify(checks.map(plain), undefined, 2)
    : checks.flatMap((check) => linesOf(check, options)).join('\n');
  const isWrong = checks.some(({ problems }) => problems.length > 0);
  const hasLint = checks.some(({ duplicates }) => duplicates.length > 0);
  return { output, exitCode: isWrong ? 1 : hasLint && options.lintFatal ? 3 : 0 };
}

function checkOne(path: string, { lint, ignoreUnknownFields }: CheckRulesOptions): RuleFileCheck {
  const file = nameOf(path);
  let text: string;
  try {
    text = readFileSync(path === '-' ? 0 : path, 'utf8');
  } catch (error) {
    const problem = { line: 0, column: 0, message: `cannot be read: ${fileTrouble(error)}`, pointed: false };
    return { file, text: '', groups: 0, rules: 0, problems: [problem], duplicates: [], warnings: [] };
  }
  const { groups, problems, warnings } = parseRuleFile(text, { ignoreUnknownFields });
  const rules = groups.reduce((sum, group) => sum + group.rules.length, 0);
  const duplicates = problems.length > 0 || lint === 'none' ? [] : duplicateRules(groups);
  return { file, text, groups: groups.length, rules, problems, duplicates, warnings };
}

function linesOf(check: RuleFileCheck, { lintFatal }: CheckRulesOptions): readonly string[] {
  const { file, text, groups, rules, problems, duplicates, warnings } = check;
  const lines = warnings.map((warning) => `${file}: warning: ${warning}`);
  for (const { line, column, message, pointed } of problems) {
    const place = line === 0 ? file : `${file}:${line}:${column}`;
    lines.push(`${place}: ${message}`);
    if (pointed) lines.push(sourceExcerpt(text, { line, column }));
  }
  for (const duplicate of duplicates) {
    const [first, ...others] = duplicate.places;
    for (const { line, column } of others) {
      lines.push(`${file}:${line}:${column}: ${nameOfDuplicate(duplicate)}, first at ${first!.line}:${first!.column}`);
    }
  }
  if (problems.length > 0) return lines;
  if (duplicates.length > 0 && lintFatal) lines.push(`${file}: FAILED (${count(duplicates.length, 'duplicate rule')})`);
  else lines.push(`${file}: ok (${count(groups, 'group')}, ${count(rules, 'rule')})`);
  return lines;
}

function nameOfDuplicate({ name, labels }: DuplicateRules): string {
  return `duplicate rule: ${name}${labels.length === 0 ? '' : formatLabels(labels)} is made by more than one rule`;
}

function plain({ file, groups, rules, problems, duplicates, warnings }: RuleFileCheck): object {
  return {
    ...{ file, ok: problems.length === 0, groups, rules },
    problems: problems.map(({ line, column, message }) => ({ line, column, message })),
    duplicates: duplicates.map(({ name, labels, places }) => ({ name, labels: Object.fromEntries(labels), places })),
    warnings,
  };
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
