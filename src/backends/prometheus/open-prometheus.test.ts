import { afterEach, beforeEach, expect, test } from 'vitest';
import { labelsOf } from '../../model/labels.ts';
import { DEFAULT_TENANT, parseTenant } from '../../model/tenant.ts';
import { MINUTE } from '../../model/time.ts';
import { appendSeries } from '../../storage/append-series.ts';
import { type ScriptedEngine, startScriptedEngine } from '../../testing/scripted-engine.ts';
import { openPrometheus, type PrometheusOptions } from './open-prometheus.ts';

// What a real engine answers well is in test/real/prometheus-backend.test.ts; here is what it cannot be made to answer.
const NOW = 1_800_000_000_000;
let engine: ScriptedEngine;
let pauses: number[];
let now: number;
let told: string[];

beforeEach(async () => {
  engine = await startScriptedEngine();
  pauses = [];
  now = NOW;
  told = [];
});
afterEach(async () => {
  await engine[Symbol.asyncDispose]();
});

function open(options: Partial<PrometheusOptions> = {}) {
  return openPrometheus({
    write: `${engine.url}/api/v1/write`,
    query: engine.url,
    tenantBy: { kind: 'none' },
    tenants: [DEFAULT_TENANT],
    timeoutMs: 20_000,
    credentials: async () => ({ authorization: 'Bearer secret' }),
    clock: { now: () => now, sleep: async (ms) => void pauses.push(ms) },
    onCall: (kind, outcome) => void told.push(`${kind} ${outcome}`),
    onRetry: (kind, reason) => void told.push(`${kind} again: ${reason}`),
    onRefused: (samples) => void told.push(`refused ${samples}`),
    ...options,
  });
}

const some = (count = 1) => ({
  labels: labelsOf({ __name__: 'demand', app: 'web' }),
  times: Float64Array.from({ length: count }, (_, i) => NOW + i * MINUTE),
  values: new Float64Array(count).fill(1),
});
const busy = (retryAfter?: string) => ({
  status: 429,
  body: 'slow down',
  ...(retryAfter !== undefined && { headers: { 'retry-after': retryAfter } }),
});

test('a write is tried again after what Retry-After asks for, and then it is done', async () => {
  engine.answer(busy('3'), { status: 503, body: 'starting' });
  const outcome = await appendSeries(open().tenant(DEFAULT_TENANT), [some(5)]);
  expect(outcome).toMatchObject({ stored: 5, dropped: {} });
  expect(engine.received.map(({ samples }) => samples)).toEqual([5, 5, 5]);
  expect(engine.received[2]!.headers).toMatchObject({
    authorization: 'Bearer secret',
    'x-prometheus-remote-write-version': '0.1.0',
  });
  expect(pauses[0]).toBe(3000);
  expect(pauses[1]).toBeGreaterThanOrEqual(250);
  expect(pauses[1]).toBeLessThan(750);
  expect(told).toEqual(['write again: 429', 'write again: 503', 'write 204']);
});

test('what cannot be tried again in time is not promised, and the pause that was asked for is passed on', async () => {
  engine.answer(busy('30'));
  await expect(appendSeries(open().tenant(DEFAULT_TENANT), [some()])).rejects.toMatchObject({
    code: 'engine_unavailable',
    retryAfterMs: 30_000,
    message: `cannot write to the engine at ${engine.url}/api/v1/write: it answered 429 (slow down)`,
  });
  expect([engine.received.length, pauses]).toEqual([1, []]);
});

test('after four attempts it is given up, and a later commit sends nothing of it', async () => {
  engine.answer(...Array.from({ length: 4 }, () => ({ status: 500 })));
  const storage = open();
  const writer = storage.tenant(DEFAULT_TENANT);
  await expect(appendSeries(writer, [some()])).rejects.toMatchObject({ code: 'engine_unavailable' });
  expect(storage.problems()).toEqual([`cannot write to the engine at ${engine.url}/api/v1/write: it answered 500`]);
  await writer.commit();
  expect(engine.received.length).toBe(4);
  now += 1000;
  await appendSeries(writer, [some()]);
  expect(storage.problems()).toEqual([]);
});

test('after a failure others fail at once for a second, or for as long as the engine asks; questions are not writes', async () => {
  const tenant = open().tenant(DEFAULT_TENANT);
  engine.answer(busy('30'));
  await expect(appendSeries(tenant, [some()])).rejects.toMatchObject({ retryAfterMs: 30_000 });
  now += 29_000;
  await expect(appendSeries(tenant, [some()])).rejects.toMatchObject({ retryAfterMs: 1000 });
  await tenant.instant('up', NOW);
  expect(engine.received.length).toBe(2);
  now += 1000;
  await appendSeries(tenant, [some()]);
  expect(engine.received.length).toBe(3);
});

test('no more than 16 questions are under way at once, and all are answered', async () => {
  const tenant = open().tenant(DEFAULT_TENANT);
  const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => tenant.instant(`up${i}`, NOW)));
  expect(answers.length).toBe(50);
  expect(engine.mostAtOnce()).toBeLessThanOrEqual(16);
});

test.each([
  { name: 'not now or later', status: 400, body: 'out of order sample', code: 'engine_refused', says: 'out of order' },
  { name: 'no such token', status: 401, body: 'who?', code: 'engine_answer', says: 'check storage.bearerTokenFile' },
  { name: 'no such path', status: 404, body: '', code: 'engine_answer', says: 'storage.write.url is to be the whole' },
  {
    name: 'elsewhere',
    status: 302,
    body: '',
    code: 'engine_answer',
    says: 'such as http://victoria-metrics:8428/api/v1',
  },
])('a write that is refused ($name) is not tried again', async ({ status, body, code, says }) => {
  engine.answer({ status, body });
  await expect(appendSeries(open().tenant(DEFAULT_TENANT), [some()])).rejects.toMatchObject({
    code,
    message: expect.stringContaining(says),
  });
  expect(engine.received.length).toBe(1);
});

test('a past that the engine does not take is counted, request by request', async () => {
  engine.answer({ status: 204 }, { status: 400, body: 'out of order sample' });
  const outcome = await open()
    .tenant(DEFAULT_TENANT)
    .backfill([some(25_000), some(5000)]);
  expect(outcome).toEqual({ appended: 20_000, duplicates: 0, conflicts: 0, outOfBounds: 10_000 });
  expect(engine.received.map(({ samples }) => samples)).toEqual([20_000, 10_000]);
  expect(told).toContain('refused 10000');
});

test.each([
  { name: 'by a header', tenantBy: { kind: 'header', name: 'X-Scope-OrgID' }, path: '/p/api/v1/query', header: 'acme' },
  { name: 'by the path', tenantBy: { kind: 'path' }, path: '/select/acme/p/api/v1/query', header: undefined },
] as const)('a tenant is told $name', async ({ tenantBy, path, header }) => {
  const query = tenantBy.kind === 'path' ? `${engine.url}/select/{tenant}/p/` : `${engine.url}/p`;
  await open({ tenantBy, query }).tenant(parseTenant('acme')).instant('up', NOW);
  const [{ path: asked, headers, form }] = engine.received as [(typeof engine.received)[number]];
  expect([asked, headers['x-scope-orgid']]).toEqual([path, header]);
  expect(Object.fromEntries(form)).toEqual({ query: 'up', time: '1800000000', nocache: '1', latency_offset: '1ms' });
});

const answered = (body: object, status = 200) => ({ status, body: JSON.stringify(body) });

test.each([
  {
    name: 'a page of something else',
    answer: { status: 200, body: '<html>login</html>' },
    error: { code: 'engine_answer', message: expect.stringContaining("expected the JSON of Prometheus's HTTP API") },
  },
  {
    name: 'a form that is not known',
    answer: answered({ status: 'success', data: { resultType: 'table', result: [] } }),
    error: { code: 'engine_answer', message: expect.stringContaining('got "table"') },
  },
  {
    name: 'an error of its own',
    answer: answered({ status: 'error', errorType: 'execution', error: 'many-to-many matching' }, 422),
    error: { code: 'execution', message: 'many-to-many matching' },
  },
  {
    name: "Prometheus's limit on samples",
    answer: answered(
      { status: 'error', error: 'query processing would load too many samples into memory in query execution' },
      422,
    ),
    error: { code: 'too_many_samples' },
  },
  {
    name: "VictoriaMetrics's limit on samples",
    answer: answered(
      { status: 'error', error: 'cannot select more than -search.maxSamplesPerQuery=1000 samples' },
      422,
    ),
    error: { code: 'too_many_samples' },
  },
])('a question that is answered with $name', async ({ answer, error }) => {
  engine.answer(answer);
  await expect(open().tenant(DEFAULT_TENANT).instant('up', NOW)).rejects.toMatchObject(error);
});

test('a question ends with its signal', async () => {
  const stopped = AbortSignal.abort(new Error('enough'));
  await expect(open().tenant(DEFAULT_TENANT).instant('up', NOW, { signal: stopped })).rejects.toThrow('enough');
});
