import { describe, expect, test } from 'vitest';
import { labelsKey, labelsOf } from '../model/labels.ts';
import type { Matcher } from '../model/matcher.ts';
import type { TimeRange } from '../model/time.ts';
import { seededRandom } from '../numeric/seeded-random.ts';
import { memoryTenant } from '../testing/memory-storage.ts';
import { randomQuestion } from '../testing/promql/random-query.ts';
import { shopHour } from '../testing/promql/shop-hour.ts';
import { QueryError } from './errors.ts';
import { functionNames, signatureOf } from './functions/signatures.ts';
import { parseQuery } from './parse.ts';
import { evaluatorOver } from './run.ts';
import { selectorsOf } from './selectors.ts';

/** `a_total` with two series, a sample every 15 s from 0 to 10 minutes. */
async function tenant() {
  const store = memoryTenant();
  const times = Float64Array.from({ length: 41 }, (_, i) => i * 15_000);
  for (const job of ['x', 'y']) {
    await store.backfill([
      { labels: labelsOf({ __name__: 'a_total', job }), times, values: times.map((t) => t / 1000) },
    ]);
  }
  return store;
}

describe('evaluatorOver()', () => {
  test('answers each kind of value', async () => {
    const store = await tenant();
    const instant = async (query: string) => (await store.instant(query, 60_000)).value;
    expect(await instant('1 + 1')).toEqual({ kind: 'scalar', time: 60_000, value: 2 });
    expect(await instant('"text"')).toEqual({ kind: 'string', time: 60_000, value: 'text' });
    expect(await instant('sum(a_total)')).toEqual({
      kind: 'vector',
      samples: [{ labels: [], time: 60_000, value: 120 }],
    });
    expect(await instant('a_total{job="x"}[30s]')).toEqual({
      kind: 'matrix',
      series: [
        {
          labels: labelsOf({ __name__: 'a_total', job: 'x' }),
          times: Float64Array.of(45_000, 60_000),
          values: Float64Array.of(45, 60),
        },
      ],
    });
  });

  test('tells selectors apart that look the same where their matchers stand one behind another', async () => {
    const store = memoryTenant();
    const times = Float64Array.of(60_000);
    await store.backfill([
      { labels: labelsOf({ a: 'x', b: 'y' }), times, values: Float64Array.of(1) },
      { labels: labelsOf({ 'a="x",b': 'y' }), times, values: Float64Array.of(2) },
    ]);
    const { value } = await store.instant('sum({a="x",b="y"}) + 10 * sum({"a=\\"x\\",b"="y"})', 60_000);
    expect(value).toMatchObject({ samples: [{ value: 21 }] });
  });

  test('a range has the instants start + k * step up to its end, however many', async () => {
    const store = await tenant();
    const { value } = await store.range('vector(time())', { start: -5000, end: 40_000_000, stepMs: 1000 });
    expect(value.kind === 'matrix' && value.series[0]?.times.length).toBe(40_006);
    expect(value.kind === 'matrix' && value.series[0]?.values[0]).toBe(-5);
    expect((await store.range('a_total', { start: 10, end: 0, stepMs: 1 })).value).toEqual({
      kind: 'matrix',
      series: [],
    });
  });

  test('loads each distinct selector once, and no more than it needs', async () => {
    const asked: { matchers: readonly Matcher[]; range: TimeRange }[] = [];
    const select = async (matchers: readonly Matcher[], range: TimeRange) => {
      asked.push({ matchers, range });
      return [];
    };
    await evaluatorOver({ select }).instant('rate(a[5m]) / rate(a[5m]) + a offset 1h', 10_000_000);
    expect(asked.map(({ range }) => range)).toEqual([
      { start: 9_700_001, end: 10_000_000 },
      { start: 6_100_001, end: 6_400_000 },
    ]);
  });

  test.each([
    [
      'a[5m]',
      { start: 100, end: 200, stepMs: 10 },
      'bad_data',
      /invalid expression type "range vector" for range query/,
    ],
    ['"text"', { start: 100, end: 200, stepMs: 10 }, 'bad_data', /invalid expression type "string" for range query/],
    ['1', { start: 0, end: 100_000_000, stepMs: 1 }, 'execution', /too many samples/],
  ])('range() refuses %s over %j', async (query, range, code, message) => {
    const store = await tenant();
    await expect(store.range(query, range)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  test('holds no more samples than it may', async () => {
    const store = await tenant();
    const limit = { maxSamples: 50 };
    await expect(store.instant('rate(a_total[10m])', 600_000, limit)).rejects.toThrow(/too many samples/);
    const range = { start: 0, end: 600_000, stepMs: 15_000 };
    await expect(store.range('a_total', range, limit)).rejects.toThrow(/too many samples/);
    // One series with a value of its own at each of 41 steps makes as many series of 41 steps.
    const counted = 'count_values("v", a_total{job="x"})';
    await expect(store.range(counted, range, { maxSamples: 1_000 })).rejects.toThrow(/too many samples/);
    expect((await store.range(counted, range, { maxSamples: 3_000 })).value).toMatchObject({ kind: 'matrix' });
    const query = 'count_over_time(vector(1)[1d:1s])';
    await expect(store.instant(query, 600_000, { maxSamples: 86_000 })).rejects.toThrow(/too many samples/);
  });

  test('gives up when it is aborted', async () => {
    const store = await tenant();
    const signal = AbortSignal.abort(new Error('gone'));
    await expect(store.instant('a_total', 0, { signal })).rejects.toThrow('gone');
  });

  test('looks back as far as it is told', async () => {
    const store = await tenant();
    const count = async (lookbackMs: number) => (await store.instant('count(a_total)', 660_000, { lookbackMs })).value;
    expect(await count(60_001)).toMatchObject({ samples: [{ value: 2 }] });
    expect(await count(60_000)).toMatchObject({ samples: [] });
  });

  test('a range query has the values of the instant queries at its steps', async () => {
    const { start, series } = shopHour(seededRandom(2));
    const store = memoryTenant();
    for (const { labels, times, values } of series) {
      if (times.length > 0) await store.backfill([{ labels, times: Float64Array.from(times), values }]);
    }
    const range = { start: start + 10 * 60_000, end: start + 20 * 60_000, stepMs: 75_500 };
    // Those that say where they stand in the range have another value at an instant, and samples taken in turn may be others.
    const ofTheRange = /step|range|start|end|topk|bottomk|limitk|sort|count_values|\[[^\]]*:/;
    let compared = 0;
    for (let i = 0; compared < 150; i++) {
      const { query } = randomQuestion(seededRandom(i), { start, end: start + 3_600_000 });
      if (ofTheRange.test(query)) continue;
      const whole = await store.range(query, range).catch(() => undefined);
      if (whole === undefined) continue;
      compared++;
      if (whole.value.kind !== 'matrix') throw new TypeError('a range query answers a matrix');
      const found = new Map<string, string>();
      for (const { labels, times, values } of whole.value.series) {
        for (const [k, time] of times.entries()) found.set(`${labelsKey(labels)} ${time}`, shortly(values[k]!));
      }
      const wanted = new Map<string, string>();
      for (let time = range.start; time <= range.end; time += range.stepMs) {
        const { value } = await store.instant(query, time);
        const samples =
          value.kind === 'vector' ? value.samples : value.kind === 'scalar' ? [{ labels: [], ...value }] : [];
        for (const sample of samples) wanted.set(`${labelsKey(sample.labels)} ${time}`, shortly(sample.value));
      }
      // The name of a series with and without it is that of its first sample.
      if (/\bor\b/.test(query)) expect(found.size, query).toBe(wanted.size);
      else expect(found, query).toEqual(wanted);
    }
  });

  test('every function is computed', async () => {
    const store = await tenant();
    const examples = { scalar: '1', string: '"s"', vector: 'a_total', matrix: 'a_total[1m]' };
    for (const name of functionNames()) {
      const { args } = signatureOf(name)!;
      const query = `${name}(${(name === 'info' ? ['a_total'] : args.map((type) => examples[type])).join(', ')})`;
      const error = await store.instant(query, 60_000).catch((cause: unknown) => cause);
      if (error instanceof QueryError) expect(error.message).toMatch(/^invalid smoothing factor/);
      else expect(error).not.toBeInstanceOf(Error);
    }
  });
});

/** Sums over a window go on from those of the window before: their last digits are other ones. */
function shortly(value: number): string {
  return value.toPrecision(9);
}

describe('limit_ratio', () => {
  /** 400 series `b` with the value 1. */
  async function many() {
    const store = memoryTenant();
    const one = { times: Float64Array.of(0), values: Float64Array.of(1) };
    const labels = (i: number) => labelsOf({ __name__: 'b', i: String(i) });
    await store.backfill(Array.from({ length: 400 }, (_, i) => ({ labels: labels(i), ...one })));
    return async (query: string) => {
      const { value, warnings } = await store.instant(query, 0);
      return { warnings, count: value.kind === 'vector' ? (value.samples[0]?.value ?? 0) : Number.NaN };
    };
  }

  test.each([0.1, 0.5, 0.8])('%d gives about that share, and its complement the rest', async (ratio) => {
    const ask = await many();
    const { count } = await ask(`count(limit_ratio(${ratio}, b))`);
    expect(Math.abs(count / 400 - ratio)).toBeLessThan(0.06);
    const rest = `limit_ratio(${ratio - 1}, b)`;
    expect((await ask(`count(limit_ratio(${ratio}, b) or ${rest})`)).count).toBe(400);
    expect((await ask(`count(limit_ratio(${ratio}, b) and ${rest})`)).count).toBe(0);
  });

  test('is capped, with a warning, and refuses NaN', async () => {
    const ask = await many();
    const warning = 'PromQL warning: ratio value should be between -1 and 1, got 1.1, capping to 1 (1:19)';
    expect(await ask('count(limit_ratio(1.1, b))')).toEqual({ count: 400, warnings: [warning] });
    expect((await ask('count(limit_ratio(-1, b))')).count).toBe(400);
    expect((await ask('count(limit_ratio(0, b))')).count).toBe(0);
    await expect(ask('limit_ratio(NaN, b)')).rejects.toThrow('Ratio value is NaN');
  });
});

describe('selectorsOf()', () => {
  test.each([
    ['a', [[-199_999, 200_000]]],
    ['a[1m]', [[40_001, 200_000]]],
    ['a[1m] offset 10s', [[30_001, 190_000]]],
    ['a @ 50', [[-249_999, 50_000]]],
    ['a @ end() offset -1m', [[-39_999, 260_000]]],
    ['rate(a[1m])[2m:10s]', [[-79_999, 200_000]]],
    ['sum_over_time(a[2m:10s] @ 0 offset 5s)', [[-424_999, -5_000]]],
    ['a[1m] smoothed', [[-259_999, 500_000]]],
    [
      'a + on () (b @ start())',
      [
        [-199_999, 200_000],
        [-199_999, 100_000],
      ],
    ],
    [
      'info(last_over_time(a[2m:1m] offset 1m), {__name__="b"})',
      [
        [-379_999, 140_000],
        [-259_999, 140_000],
      ],
    ],
    ['1 + time()', []],
  ])('%s', (query, want) => {
    const range = { start: 100_000, end: 200_000, stepMs: 10_000 };
    const needs = selectorsOf(parseQuery(query), range, { query, lookbackMs: 300_000, subqueryStepMs: 60_000 });
    expect(needs.map(({ range: { start, end } }) => [start, end])).toEqual(want);
  });
});
