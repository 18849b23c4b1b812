import { expect, test } from 'vitest';
import { labelsOf } from '../model/labels.ts';
import type { QueryResult } from '../model/query-result.ts';
import { decodeSamples } from '../model/series.ts';
import { finished } from '../model/work.ts';
import { seededRandom } from '../numeric/seeded-random.ts';
import { pick } from '../testing/fuzz/mutate.ts';
import { memoryTenant } from '../testing/memory-storage.ts';
import { randomQuestion } from '../testing/promql/random-query.ts';
import { shopHour } from '../testing/promql/shop-hour.ts';
import type { AggregateExpr } from './ast.ts';
import { beginFold } from './fold.ts';
import { foldableOf } from './foldable.ts';
import { functionNames, signatureOf } from './functions/signatures.ts';
import type { SeriesSource } from './load.ts';
import { parseQuery } from './parse.ts';
import { evaluatorOver } from './run.ts';

const OPS = ['sum', 'avg', 'count', 'min', 'max', 'group', 'stddev', 'stdvar'];
const OF_RANGES = functionNames().filter((name) => signatureOf(name)!.args.includes('matrix'));
const GROUPINGS = ['', 'by (job)', 'by (instance, job)', 'without (instance)', 'by (__name__)', 'by (absent)'];
const SELECTORS = ['up', 'temperature', 'http_requests_total', 'odd', 'sparse', 'begins', 'blinks', '{job=~".+"}'];
const AROUND = ['$', '$', '$ * 2', '1 - $', '-$', '$ > 1', '$ != bool 0', 'abs($)', '($) / time()', '$ ^ scalar(up)'];

/** Random aggregations of what is made of one series at a time. */
function aggregation(random: () => number): string {
  const selector = pick(random, SELECTORS);
  const shift = pick(random, ['', '', '', ' offset 90s', ' @ 1767228000']);
  const name = pick(random, OF_RANGES);
  const { args } = signatureOf(name)!;
  const range = `${selector}[${pick(random, ['30s', '1m', '5m', '17m'])}]${shift}`;
  const operand =
    random() < 0.2
      ? selector + shift
      : `${name}(${args.map((type) => (type === 'matrix' ? range : '0.3')).join(', ')})`;
  return `${pick(random, OPS)} ${pick(random, GROUPINGS)} (${pick(random, AROUND).replace('$', operand)})`;
}

async function shop(seed: number) {
  const hour = shopHour(seededRandom(seed));
  const store = memoryTenant();
  for (const { labels, times, values } of hour.series) {
    if (times.length > 0) await store.backfill([{ labels, times: Float64Array.from(times), values }]);
  }
  return { ...hour, store };
}

/** Gives series one at a time, in columns that hold something else as soon as they were taken. */
function oneByOne({ select }: Pick<SeriesSource, 'select'>) {
  const given = { queries: 0 };
  const source: SeriesSource = {
    select,
    async selectEach(matchers, range, take, options) {
      given.queries++;
      for (const { labels, chunks } of await select(matchers, range, options)) {
        const { times, values } = decodeSamples(chunks, range);
        const lent = { times: times.slice(), values: values.slice() };
        take({ labels, chunks: [{ encoding: 'plain', ...lent }] });
        lent.times.fill(-1);
        lent.values.fill(Number.NaN);
      }
      return true;
    },
  };
  return { source, given };
}

const outcome = (answer: Promise<QueryResult>) =>
  answer.catch((error: unknown) => (error instanceof Error ? error.message : error));

test('what takes its series while they are read has the answers of what reads all of them first', async () => {
  const { start, end, store } = await shop(3);
  const { source, given } = oneByOne(store);
  const plain = evaluatorOver({ select: store.select });
  const folded = evaluatorOver(source);
  for (let seed = 0; seed < 400; seed++) {
    const random = seededRandom(seed);
    const others = randomQuestion(random, { start, end }).query;
    const query = pick(random, [
      aggregation(random),
      aggregation(random),
      `${aggregation(random)} / ${aggregation(random)}`,
      `max_over_time((${aggregation(random)})[10m:1m])`,
      others,
    ]);
    const range = { start: start + 600_000, end: start + 1_500_000, stepMs: pick(random, [15_000, 60_000, 47_000]) };
    expect(await outcome(folded.range(query, range)), query).toEqual(await outcome(plain.range(query, range)));
    const instant = (of: typeof plain) => outcome(of.instant(query, start + 1_234_000));
    expect(await instant(folded), query).toEqual(await instant(plain));
  }
  expect(given.queries).toBeGreaterThan(300);
});

test('what was given is forgotten where a source cannot give all', async () => {
  const { start, store } = await shop(4);
  const { source } = oneByOne(store);
  const refused = evaluatorOver({
    select: store.select,
    selectEach: async (...args) => (await source.selectEach!(...args)) && false,
  });
  const range = { start, end: start + 600_000, stepMs: 60_000 };
  const query = 'sum by (job) (rate(http_requests_total[5m])) + sum by (job) (up)';
  expect(await refused.range(query, range)).toEqual(await evaluatorOver({ select: store.select }).range(query, range));
});

test('samples that are taken one series at a time count as those that are held', async () => {
  const { start, store } = await shop(5);
  const { source } = oneByOne(store);
  const range = { start, end: start + 600_000, stepMs: 60_000 };
  const told: (readonly [number, number])[][] = [];
  for (const of of [{ select: store.select }, source]) {
    const seen: (readonly [number, number])[] = [];
    const watch = {
      selecting: () => (series: number, samples: number) => void seen.push([series, samples]),
      evaluating: () => {},
    };
    await evaluatorOver(of).range('sum(rate(up[5m]))', range, { watch });
    told.push(seen);
    await expect(evaluatorOver(of).range('sum(rate(up[5m]))', range, { maxSamples: 30 })).rejects.toThrow(/too many/);
  }
  expect(told[1]).toEqual(told[0]);
});

test('what is to be told of every cell of every series is held back once', async () => {
  const query = 'sum(quantile_over_time(2, a[30s]))';
  const expr = parseQuery(query) as AggregateExpr;
  const [selector] = foldableOf(expr, 100).keys();
  const range = { start: 60_000, end: 1_050_000, stepMs: 10_000 };
  const grid = { start: range.start, stepMs: range.stepMs, steps: 100, instant: false };
  const told: string[] = [];
  const annotations = { warn: (message: string) => void told.push(message), info: () => undefined };
  const about = { query, range, lookbackMs: 300_000, subqueryStepMs: 60_000, annotations };
  const durations = { query, stepMs: range.stepMs, rangeMs: range.end - range.start };
  const account = { held: 0, most: 1_000 };
  const fold = beginFold(expr, selector!, { ...range, start: 0 }, { ...about, durations, account }, grid);
  const times = Float64Array.from({ length: 70 }, (_, i) => i * 15_000);
  for (const pod of ['a', 'b']) {
    fold.take({ labels: labelsOf({ __name__: 'a', pod }), chunks: [{ encoding: 'plain', times, values: times }] });
  }
  expect(told).toEqual([]);
  finished(fold.finish());
  expect(told).toEqual(['quantile value should be between 0 and 1, got 2']);
});
