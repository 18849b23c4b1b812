import { defineConfig } from 'vitest/config';

const LONG = ['test/long/*.test.ts', 'src/**/*.long.test.ts'];

/**
 * Four sets of tests: beside the code, the real program with nothing but npm, the same over days and weeks of a clock or
 * of computing (not in the everyday run), and the real program with real servers.
 * A deadline here ends what hangs: it says nothing of how fast a machine is, which may be slow or busy.
 */
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
          exclude: LONG,
          isolate: false,
          testTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'acceptance',
          include: ['test/*.test.ts'],
          isolate: false,
          testTimeout: 600_000,
          hookTimeout: 300_000,
        },
      },
      { test: { name: 'long', include: LONG, testTimeout: 600_000, hookTimeout: 300_000 } },
      {
        test: {
          name: 'real',
          include: ['test/real/*.test.ts'],
          testTimeout: 1_800_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
