import { failureLines } from './tell-rule-tests.ts';
import type { TestFileResult } from './test-rules.ts';

/** Results of unit tests as JUnit's XML, a suite for each file. */
export function formatJunit(results: readonly TestFileResult[]): string {
  const suites = results.map(({ file, problems, tests }) => {
    const failures = tests.reduce((sum, test) => sum + test.failures.length, 0);
    const counts = `tests="${tests.length}" failures="${failures}" errors="${problems.length}"`;
    const cases = tests.map(({ name, failures: of }) => {
      const told = of.map((one) => `      <failure>${escaped(failureLines(file, name, one).join('\n'))}</failure>\n`);
      return `    <testcase name="${escaped(name)}">\n${told.join('')}    </testcase>\n`;
    });
    const errors = problems.map((problem) => `    <system-err>${escaped(problem)}</system-err>\n`);
    return `  <testsuite name="${escaped(file)}" ${counts}>\n${cases.join('')}${errors.join('')}  </testsuite>\n`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n${suites.join('')}</testsuites>\n`;
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

// biome-ignore lint/suspicious/noControlCharactersInRegex: XML has no place for control characters.
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g;

function escaped(text: string): string {
  return text.replace(CONTROL, '\ufffd').replace(/[&<>"]/g, (char) => ENTITIES[char]!);
}
