import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { checkCommand } from './check.ts';
import { initCommand } from './init.ts';

let folder: string;
let printed: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'foresail-cli-'));
  printed = [];
  for (const stream of ['log', 'error'] as const) {
    vi.spyOn(console, stream).mockImplementation((text) => void printed.push(String(text)));
  }
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

/** @returns The exit code. */
async function run(...words: string[]): Promise<number> {
  const program = new Command().exitOverride();
  initCommand(program);
  checkCommand(program);
  process.exitCode = 0;
  await program.parseAsync(words, { from: 'user' });
  const code = Number(process.exitCode);
  process.exitCode = 0;
  return code;
}

test('foresail init replaces a file only when told to; foresail check likes what it writes', async () => {
  const output = join(folder, 'foresail.yaml');
  expect(await run('init', '--output', output)).toBe(0);
  expect(await run('init', '--output', output)).toBe(1);
  expect(printed.at(-1)).toContain('use --force');
  expect(await run('init', '--output', output, '--force')).toBe(0);
  expect(await run('init', '--output', join(folder, 'absent', 'f.yaml'))).toBe(2);
  expect(await run('check', output)).toBe(0);
  expect(printed.at(-1)).toBe(`${output}: ok (settings)`);
});

test('foresail check says where, what and what was meant; --json likewise', async () => {
  const file = join(folder, 'p.yaml');
  writeFileSync(
    file,
    'apiVersion: foresail.dev/v1alpha1\nkind: ScalingPolicy\nspec:\n  mode: enforced\n---\nlisten: here\n',
  );
  expect(await run('check', file)).toBe(1);
  const lines = printed.at(-1)!.split('\n');
  expect(lines).toContain(
    `${file}:4:3: spec.mode: expected "observe" or "enforce", got "enforced"; did you mean "enforce"?`,
  );
  expect(lines).toContain(`${file}:6:1: listen: expected HOST:PORT such as 127.0.0.1:7070, got "here"`);
  expect(await run('check', file, '--json')).toBe(1);
  expect(JSON.parse(printed.at(-1)!)[0]).toMatchObject({
    ok: false,
    problems: expect.arrayContaining([expect.objectContaining({ line: 6 })]),
  });
  expect(await run('check', join(folder, 'absent.yaml'))).toBe(2);
});
