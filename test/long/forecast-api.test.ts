import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunningProgram, startProgram } from '../program.ts';

/** Forecasts, parts, seasons and previews of what the real program's store holds, and what strangers may send instead. */

const STEP = 600;
const DAYS = 10;
const END = Math.floor(Date.now() / 1000 / STEP) * STEP;
const times = Array.from({ length: (DAYS * 86_400) / STEP }, (_, i) => END - ((DAYS * 86_400) / STEP - 1 - i) * STEP);
const daily = (t: number) => 100 + 60 * Math.sin((2 * Math.PI * t) / 86_400) + 4 * Math.sin(t / 977);

let program: RunningProgram;
beforeAll(async () => {
  program = await startProgram();
  const line = (metric: object, values: readonly number[], at: readonly number[]) =>
    JSON.stringify({ metric, values, timestamps: at.map((t) => t * 1000) });
  const lines = [
    line({ __name__: 'rps', app: 'a' }, times.map(daily), times),
    line(
      { __name__: 'rps', app: 'b' },
      times.map((t) => 50 + daily(t) / 10),
      times,
    ),
    line({ __name__: 'rps', app: 'new' }, [1, 2], times.slice(-2)),
  ];
  const response = await fetch(`${program.url}/api/v1/import`, { method: 'POST', body: `${lines.join('\n')}\n` });
  expect(response.status).toBe(200);
});
afterAll(() => program?.[Symbol.asyncDispose]());

/** What the tests look at is checked where they look. */
// biome-ignore lint/suspicious/noExplicitAny: an answer is whatever the server says.
type Answer = any;

async function post(path: string, body: unknown, init: RequestInit = {}) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(`${program.url}${path}`, {
    method: 'POST',
    body: text,
    headers: { 'content-type': 'application/json' },
    ...init,
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Answer };
}

const PAST = { query: 'rps', step: '10m', history: `${DAYS}d`, end: END };

test('a forecast of every series of an expression, in the form of Prometheus', async () => {
  const asked = { ...PAST, horizon: '1h', quantiles: [0.9], levels: [0.95], timeZone: 'Europe/Berlin' };
  const { status, body } = await post('/api/v1/forecast', asked);
  expect(body).toMatchObject({ status: 'success', data: { resultType: 'forecast' } });
  expect(status).toBe(200);
  const [a, b, fresh] = body.data.result;
  expect([a, b, fresh].map(({ metric }) => metric.app)).toEqual(['a', 'b', 'new']);
  expect(fresh.noForecast).toMatchObject({ reason: 'insufficient-history', haveSeconds: expect.any(Number) });
  expect(a).toMatchObject({ issuedAt: END, stepSeconds: STEP, model: expect.any(String), seasons: [86_400] });
  expect(a.values).toHaveLength(6);
  expect(a.quantiles.map(({ quantile }: { quantile: number }) => quantile)).toEqual([0.025, 0.9, 0.975]);
  for (const [t, value] of a.values) {
    expect(t).toBeGreaterThan(END);
    expect(Math.abs(Number(value) - daily(t))).toBeLessThan(10);
  }
  expect(a.accuracy.maeVsLast).toBeLessThan(1);
});

test('declared events multiply, and excluded windows teach nothing', async () => {
  const asked = { ...PAST, query: 'rps{app="a"}', horizon: '1h' };
  const event = { name: 'sale', start: END + 1, end: END + 7200, demandFactor: 3 };
  const exclude = [{ start: END - 300_000, end: END - 290_000 }];
  const [plain, sale] = [
    await post('/api/v1/forecast', asked),
    await post('/api/v1/forecast', { ...asked, events: [event], exclude }),
  ];
  expect(sale.body).toMatchObject({ status: 'success' });
  const [usual, tripled] = [plain, sale].map(({ body }) =>
    body.data.result[0].values.map(([, value]: string[]) => Number(value)),
  );
  for (const [i, value] of usual.entries()) expect(tripled[i] / value / 3).toBeCloseTo(1, 1);
});

test('the same question gets the same answer, whatever came after its end', async () => {
  const asked = { ...PAST, query: 'sum(rps)', end: END - 3 * 86_400, history: '6d', horizon: '30m' };
  const [first, second] = [await post('/api/v1/forecast', asked), await post('/api/v1/forecast', asked)];
  expect(first.body.data.result).toHaveLength(1);
  expect(second.body).toEqual(first.body);
});

test('trend, seasons and remainder add up to the value', async () => {
  const { body } = await post('/api/v1/decompose', { ...PAST, query: 'rps{app="a"}', timeZone: 'Europe/Berlin' });
  const [parts] = body.data.result;
  expect(parts.seasons.map(({ seconds }: { seconds: number }) => seconds)).toEqual([86_400]);
  for (const i of [0, 500, parts.values.length - 1]) {
    const sum = [parts.trend, parts.seasons[0].values, parts.remainder].reduce(
      (all, line) => all + Number(line[i][1]),
      0,
    );
    expect(sum).toBeCloseTo(Number(parts.values[i][1]), 6);
  }
});

test('the seasons that were found, and what else was looked at', async () => {
  const { body } = await post('/api/v1/seasons', { ...PAST, query: 'rps{app="a"}', timeZone: 'Europe/Berlin' });
  const [{ seasons, candidates }] = body.data.result;
  expect(seasons).toContain(86_400);
  expect(candidates).toContainEqual(expect.objectContaining({ seconds: 604_800, verdict: expect.any(String) }));
});

const POLICY = `
apiVersion: foresail.dev/v1alpha1
kind: ScalingPolicy
metadata: {name: checkout, namespace: shop}
spec:
  target: {name: checkout}
  demand: {query: 'rps{app="a"}', step: 10m, history: ${DAYS}d, capacity: {perReplica: 10}}
  leadTime: 10m
  replicas: {min: 2, max: 60}
`;

test('a policy is previewed on history and not saved', async () => {
  const { status, body } = await post('/api/v1/policies/preview?judge=1d', POLICY, {
    headers: { 'content-type': 'application/yaml' },
  });
  expect(body).toMatchObject({ status: 'success' });
  expect(status).toBe(200);
  const { demands, whatIf, judgedSeconds } = body.data;
  expect(judgedSeconds).toBe(86_400);
  const [demand] = demands;
  expect(demand).toMatchObject({ demand: 'foresail_demand', leadSeconds: 600, model: expect.any(String) });
  expect(demand.accuracy.vsLast).toBeLessThan(1);
  expect(demand.accuracy.coverage95).toBeGreaterThan(0.8);
  for (const name of ['actual', 'point', 'lower', 'upper', 'planned'])
    expect(demand[name]).toHaveLength(demand.times.length);
  const names = whatIf.strategies.map(({ strategy }: { strategy: string }) => strategy);
  expect(names).toEqual(['reactive', 'yesterday', 'foresail', 'oracle']);
  const [reactive, , foresail] = whatIf.strategies;
  expect(foresail.overCapacity).toBeLessThanOrEqual(reactive.overCapacity);
  const saved = await fetch(`${program.url}/api/v1/policies`);
  expect(await saved.json()).toMatchObject({ data: [] });
});

test('foresail preview asks the server, prints tables and draws a page', async () => {
  const file = join(program.folder, 'policy.yaml');
  writeFileSync(file, POLICY);
  const main = join(import.meta.dirname, '..', '..', 'dist', 'main.js');
  const report = join(program.folder, 'preview.html');
  const words = ['preview', '-f', file, '--judge', '1d', '--url', program.url, '--report', report];
  const { stdout } = await promisify(execFile)(process.execPath, [main, ...words]);
  expect(stdout).toMatch(/^shop\/checkout: the last 1d again/);
  for (const row of [
    /^demand +ahead +forecasts +vs last/m,
    /^foresail_demand +600 s/m,
    /^reactive +\d/m,
    /^oracle +\d/m,
  ]) {
    expect(stdout).toMatch(row);
  }
  expect(readFileSync(report, 'utf8')).toMatch(/with Foresail[\s\S]*the autoscaler alone/);
});

describe('what cannot be answered says why', () => {
  const good = { ...PAST, horizon: '1h' };
  test.each([
    { name: 'an empty body', body: '', status: 400, code: 'unreadable_body' },
    { name: 'broken JSON', body: '{"query":', status: 400, code: 'unreadable_body' },
    { name: 'a deep body', body: `${'['.repeat(5000)}${']'.repeat(5000)}`, status: 400, code: 'unreadable_body' },
    { name: 'no object', body: '[1]', status: 400, code: 'bad_parameter' },
    { name: 'no query', body: { horizon: '1h' }, status: 400, code: 'bad_parameter' },
    { name: 'an unknown key', body: { ...good, horizons: 3 }, status: 400, code: 'bad_parameter' },
    { name: 'no PromQL', body: { ...good, query: 'sum(' }, status: 400, code: 'bad_parameter' },
    {
      name: 'a query that explodes',
      body: { ...good, query: `${'('.repeat(10_000)}1` },
      status: 400,
      code: 'bad_parameter',
    },
    { name: 'a step of zero', body: { ...good, step: 0 }, status: 400, code: 'bad_parameter' },
    { name: 'a negative horizon', body: { ...good, horizon: -1 }, status: 400, code: 'bad_parameter' },
    { name: 'a horizon of no number', body: { ...good, horizon: null }, status: 400, code: 'bad_parameter' },
    { name: 'a quantile of 1', body: { ...good, quantiles: [1] }, status: 400, code: 'bad_parameter' },
    {
      name: 'a thousand quantiles',
      body: { ...good, quantiles: Array(1000).fill(0.5) },
      status: 400,
      code: 'bad_parameter',
    },
    { name: 'a zone of Mars', body: { ...good, timeZone: 'Mars/Olympus' }, status: 400, code: 'bad_parameter' },
    { name: 'a region of Mars', body: { ...good, holidays: 'XX' }, status: 400, code: 'unknown_region' },
    { name: 'a region of nonsense', body: { ...good, holidays: '../x' }, status: 400, code: 'bad_parameter' },
    { name: 'no such calendar', body: { ...good, calendars: ['no.ics'] }, status: 400, code: 'bad_calendar_file' },
    { name: 'a file of the host', body: { ...good, calendars: ['/etc/x.ics'] }, status: 400, code: 'bad_parameter' },
    {
      name: 'an event without a factor',
      body: { ...good, events: [{ name: 'x', start: 0, end: 1 }] },
      status: 400,
      code: 'bad_parameter',
    },
    { name: 'a model misspelt', body: { ...good, models: ['rigde'] }, status: 400, code: 'unknown_model' },
    { name: 'a start of nonsense', body: { ...good, start: 'soon' }, status: 400, code: 'bad_parameter' },
    {
      name: 'a history of years of seconds',
      body: { ...good, step: '1s', history: '5y' },
      status: 422,
      code: 'forecast_too_large',
    },
    {
      name: 'a horizon of years of seconds',
      body: { ...good, step: '1s', history: '1h', horizon: '5y' },
      status: 422,
      code: 'forecast_too_large',
    },
  ])('$name: $status $code', async ({ body, status, code }) => {
    const answer = await post('/api/v1/forecast', body);
    expect(answer.body).toMatchObject({ status: 'error', code, error: expect.any(String) });
    expect(answer.status).toBe(status);
  });

  test.each([
    {
      name: 'a parameter in the address',
      path: '/api/v1/forecast?query=up',
      body: good,
      status: 400,
      code: 'bad_parameter',
    },
    { name: 'another method', path: '/api/v1/forecast', body: undefined, status: 405, code: 'method_not_allowed' },
    {
      name: 'a preview of no policy',
      path: '/api/v1/policies/preview',
      body: { kind: 'Poem' },
      status: 400,
      code: 'invalid_document',
    },
    {
      name: 'a preview judged for a second',
      path: '/api/v1/policies/preview?judge=1s',
      body: POLICY,
      status: 400,
      code: 'bad_parameter',
    },
  ])('$name: $status $code', async ({ path, body, status, code }) => {
    const answer = await post(path, body ?? '', body === undefined ? { method: 'GET', body: null } : {});
    expect(answer.body).toMatchObject({ status: 'error', code });
    expect(answer.status).toBe(status);
  });

  test('a query of nothing is answered with nothing', async () => {
    const { body } = await post('/api/v1/forecast', { ...good, query: 'absent_metric' });
    expect(body).toEqual({ status: 'success', data: { resultType: 'forecast', result: [] } });
  });

  test('a third request of a tenant at once is told to wait', async () => {
    const all = await Promise.all(Array.from({ length: 6 }, () => post('/api/v1/forecast', good)));
    const refused = all.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]!.body).toMatchObject({ code: 'too_many_forecasts' });
    expect(refused[0]!.headers.get('retry-after')).toBe('5');
  });

  test('clients that go away free their places', async () => {
    const leave = new AbortController();
    const init = { headers: { 'content-type': 'application/yaml' }, signal: leave.signal };
    // Whoever is answered, or told to wait, asks again: both are asking until they leave, however fast the machine is.
    const preview = async (): Promise<'left'> => {
      while (!leave.signal.aborted) await post('/api/v1/policies/preview', POLICY, init).catch(() => {});
      return 'left';
    };
    const left = [preview(), preview()];
    const status = async () => (await post('/api/v1/seasons', { ...PAST, limit: 1 })).status;
    await expect.poll(status, { timeout: 240_000, interval: 20 }).toBe(429);
    leave.abort();
    expect(await Promise.all(left)).toEqual(['left', 'left']);
    await expect.poll(status, { timeout: 240_000 }).toBe(200);
  });
});
