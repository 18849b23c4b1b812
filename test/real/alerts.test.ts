import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);
const promtool = await findPromtool();
const FILES = ['foresail', 'workloads'];

/** `../shared/bin` has it; else the one in the path. the package package is `prometheus`. */
async function findPromtool(): Promise<string | undefined> {
  const install = resolve('../shared/bin/install');
  if (existsSync(install)) return join((await run(install)).stdout.trim(), 'promtool');
  const folders = (process.env['PATH'] ?? '').split(':');
  return folders.map((folder) => join(folder, 'promtool')).find((path) => existsSync(path));
}

test.for(FILES)('alerts/%s.yaml is what Prometheus takes', async (name, { skip }) => {
  if (promtool === undefined) return skip('there is no promtool: install the package prometheus of Debian');
  const { stdout } = await run(promtool, ['check', 'rules', '--lint=all', '--lint-fatal', `alerts/${name}.yaml`]);
  expect(stdout).toContain('SUCCESS');
});

test.for(FILES)('alerts/%s.yaml passes its promtool tests', async (name, { skip }) => {
  if (promtool === undefined) return skip('there is no promtool: install the package prometheus of Debian');
  const { stdout } = await run(promtool, ['test', 'rules', `alerts/${name}.test.yaml`]);
  expect(stdout).toContain('SUCCESS');
});
