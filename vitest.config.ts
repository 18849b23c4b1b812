import { defineConfig } from 'vitest/config';

/** Three sets of tests: beside the code, the real program with nothing but npm, and the real program with real servers. */
export default defineConfig({
  test: {
    // One file on each of two cores: by default one core is left idle.
    maxWorkers: 2,
    reporters: ['default', './.ci/reporter.ts'],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'alerts/*.test.ts', 'dashboards/*.test.ts', 'scaling-policies/*.test.ts'],
          isolate: false,
          // A busy machine is no failure: nothing here asserts a time.
          testTimeout: 60_000,
        },
      },
      { test: { name: 'acceptance', include: ['test/*.test.ts'], testTimeout: 120_000, hookTimeout: 60_000 } },
      {
        test: {
          name: 'real',
          include: ['test/real/*.test.ts'],
          testTimeout: 900_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
