import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createMetrics } from './metrics.ts';

const SOURCE = join(import.meta.dirname, '..');

test('every metric that is declared is updated somewhere', () => {
  const text = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !/\.test\.ts$|telemetry.metrics\.ts$|^testing/.test(file))
    .map((file) => readFileSync(join(SOURCE, file), 'utf8'))
    .join('\n');
  const { registry: _, ...metrics } = createMetrics({ version: 'test', ofProcess: false });
  const unused = Object.keys(metrics).filter((key) => {
    // The application has all of them at hand; loops name theirs in a call of their telemetry.
    return !new RegExp(`metrics\\.${key}\\.(inc|set|observe)\\(|\\.(count|gauge|time)\\(\\s*'${key}'`).test(text);
  });
  expect(Object.keys(metrics).length).toBeGreaterThan(20);
  expect(unused).toEqual([]);
});
