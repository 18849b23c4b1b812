import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const SOURCE = join(import.meta.dirname, '..');
const DOCUMENTED = join(SOURCE, '..', 'docs', 'errors.md');

/** The codes of all classes that extend CodedError, by reading the source. */
function codesIn(file: string): readonly string[] {
  const text = readFileSync(file, 'utf8');
  if (!text.includes('extends CodedError')) return [];
  const declared = [...text.matchAll(/^ {2}readonly code(?:: ([^=;]+))?(?: = ([^;]+))?;/gm)];
  return declared.flatMap(([, type = '', value = '']) =>
    [...`${type} ${value}`.matchAll(/'(\w+)'/g)].map(([, code]) => code!),
  );
}

test('every code of a CodedError has a section in docs/errors.md', () => {
  const documented = readFileSync(DOCUMENTED, 'utf8');
  const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .map((file) => join(SOURCE, file));
  const found = files.flatMap((file) => codesIn(file).map((code) => ({ code, file: file.slice(SOURCE.length + 1) })));
  expect(found.length).toBeGreaterThan(10);
  const missing = found
    .filter(({ code }) => !documented.includes(`\n### ${code}\n`))
    .map(({ code, file }) => `add "### ${code}" to docs/errors.md: its status, what it means, what to do (${file})`);
  expect(missing).toEqual([]);
});
