import type { Command } from 'commander';
import { checkFile, type FileCheck } from '../config/check-file.ts';
import type { PolicyCheckDeps } from '../config/check-policy.ts';
import { formatLocated } from '../config/yaml-document.ts';
import { formatPath } from '../model/problem.ts';

/** `foresail check FILE…`: says what is wrong with settings and policies, and where. Exit code 1 if anything is. */
export function checkCommand(program: Command, deps: PolicyCheckDeps): void {
  program
    .command('check')
    .description('Check settings and scaling policies: line, column, what was expected, and the nearest right word')
    .argument('<file...>', 'YAML or JSON files')
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExample:\n  $ foresail check foresail.yaml scaling-policies/*.yaml')
    .action((files: readonly string[], { json }: { json: boolean }) => {
      const checks = files.map((file) => checkFile(file, deps));
      console.log(json ? formatJson(checks) : formatText(checks));
      process.exitCode = exitCodeOf(checks);
    });
}

/** 0: all is right. 1: something is wrong. 2: a file could not be read at all. */
function exitCodeOf(checks: readonly FileCheck[]): number {
  const problems = checks.flatMap((check) => check.problems);
  if (problems.some(({ path, message }) => path.length === 0 && message.startsWith('cannot be read'))) return 2;
  return problems.length > 0 ? 1 : 0;
}

function formatText(checks: readonly FileCheck[]): string {
  return checks
    .flatMap(({ file, found, problems }) => {
      if (problems.length > 0) return problems.map(formatLocated);
      return [`${file}: ok (${found.length === 0 ? 'empty' : found.join(', ')})`];
    })
    .join('\n');
}

function formatJson(checks: readonly FileCheck[]): string {
  const plain = checks.map(({ file, found, problems }) => ({
    file,
    ok: problems.length === 0,
    found,
    problems: problems.map(({ line, column, path, message, suggestion }) => ({
      line,
      column,
      path: formatPath(path),
      message,
      suggestion,
    })),
  }));
  return JSON.stringify(plain, undefined, 2);
}
