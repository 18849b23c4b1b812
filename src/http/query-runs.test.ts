import { afterEach, describe, expect, test } from 'vitest';
import { labelsOf } from '../model/labels.ts';
import type { TenantId } from '../model/tenant.ts';
import { TIER_LIMITS } from '../model/tenant-limits.ts';
import { appendSeries } from '../storage/append-series.ts';
import { createLogger } from '../telemetry/logger.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { NOW, serve } from '../testing/http-deps.ts';
import { memoryStorage } from '../testing/memory-storage.ts';
import type { Listening } from './listen.ts';
import { openQueryRuns, type RunLimits } from './query-runs.ts';

const running: Listening[] = [];
afterEach(async () => {
  for (const each of running.splice(0)) await each.close(0);
});

/** A server over ten series of ten samples each, whose queries have these limits. */
async function serveWithin(limits: Partial<RunLimits>, { pause = () => undefined as Promise<void> | undefined } = {}) {
  const storage = memoryStorage({ now: () => NOW, maxSamples: 50_000_000, pause });
  const metrics = createMetrics();
  const lines: Record<string, unknown>[] = [];
  const stream = { write: (line: string) => void lines.push(JSON.parse(line)) };
  const series = Array.from({ length: 10 }, (_, i) => ({
    labels: labelsOf({ __name__: 'load', i: `${i}` }),
    times: Float64Array.from({ length: 10 }, (_, k) => NOW - (9 - k) * 15_000),
    values: new Float64Array(10).fill(i),
  }));
  await appendSeries(storage.tenant('default' as TenantId), series);
  const server = await serve({
    storage,
    metrics,
    queries: openQueryRuns({
      limitsOf: () => ({ ...TIER_LIMITS.enterprise, max_samples_per_query: 10_000, query_timeout: 10_000, ...limits }),
      metrics,
      log: createLogger('warn', stream),
      tenantName: (tenant) => tenant,
      pauseOf: () => pause,
      slowMs: 0,
    }),
  });
  running.push(server);
  const ask = async (path: string) => {
    const response = await fetch(`${server.url}${path}`);
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const counted = async () => {
    const { values } = await metrics.queries.get();
    return values.map(({ labels: { kind, outcome, reason }, value }) => `${kind} ${outcome} ${reason} ${value}`);
  };
  return { ask, lines, counted, metrics, url: server.url };
}

const at = `time=${NOW / 1000}`;
const range = `start=${NOW / 1000 - 120}&end=${NOW / 1000}&step=15`;

describe('limits of queries', () => {
  test.each([
    {
      name: 'series',
      limits: { max_fetched_series_per_query: 9 },
      path: `/api/v1/query?query=sum(load)&${at}`,
      want: { status: 422, errorType: 'execution', code: 'query_limit' },
      error:
        /^the query exceeded the maximum number of series \(limit: 9 series\) \(err-mimir-max-series-per-query\)\. Consider reducing .* configure -querier\.max-fetched-series-per-query, or contact/,
      counted: 'instant limited max_series_per_query 1',
    },
    {
      name: 'samples',
      limits: { max_samples_per_query: 50 },
      path: `/api/v1/query_range?query=load&${range}`,
      want: { status: 422, errorType: 'execution' },
      error: /too many samples into memory/,
      counted: 'range limited max_samples_per_query 1',
    },
    {
      name: 'memory',
      limits: { max_estimated_memory_consumption_per_query: 800 },
      path: `/api/v1/query_range?query=load&${range}`,
      want: { status: 422, errorType: 'execution', code: 'query_limit' },
      error: /\(limit: 800 bytes\) \(err-mimir-max-estimated-memory-consumption-per-query\)/,
      counted: 'range limited max_estimated_memory_consumption_per_query 1',
    },
    {
      name: 'length of the range',
      limits: { max_total_query_length: 60_000 },
      path: `/api/v1/query_range?query=load&${range}`,
      want: { status: 400, errorType: 'bad_data', code: 'query_refused' },
      error:
        /^the total query time range exceeds the limit \(query length: 2m, limit: 1m\) \(err-mimir-max-total-query-length\)/,
      counted: 'range limited max_total_query_length 1',
    },
    {
      name: 'length of the text',
      limits: { max_query_expression_size_bytes: 10 },
      path: `/api/v1/query?query=sum(load)+%2B+1&${at}`,
      want: { status: 400, errorType: 'bad_data', code: 'query_refused' },
      error: /\(query size: 13, limit: 10\) \(err-mimir-max-query-expression-size-bytes\)/,
      counted: 'instant limited max_query_expression_size_bytes 1',
    },
  ])('$name', async ({ limits, path, want: { status, ...want }, error, counted: count }) => {
    const { ask, counted } = await serveWithin(limits);
    const answer = await ask(path);
    expect(answer).toMatchObject({ status, body: { ...want, error: expect.stringMatching(error) } });
    expect(await counted()).toEqual([count]);
  });

  test('one at the limit is answered', async () => {
    const limits = { max_fetched_series_per_query: 10, max_total_query_length: 120_000 };
    const { ask, counted } = await serveWithin(limits);
    expect((await ask(`/api/v1/query_range?query=load&${range}`)).status).toBe(200);
    expect(await counted()).toEqual(['range answered  1']);
  });

  test('further queries wait, and too many of them are 429', async () => {
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const limits = { max_query_parallelism: 1, max_outstanding_requests_per_tenant: 1 };
    const { ask, counted } = await serveWithin(limits, { pause: () => gate });
    const path = `/api/v1/query?query=sum(load)&${at}`;
    const all = [ask(path), ask(path), ask(path)];
    const first = await Promise.race(all);
    expect(first).toMatchObject({ status: 429, body: { errorType: 'too_many_requests', code: 'too_many_queries' } });
    open();
    expect((await Promise.all(all)).map(({ status }) => status).sort()).toEqual([200, 200, 429]);
    expect((await counted()).sort()).toEqual(['instant answered  2', 'instant limited too_many_queries 1']);
  });

  test('a query whose client is gone ends, and is counted', async () => {
    const ended = new AbortController();
    let begun = () => {};
    const began = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const { url, counted, lines } = await serveWithin(
      { max_samples_per_query: 50_000_000 },
      {
        pause: () => {
          begun();
          return new Promise((resolve) => setImmediate(resolve));
        },
      },
    );
    const query = `sum_over_time(load[2m:1ms])`;
    const asked = fetch(`${url}/api/v1/query_range?query=${query}&${range}`, { signal: ended.signal });
    await began;
    ended.abort();
    await expect(asked).rejects.toThrow();
    while ((await counted()).length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(await counted()).toEqual(['range canceled query_canceled 1']);
    expect(lines[0]).toMatchObject({ reason: 'query_canceled' });
  });

  test.each([0, 0.25, 0.5, 0.75, 0.95])('a client that goes away after %d of the work ends it there', async (share) => {
    const fine = `/api/v1/query_range?query=sort(load)&start=${NOW / 1000 - 120}&end=${NOW / 1000}&step=0.011`;
    let rests = 0;
    let leaveAt = Number.POSITIVE_INFINITY;
    let leave = () => {};
    const pause = () => {
      if (++rests === leaveAt) leave();
      return new Promise<void>((resolve) => (rests >= leaveAt ? setTimeout(resolve, 5) : setImmediate(resolve)));
    };
    const { url, counted } = await serveWithin({ max_samples_per_query: 50_000_000 }, { pause });
    await (await fetch(`${url}${fine}`)).arrayBuffer();
    const whole = rests;
    expect(whole).toBeGreaterThan(40);
    rests = 0;
    leaveAt = Math.ceil(1 + share * (whole - 10));
    const ended = new AbortController();
    leave = () => ended.abort();
    await expect(
      fetch(`${url}${fine}`, { signal: ended.signal }).then((answer) => answer.arrayBuffer()),
    ).rejects.toThrow();
    while ((await counted()).length < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(await counted()).toContain('range canceled query_canceled 1');
    expect(rests).toBeLessThan(whole);
  });

  test.each([
    { path: '/api/v1/series?match[]=load', kept: 10 },
    { path: '/api/v1/labels', kept: 2 },
    { path: '/api/v1/label/i/values', kept: 10 },
  ])('$path takes a place as a query does', async ({ path, kept }) => {
    const { ask, counted } = await serveWithin({});
    expect((await ask(path)).body['data']).toHaveLength(kept);
    expect(await counted()).toEqual(['labels answered  1']);
    const full = await serveWithin({ max_query_parallelism: 0, max_outstanding_requests_per_tenant: 0 });
    expect(await full.ask(path)).toMatchObject({ status: 429, body: { code: 'too_many_queries' } });
  });
});

test('a slow query is written with what it selected and where its time went', async () => {
  const { ask, lines } = await serveWithin({});
  await ask(`/api/v1/query_range?query=sum(load)+/+sum(load{i="3"})&${range}`);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({
    msg: 'a query was slow',
    ...{ tenant: 'default', kind: 'range', query: 'sum(load) / sum(load{i="3"})', step: 15, series: 11 },
    phases: { queue: expect.any(Number), select: expect.any(Number), evaluate: expect.any(Number) },
    selectors: [
      { selector: '{__name__="load"}', series: 10 },
      { selector: '{__name__="load",i="3"}', series: 1 },
    ],
  });
});

test('stats=all tells what each selector had', async () => {
  const { ask } = await serveWithin({});
  const { body } = await ask(`/api/v1/query?query=sum(load)&${at}&stats=all`);
  expect(body).toMatchObject({
    data: {
      resultType: 'vector',
      stats: {
        timings: { evalTotalTime: expect.any(Number), execTotalTime: expect.any(Number) },
        samples: { totalQueryableSamples: expect.any(Number) },
        selectors: [{ selector: '{__name__="load"}', series: 10 }],
      },
    },
  });
  expect((await ask(`/api/v1/query?query=sum(load)&${at}`)).body).not.toHaveProperty('data.stats');
});
