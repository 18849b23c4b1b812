import { writeFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

interface NamedReason {
  name: string;
  reason: string;
}

/** The start of an error's message: a property's counterexample can fill pages. */
function told(error: unknown): string {
  const message = error !== null && typeof error === 'object' && 'message' in error ? error.message : error;
  return String(message).slice(0, 2_000);
}

interface FileCounts {
  passed: number;
  failed: NamedReason[];
  skipped: NamedReason[];
}

/**
 * Writes the counts of each file, and each failed and skipped test with its reason, to the file that
 * FORESAIL_TEST_REPORT names.
 */
export default class CountingReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const report = process.env['FORESAIL_TEST_REPORT'];
    if (report === undefined) return;
    const files: Record<string, FileCounts> = {};
    if (unhandledErrors.length > 0) {
      const failed = unhandledErrors.map((error) => ({ name: 'outside of a test', reason: told(error) }));
      files[''] = { passed: 0, failed, skipped: [] };
    }
    for (const module of modules) {
      const counts: FileCounts = { passed: 0, failed: [], skipped: [] };
      files[module.relativeModuleId] = counts;
      // A file that cannot be loaded has no tests: it counts as one failure.
      if (module.errors().length > 0) {
        counts.failed.push({ name: module.relativeModuleId, reason: told(module.errors()[0]) });
      }
      for (const test of module.children.allTests()) {
        const result = test.result();
        const name = `${module.relativeModuleId} > ${test.fullName}`;
        if (result.state === 'passed') counts.passed++;
        else if (result.state === 'failed') counts.failed.push({ name, reason: told(result.errors[0]) });
        else {
          const reason = 'note' in result && result.note !== undefined ? result.note : 'no reason given';
          counts.skipped.push({ name, reason });
        }
      }
    }
    writeFileSync(report, JSON.stringify(files));
  }
}
