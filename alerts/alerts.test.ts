import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseRuleFile } from '../src/rules/rule-file.ts';
import { orderedGroups, runTest } from '../src/rules/run-test.ts';
import { parseTestFile } from '../src/rules/test-file.ts';

const read = (name: string) => readFileSync(join(import.meta.dirname, name), 'utf8');

/** As promtool runs them; test/real/alerts.test.ts asks promtool itself. */
test.each(['workloads'])('%s.yaml passes its tests', async (name) => {
  const { groups, problems } = parseRuleFile(read(`${name}.yaml`));
  expect(problems).toEqual([]);
  const { file, problems: ofTests } = parseTestFile(read(`${name}.test.yaml`));
  expect(ofTests).toEqual([]);
  for (const one of file.tests) {
    expect(await runTest(one, file, orderedGroups(groups, file.groupOrder)), one.name).toEqual([]);
  }
});
