import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { runScript } from './promql-script-run.ts';

const own = join(dirname(fileURLToPath(import.meta.url)), '../promql/testdata');
const upstream = join(dirname(fileURLToPath(import.meta.url)), '../../../shared/promqltest');

/** How many evaluations each of Prometheus's files has (2,214 in all), all of which pass. */
const UPSTREAM: readonly (readonly [file: string, evaluations: number])[] = [
  ['aggregators.test', 160],
  ['at_modifier.test', 78],
  ['collision.test', 2],
  ['duration_expression.test', 59],
  ['extended_vectors.test', 169],
  ['fill-modifier.test', 46],
  ['functions.test', 431],
  ['histograms.test', 185],
  ['info.test', 53],
  ['limit.test', 37],
  ['literals.test', 25],
  ['name_label_dropping.test', 30],
  ['native_histograms.test', 522],
  ['operators.test', 214],
  ['range_queries.test', 18],
  ['selectors.test', 31],
  ['staleness.test', 17],
  ['start_timestamps.test', 26],
  ['subquery.test', 34],
  ['trig_functions.test', 19],
  ['type_and_unit.test', 58],
];

describe('our own scripts', () => {
  test.each(readdirSync(own))('%s', async (file) => {
    const outcomes = await runScript(readFileSync(join(own, file), 'utf8'));
    expect(outcomes.filter(({ fault }) => fault !== undefined)).toEqual([]);
    expect(outcomes.length).toBeGreaterThan(0);
  });
});

describe("Prometheus's scripts", () => {
  test.for(UPSTREAM)('%s: all %i evaluations', async ([file, evaluations], { skip }) => {
    if (!existsSync(upstream)) return skip('there is no ../shared/promqltest beside the checkout');
    const outcomes = await runScript(readFileSync(join(upstream, file), 'utf8'));
    expect(outcomes.filter(({ fault }) => fault !== undefined)).toEqual([]);
    expect(outcomes).toHaveLength(evaluations);
  });
});

test('runScript() sees a wrong value, a missing series and a missing error', async () => {
  const script =
    'load 1m\n  a 1\n\neval instant at 0 a\n  a 2\n\neval instant at 0 a\n\neval instant at 0 a\n  expect fail';
  const outcomes = await runScript(script);
  expect(outcomes.map(({ fault }) => fault)).toEqual([
    'a at 0: expected 2 for a, got 1',
    'a at 0: unexpected a 1',
    'a at 0: expected an error, got none',
  ]);
});
