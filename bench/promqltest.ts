import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runScript } from '../src/testing/promql-script-run.ts';

/*
 * Prometheus's own PromQL tests, file by file: npm run promqltest [-- [--floats] [--faults] [FOLDER]].
 * `--floats` counts evaluations without native histograms alone, `--faults` prints what differs.
 */
const args = process.argv.slice(2);
const folder = args.find((arg) => !arg.startsWith('--')) ?? '../shared/promqltest';
const floatsAlone = args.includes('--floats');
let passed = 0;
let failed = 0;
for (const file of readdirSync(folder).filter((name) => name.endsWith('.test'))) {
  const outcomes = (await runScript(readFileSync(join(folder, file), 'utf8'))).filter(
    ({ floats }) => floats || !floatsAlone,
  );
  const faults = outcomes.filter(({ fault }) => fault !== undefined);
  passed += outcomes.length - faults.length;
  failed += faults.length;
  console.log(
    `${file.padEnd(28)} ${String(outcomes.length - faults.length).padStart(5)} passed ${String(faults.length).padStart(5)} failed`,
  );
  if (args.includes('--faults')) {
    for (const { line, expression, fault } of faults) console.log(`  ${file}:${line} ${expression}\n    ${fault}`);
  }
}
console.log(`${passed} passed, ${failed} failed`);
