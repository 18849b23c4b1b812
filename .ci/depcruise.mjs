// Runs the import rules and fails where nothing was cruised: with an unsupported TypeScript the tool sees no modules and is happy.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const tool = fileURLToPath(new URL('../node_modules/dependency-cruiser/bin/dependency-cruise.mjs', import.meta.url));
const run = (output) =>
  execFileSync(process.execPath, [tool, 'src', '--config', '.dependency-cruiser.mjs', '--output-type', output], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
try {
  process.stdout.write(run('err'));
} catch (error) {
  process.stdout.write(error.stdout ?? String(error));
  process.exit(1);
}
const { summary } = JSON.parse(run('json'));
if (summary.totalCruised < 20) {
  console.error(`cruised ${summary.totalCruised} modules: the rules were not checked`);
  process.exit(1);
}
