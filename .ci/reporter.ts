import { writeFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

/** Writes the counts, and each skipped test with its reason, to the file that FORESAIL_TEST_REPORT names. */
export default class CountingReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const file = process.env['FORESAIL_TEST_REPORT'];
    if (file === undefined) return;
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: [] as { name: string; reason: string }[] };
    for (const module of modules) {
      // A file that cannot be loaded has no tests: it counts as one failure.
      if (module.errors().length > 0) counts.failed++;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') counts.passed++;
        else if (result.state === 'failed') counts.failed++;
        else {
          const reason = 'note' in result && result.note !== undefined ? result.note : 'no reason given';
          counts.skipped.push({ name: `${module.relativeModuleId} > ${test.fullName}`, reason });
        }
      }
    }
    writeFileSync(file, JSON.stringify(counts));
  }
}
