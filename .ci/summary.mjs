// Adds up the reports of one CI run: node .ci/summary.mjs FAILED_STEPS FOLDER
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [failedSteps = '0', folder = '.'] = process.argv.slice(2);
const total = { passed: 0, failed: 0, skipped: [] };
const failures = [];
const reports = readdirSync(folder).filter((name) => name.endsWith('.json'));
for (const name of reports) {
  const report = JSON.parse(readFileSync(join(folder, name), 'utf8'));
  total.passed += report.passed;
  total.failed += report.failed.length;
  failures.push(...report.failed);
  total.skipped.push(...report.skipped);
}
for (const { name, reason } of total.skipped) console.log(`skipped: ${name}: ${reason}`);
// Last, where whoever reads only the end of a long run finds them.
for (const { name, reason } of failures) console.log(`FAILED: ${name}: ${reason}`);

// A step can fail without a failed test (lint, types, a runner that died): it still fails the run.
if (total.failed === 0) total.failed += Number(failedSteps);
if (reports.length < 3) total.failed += 3 - reports.length;
// With the shared folder there, what needs it must run.
if (existsSync('../shared')) total.failed += total.skipped.length;

console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped.length} skipped`);
process.exitCode = total.failed > 0 ? 1 : 0;
