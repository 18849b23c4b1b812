import { checkFile, type FileCheck } from '../config/check-file.ts';
import { formatLocated } from '../config/yaml-document.ts';
import { formatPath } from '../model/problem.ts';
import { parseQuery } from '../promql/parse.ts';

/** Checks files and says what it found, as text or as JSON. */
export function checkFiles(
  files: readonly string[],
  json: boolean,
): { readonly output: string; readonly exitCode: number } {
  const checks = files.map((file) => checkFile(file, { checkQuery: (expression) => void parseQuery(expression) }));
  return { output: json ? formatJson(checks) : formatText(checks), exitCode: exitCodeOf(checks) };
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
