// Adds up the reports of one CI run: node .ci/summary.mjs FAILED_STEPS FOLDER
//   node .ci/summary.mjs --failed REPORT   prints the files of a report that failed, where trying them again can tell something
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** More files than this fail for a reason that a second run will not take away. */
const MOST_TRIED_AGAIN = 3;

const read = (file) => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {});
const failedFiles = (report) => Object.keys(report).filter((file) => report[file].failed.length > 0);

const [first = '0', second = '.'] = process.argv.slice(2);
if (first === '--failed') {
  const files = failedFiles(read(second));
  // '' has what went wrong outside of a file.
  if (!files.includes('') && files.length <= MOST_TRIED_AGAIN) console.log(files.join(' '));
} else {
  sumUp(Number(first), second);
}

function sumUp(failedSteps, folder) {
  const total = { passed: 0, failed: [], skipped: [], passedLater: [] };
  const reports = readdirSync(folder).filter((name) => name.endsWith('.json') && !name.endsWith('.again.json'));
  for (const name of reports) {
    const report = read(join(folder, name));
    const again = read(join(folder, name.replace(/json$/, 'again.json')));
    for (const file of failedFiles(report)) if (file in again) total.passedLater.push(...report[file].failed);
    for (const counts of Object.values({ ...report, ...again })) {
      total.passed += counts.passed;
      total.failed.push(...counts.failed);
      total.skipped.push(...counts.skipped);
    }
  }
  for (const { name, reason } of total.skipped) console.log(`skipped: ${name}: ${reason}`);
  // Last, where whoever reads only the end of a long run finds them.
  for (const { name, reason } of total.passedLater) console.log(`FAILED THE FIRST TIME: ${name}: ${reason}`);
  for (const { name, reason } of total.failed) console.log(`FAILED: ${name}: ${reason}`);

  let failed = total.failed.length;
  // A step can fail without a failed test (lint, types, a runner that died): it still fails the run.
  if (failed === 0) failed += failedSteps;
  if (reports.length < 3) failed += 3 - reports.length;
  // With the shared folder there, what needs it must run.
  if (existsSync('../shared')) failed += total.skipped.length;

  console.log(`${total.passed} passed, ${failed} failed, ${total.skipped.length} skipped`);
  process.exitCode = failed > 0 ? 1 : 0;
}
