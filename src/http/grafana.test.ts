import { afterAll, beforeAll, expect, test } from 'vitest';
import { NOW, serve } from '../testing/http-deps.ts';
import type { Listening } from './listen.ts';

let server: Listening;
beforeAll(async () => {
  server = await serve();
});
afterAll(() => server.close());

async function both(path: string, parameters: Record<string, string>) {
  const form = new URLSearchParams(parameters);
  const answers = await Promise.all([
    fetch(`${server.url}${path}?${form}`),
    fetch(`${server.url}${path}`, { method: 'POST', body: form }),
  ]);
  const [got, posted] = await Promise.all(answers.map(async (answer) => [answer.status, await answer.json()]));
  expect(posted).toEqual(got);
  return { status: got![0], body: got![1] as { readonly data: unknown } };
}

test('format_query lays an expression out', async () => {
  const { body } = await both('/api/v1/format_query', { query: 'sum  (rate(up [5m]))by(job)' });
  expect(body).toEqual({ status: 'success', data: 'sum by (job) (rate(up[5m]))' });
});

test('parse_query answers the tree as Prometheus does', async () => {
  const { body } = await both('/api/v1/parse_query', { query: 'up{job!="a"} offset 5m / on (job) (2 * -rate(b[1m]))' });
  const selector = { timestamp: null, startOrEnd: null, anchored: false, smoothed: false };
  const named = (value: string) => ({ name: '__name__', value, type: '=' });
  const rate = { name: 'rate', argTypes: ['matrix'], variadic: 0, returnType: 'vector' };
  const range = { type: 'matrixSelector', name: 'b', range: 60_000, offset: 0, matchers: [named('b')], ...selector };
  const negative = { type: 'unaryExpr', op: '-', expr: { type: 'call', func: rate, args: [range] } };
  const two = { type: 'numberLiteral', val: '2' };
  const product = { type: 'binaryExpr', op: '*', lhs: two, rhs: negative, matching: null, bool: false };
  expect(body.data).toEqual({
    type: 'binaryExpr',
    op: '/',
    lhs: {
      ...{ type: 'vectorSelector', name: 'up', offset: 300_000, ...selector },
      matchers: [{ name: 'job', value: 'a', type: '!=' }, named('up')],
    },
    rhs: { type: 'parenExpr', expr: product },
    matching: {
      ...{ card: 'one-to-one', labels: ['job'], on: true, include: [] },
      fillValues: { lhs: null, rhs: null },
    },
    bool: false,
  });
});

test.each([
  '/api/v1/format_query',
  '/api/v1/parse_query',
  '/api/v1/query_exemplars',
])('%s says what is wrong with the text', async (path) => {
  const error = 'invalid parameter "query": 1:5: parse error: unclosed left parenthesis';
  expect(await both(path, { query: 'sum(' })).toMatchObject({ status: 400, body: { errorType: 'bad_data', error } });
  expect((await both(path, {})).status).toBe(400);
});

const EXEMPLAR = { labels: { trace_id: 'abc' }, value: '1e-07', timestamp: NOW / 1_000 };
const OF_A = { seriesLabels: { __name__: 'up', job: 'a', 'my.label': 'x' }, exemplars: [EXEMPLAR] };
const OF_B = { seriesLabels: { __name__: 'up', job: 'b' }, exemplars: [EXEMPLAR] };
const SECONDS = { start: '1785751080.123', end: '1785751200' };

test.each([
  { name: 'any time', query: 'rate(up[5m] offset 1h)', times: {}, data: [OF_A, OF_B] },
  { name: 'seconds', query: 'up{job="b"} + on () vector(1)', times: SECONDS, data: [OF_B] },
  { name: 'two selectors', query: 'up{job="b"} / up', times: SECONDS, data: [OF_A, OF_B] },
  { name: 'another time', query: 'up', times: { start: '1785751201' }, data: [] },
  { name: 'no selector', query: '1 + time()', times: SECONDS, data: [] },
  // As Grafana asks when it looks for exemplars.
  { name: 'milliseconds', query: 'test', times: { start: '1785751080000', end: '1785751200000' }, data: [] },
])('query_exemplars: $name', async ({ query, times, data }) => {
  expect(await both('/api/v1/query_exemplars', { query, ...times })).toEqual({
    status: 200,
    body: { status: 'success', data },
  });
});

test('query_exemplars takes no end before the start', async () => {
  expect((await both('/api/v1/query_exemplars', { query: 'up', start: '2', end: '1' })).status).toBe(400);
});
