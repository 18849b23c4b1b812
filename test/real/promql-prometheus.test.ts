import { existsSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { MINUTE } from '../../src/model/time.ts';
import { templateQueries } from '../../src/testing/promql/query-templates.ts';
import type { ShopHour } from '../../src/testing/promql/shop-hour.ts';
import { askBoth, describeMismatch, pairWithHour, runDifferential } from './promql-differential.ts';
import { findPrometheus, NO_PROMETHEUS, type PromqlPair } from './promql-pair.ts';

/*
 * The same hour of data in a real Prometheus and in the real program, by the same bytes of remote write, and the same
 * questions over HTTP: values, warnings, infos and errors must be the same. What is left is in docs/reference/promql.md.
 */
const found = await findPrometheus();
const TOLERANCE = 1e-5;
const SEED = 1;
const LANES = 4;

describe('PromQL side by side with Prometheus', () => {
  let pair: PromqlPair;
  let hour: ShopHour;
  const why =
    found === undefined
      ? NO_PROMETHEUS
      : !found.today
        ? 'the Prometheus that is here is older than 3.x, whose ranges and syntax are other ones: ../shared/bin has one of today'
        : existsSync('dist/main.js')
          ? undefined
          : 'there is no dist/main.js: run npm run build';

  beforeEach(({ skip }) => {
    if (why !== undefined) skip(why);
  });
  beforeAll(async () => {
    if (why === undefined) ({ pair, hour } = await pairWithHour(found!, SEED));
  });
  afterAll(async () => {
    await pair?.[Symbol.asyncDispose]();
  });

  test('every template has the same answer as a range query', async () => {
    const queries = templateQueries();
    expect(queries.length).toBeGreaterThan(500);
    const range = { start: hour.start + MINUTE, end: hour.end, stepMs: 37_000 };
    const different: string[] = [];
    let next = 0;
    const lane = async () => {
      for (let i = next++; i < queries.length; i = next++) {
        const query = queries[i]!;
        const { difference } = await askBoth(pair, { query, ...range }, TOLERANCE);
        if (difference !== undefined) different.push(`${query}\n  ${difference}`);
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    expect(different).toEqual([]);
  });

  test('random queries of the grammar have the same answers, at instants and over ranges', async () => {
    const { mismatches, asked, refused, empty } = await runDifferential(found!, { count: 1_000, seed: 4 });
    expect(mismatches.map(describeMismatch)).toEqual([]);
    // Most of them say something.
    expect(refused + empty).toBeLessThan(asked / 2);
  });
});
