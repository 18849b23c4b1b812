import { request as rawRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serve } from '../testing/http-deps.ts';
import { DecisionList, PolicyAnswer, StatusAnswer } from './api-schemas.ts';
import type { Listening } from './listen.ts';

let server: Listening;
beforeAll(async () => {
  server = await serve();
});
afterAll(() => server.close());

const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' };

async function ask(path: string, init: RequestInit = {}) {
  const response = await fetch(`${server.url}${path}`, init);
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
  return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : undefined };
}

/** Sends an address as it stands, without what `fetch` would mend in it. */
function askRaw(path: string, method = 'GET'): Promise<number> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(server.url);
    const sent = rawRequest({ hostname, port, path, method }, (response) => {
      response.resume();
      resolve(response.statusCode!);
    });
    sent.on('error', reject).end();
  });
}

describe('queries', () => {
  test('1+1 at time=4 is what Grafana asks first', async () => {
    const want = '{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}';
    expect((await ask('/api/v1/query?query=1%2B1&time=4')).text).toBe(want);
    const posted = await ask('/api/v1/query', { method: 'POST', headers: FORM, body: 'query=1%2B1&time=4' });
    expect(posted).toMatchObject({ status: 200, text: want });
  });

  test('a vector has text values, and a time in seconds', async () => {
    const { body } = await ask('/api/v1/query?query=up&time=2026-08-03T10:00:00.5Z');
    expect(body.data).toEqual({
      resultType: 'vector',
      result: [
        { metric: { __name__: 'up', job: 'b' }, value: [1785751200.5, '1e-07'] },
        { metric: { __name__: 'up', job: 'a', 'my.label': 'x' }, value: [1785751200.5, '3'] },
      ],
    });
  });

  test('a matrix is sorted by its labels', async () => {
    const { body } = await ask('/api/v1/query_range?query=up&start=1785751080&end=1785751200&step=1m');
    expect(body.data.result.map(({ metric }: { metric: { job: string } }) => metric.job)).toEqual(['a', 'b']);
    expect(body.data.result[1].values.map(([, value]: [number, string]) => value)).toEqual(['NaN', '+Inf', '1e-07']);
  });

  test('limit cuts and says so', async () => {
    const { body } = await ask('/api/v1/query?query=up&limit=1');
    expect(body.data.result).toHaveLength(1);
    expect(body.warnings).toEqual(['results truncated due to limit']);
  });

  test('11,000 steps are answered, one more is refused', async () => {
    const range = (end: number) => `/api/v1/query_range?query=up&start=0&end=${end}&step=1`;
    expect((await ask(range(11_000))).status).toBe(200);
    expect((await ask(range(11_001))).body).toMatchObject({
      errorType: 'bad_data',
      error:
        'exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)',
    });
  });

  test.each([
    {
      path: '/api/v1/query',
      error: 'invalid parameter "query": unknown position: parse error: no expression found in input',
    },
    {
      path: '/api/v1/query?query=1%2B1&time=soon',
      error: 'invalid parameter "time": cannot parse "soon" to a valid timestamp',
    },
    {
      path: '/api/v1/query?query=1%2B1&time=1e300',
      error: 'invalid parameter "time": cannot parse "1e300" to a valid timestamp',
    },
    {
      path: '/api/v1/query?query=1%2B1&timeout=x',
      error: 'invalid parameter "timeout": cannot parse "x" to a valid duration',
    },
    {
      path: '/api/v1/query?query=1%2B1&limit=-1',
      error: 'invalid parameter "limit": "-1" is not a whole number of zero or more',
    },
    {
      path: '/api/v1/query_range?query=up&start=2&end=1&step=1',
      error: 'invalid parameter "end": end timestamp must not be before start time',
    },
    {
      path: '/api/v1/query_range?query=up&start=1&end=2&step=0',
      error:
        'invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer',
    },
    {
      path: '/api/v1/query_range?query=up&start=1&end=2',
      error: 'invalid parameter "step": cannot parse "" to a valid duration',
    },
    { path: '/api/v1/series', error: 'invalid parameter "match[]": no match[] parameter provided' },
    {
      path: '/api/v1/series?match[]=%7B%7B',
      error: 'invalid parameter "match[]": 1:1: parse error: not a selector: {{',
    },
  ])('$path is bad_data', async ({ path, error }) => {
    const answer = await ask(path);
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({ status: 'error', errorType: 'bad_data', error });
  });

  test('a query that does not end in time is a timeout', async () => {
    const never = (signal?: AbortSignal) =>
      new Promise<never>((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
    const slow = await serve({
      storage: {
        tenant: () =>
          ({
            instant: (_e: string, _t: number, options?: { signal?: AbortSignal }) => never(options?.signal),
          }) as never,
      },
    });
    const response = await fetch(`${slow.url}/api/v1/query?query=up&timeout=0.01`);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ errorType: 'timeout', error: 'query timed out after 10ms' });
    await slow.close();
  });
});

test.each([
  { path: '/api/v1/labels', data: ['__name__', 'job', 'my.label'] },
  { path: '/api/v1/label/job/values', data: ['a', 'b'] },
  { path: '/api/v1/label/U__my_2e_label/values', data: ['x'] },
  { path: '/api/v1/label/job/values?match[]=up{job="a"}', data: ['a'] },
  { path: '/api/v1/label/job/values?limit=1', data: ['a'] },
  { path: '/api/v1/series?match[]=up{job="b"}', data: [{ __name__: 'up', job: 'b' }] },
  { path: '/api/v1/metadata', data: { up: [{ type: 'gauge', help: 'Whether it is up.', unit: '' }] } },
  { path: '/api/v1/metadata?metric=down', data: {} },
])('$path', async ({ path, data }) => {
  const { status, body } = await ask(path);
  expect(status).toBe(200);
  expect(body.data).toEqual(data);
});

test('build information has no features: Grafana would take the server for Mimir', async () => {
  const { body } = await ask('/api/v1/status/buildinfo');
  expect(body.data.version).toBe('0.0.0-test');
  expect(body.data).not.toHaveProperty('features');
});

test('health, readiness and own metrics are texts', async () => {
  expect((await ask('/-/healthy')).status).toBe(200);
  expect((await ask('/-/ready')).status).toBe(200);
  const { text } = await ask('/metrics');
  expect(text).toContain('foresail_http_requests_total{route="/-/healthy",method="GET",code="200"} 1');
});

const POLICY = `apiVersion: foresail.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: checkout, namespace: shop}
spec:
  target: {name: checkout}
  demand: {query: 'sum(rate(http_requests_total[2m]))', capacity: {perReplica: 120}}
  replicas: {min: 2, max: 60}
`;

describe('policies', () => {
  const path = '/api/v1/policies/shop/checkout';
  const put = (body: string, at = path) => ask(at, { method: 'PUT', body });

  test('are put, read, listed and deleted', async () => {
    expect((await ask(path)).status).toBe(404);
    expect((await put(POLICY)).status).toBe(201);
    expect((await put(POLICY)).status).toBe(200);
    const { body } = await ask(path);
    expect(PolicyAnswer.parse(body.data).policy.spec.mode).toBe('observe');
    expect((await ask('/api/v1/policies')).body.data).toHaveLength(1);
    expect((await ask(`${path}/forecast`)).body.data).toEqual([{ demand: 'foresail_demand', state: 'no-data' }]);
    expect(DecisionList.parse((await ask(`${path}/decisions?limit=5`)).body.data)).toEqual([]);
    expect((await ask(path, { method: 'DELETE' })).status).toBe(200);
    expect((await ask(path, { method: 'DELETE' })).status).toBe(404);
  });

  test('that are wrong are refused with every problem', async () => {
    const { status, body } = await put(
      POLICY.replace('spec:', 'spec:\n  mode: enforced\n  ramps: {}').replace('min: 2', 'min: x'),
    );
    expect(status).toBe(400);
    expect(body).toMatchObject({ errorType: 'bad_data', code: 'invalid_document' });
    expect(body.problems).toEqual([
      { path: 'spec.mode', message: 'expected "observe" or "enforce", got "enforced"', suggestion: 'enforce' },
      { path: 'spec.replicas.min', message: 'expected a number, got "x"' },
      { path: 'spec.ramps', message: 'unknown key', suggestion: 'ramp' },
    ]);
  });

  test.each([
    { name: 'empty', body: '', error: 'the body is empty' },
    { name: 'no YAML', body: 'a: [', error: 'as YAML' },
    { name: 'no policy', body: '42', error: 'expected a mapping, got 42' },
    {
      name: 'for another address',
      body: POLICY.replace('name: checkout, n', 'name: cart, n'),
      error: 'expected "checkout" as in the address',
    },
    { name: 'a flow of 100,000 levels', body: '['.repeat(100_000), error: 'nested too deeply' },
    { name: 'a block of 50,000 levels', body: `${'- '.repeat(50_000)}x`, error: 'nested too deeply' },
    {
      name: 'an alias bomb',
      body: `a: &a [x,x]\n${[...'bcdefghijklmnop'].map((k, i) => `${k}: &${k} [*${'abcdefghijklmnop'[i]},*${'abcdefghijklmnop'[i]}]`).join('\n')}`,
      error: 'as YAML',
    },
    {
      name: 'prototype keys',
      body: '{"__proto__": {"kind": "ScalingPolicy"}, "constructor": 1}',
      error: 'unknown key',
    },
  ])('$name: 400', async ({ body, error }) => {
    const answer = await put(body);
    expect(answer.status).toBe(400);
    expect(answer.body.error).toContain(error);
  });

  test('larger than any policy: 413', async () => {
    expect((await put(' '.repeat(300_000))).status).toBe(413);
  });

  test('unknown parameters are refused on own routes', async () => {
    expect((await ask('/api/v1/policies?tennant=x')).body.error).toContain('invalid parameter "tennant"');
  });
});

test('/api/v1/status tells what the page shows', async () => {
  const { body } = await ask('/api/v1/status');
  expect(StatusAnswer.parse(body.data)).toMatchObject({ tenant: 'default', store: { series: 2, samples: 20 } });
});

describe('hostile requests', () => {
  test.each([
    { path: '/nothing', status: 404 },
    { path: '/api/v1/label/%ff/values', status: 400 },
    { path: '/api/v1/label/%zz/values', status: 400 },
    { path: '/api/v1/query?query=%zz', status: 400 },
    { path: '/api/v1/query?query=%ff', status: 400 },
    { path: '/api/v1/policies/%2e%2e/%2e%2e', status: 404 },
    { path: '/api/v1/label/U___110000_/values', status: 200 },
    { path: '//nothing', status: 404 },
    { path: `/${'x'.repeat(10_000)}`, status: 404 },
    { path: `/${'x'.repeat(100_000)}`, status: 431 },
  ])('$path', async ({ path, status }) => {
    expect(await askRaw(path)).toBe(status);
  });

  test.each(['DELETE', 'PATCH', 'PUT', 'TRACE'])('%s on a query is 405', async (method) => {
    expect(await askRaw('/api/v1/query', method)).toBe(405);
  });

  test('a form larger than the limit is 413', async () => {
    const { status, body } = await ask('/api/v1/query', {
      method: 'POST',
      headers: FORM,
      body: `query=${'x'.repeat(70_000)}`,
    });
    expect({ status, code: body.code }).toEqual({ status: 413, code: 'request_too_large' });
  });

  test('an unknown error is 500 with an id and without its text', async () => {
    const broken = await serve({
      status: async () => {
        throw new Error('a secret');
      },
    });
    const response = await fetch(`${broken.url}/api/v1/status`);
    const text = await response.text();
    expect(response.status).toBe(500);
    expect(text).toMatch(/logged under the id [0-9a-f-]{36}/);
    expect(text).not.toContain('secret');
    await broken.close();
  });
});
