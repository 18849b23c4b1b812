import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { waitFor } from '../../src/testing/control-plane.ts';
import { encodeWriteRequest } from '../../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../../src/wire/snappy.ts';
import { type ServeProcess, startServe } from '../serve-process.ts';

const RULES = `groups:
  - name: shop
    interval: 1s
    rules:
      - {record: 'job:load:sum', expr: 'sum by (job) (load)'}
      - alert: LoadHigh
        expr: job:load:sum > 10
        for: 2s
        labels: {severity: warning}
        annotations: {summary: 'load of {{ $labels.job }} is {{ $value }}', runbook_url: 'https://runbooks.example/load'}
`;

interface Alert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: string;
  readonly activeAt: string;
  readonly value: string;
}

let folder: string;
let served: ServeProcess;

const start = async () =>
  await startServe(join(folder, 'data'), [], undefined, ['--config', join(folder, 'foresail.yaml')]);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'foresail-rules-'));
  writeFileSync(join(folder, 'rules.yaml'), RULES);
  writeFileSync(
    join(folder, 'foresail.yaml'),
    'rules: {files: [rules*.yaml], slos: [slos.yaml], forGracePeriod: 1s, evaluationInterval: 1s}\nexternalLabels: {cluster: eu}\nkubernetes: "off"\n',
  );
  writeFileSync(
    join(folder, 'slos.yaml'),
    'slos: [{name: answers, objective: 99, sli: {errors: sum(failed), total: sum(asked)}, labels: {team: shop}}]\n',
  );
  served = await start();
});

afterAll(async () => {
  await served[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function get<T>(path: string): Promise<T> {
  const response = await fetch(`${served.url}${path}`);
  expect(response.status).toBe(200);
  return ((await response.json()) as { data: T }).data;
}

const alerts = async () => (await get<{ alerts: Alert[] }>('/api/v1/alerts')).alerts;

async function send(value: number, name = 'load', { url, headers = {} }: Sending = served): Promise<void> {
  const labels = [
    ['__name__', name],
    ['job', 'shop'],
  ] as const;
  const body = encodeSnappy(encodeWriteRequest([{ labels, times: [Date.now()], values: Float64Array.of(value) }]));
  const response = await fetch(`${url}/api/v1/write`, {
    method: 'POST',
    headers: { 'content-encoding': 'snappy', 'content-type': 'application/x-protobuf', ...headers },
    body: body as Uint8Array<ArrayBuffer>,
  });
  expect(response.status).toBeLessThan(300);
}

interface Sending {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
}

async function seen(state: string): Promise<Alert> {
  let found: Alert | undefined;
  await waitFor(`an alert that is ${state}`, async () => {
    found = (await alerts()).find((alert) => alert.state === state);
    return found !== undefined;
  });
  return found!;
}

test('an alert goes from pending to firing, is the same one after kill -9, and ends', async () => {
  await send(25);
  const pending = await seen('pending');
  expect(pending).toMatchObject({
    labels: { alertname: 'LoadHigh', job: 'shop', severity: 'warning' },
    annotations: { summary: 'load of shop is 25', runbook_url: 'https://runbooks.example/load' },
    value: '2.5e+01',
  });
  const firing = await seen('firing');
  expect(firing.activeAt).toBe(pending.activeAt);
  const [group] = (await get<{ groups: { rules: object[] }[] }>('/api/v1/rules?rule_group[]=shop')).groups;
  expect(group).toMatchObject({ name: 'shop', interval: 1, limit: 0 });
  expect(group!.rules).toMatchObject([
    { name: 'job:load:sum', query: 'sum by (job) (load)', health: 'ok', type: 'recording' },
    { name: 'LoadHigh', duration: 2, keepFiringFor: 0, state: 'firing', health: 'ok', type: 'alerting' },
  ]);
  // Its state is stored once the alert was evaluated as firing.
  await waitFor('ALERTS', async () => (await latest('ALERTS{alertstate="firing"}')) === '1');

  await served.kill();
  served = await start();
  await waitFor('the alert with its time', async () => {
    const [alert] = await alerts();
    return alert?.state === 'firing' && sameSecond(alert.activeAt, firing.activeAt);
  });

  await send(5);
  await waitFor('the end of the alert', async () => (await alerts()).length === 0);
  await waitFor('the end of its series', async () => (await latest('ALERTS')) === undefined);
  expect(await latest('job:load:sum')).toBe('5');
});

/** What is stored of it has whole seconds. */
function sameSecond(a: string, b: string): boolean {
  return Math.floor(Date.parse(a) / 1000) === Math.floor(Date.parse(b) / 1000);
}

async function latest(query: string): Promise<string | undefined> {
  const { result } = await get<{ result: { value: [number, string] }[] }>(
    `/api/v1/query?query=${encodeURIComponent(query)}`,
  );
  return result[0]?.value[1];
}

test('a file that breaks is told, its last right rules stay; one that is mended or removed counts', async () => {
  const file = join(folder, 'rules.yaml');
  const problems = async () => (await get<{ problems: string[] }>('/api/v1/status')).problems;
  writeFileSync(file, RULES.replace('sum by (job) (load)', 'sum by (job) (load'));
  await waitFor('the problem', async () => (await problems()).some((line) => line.includes('rules.yaml:5:')));
  expect((await get<{ groups: object[] }>('/api/v1/rules?rule_group[]=shop')).groups).toHaveLength(1);
  const metrics = await (await fetch(`${served.url}/metrics`)).text();
  expect(metrics).toContain('foresail_rule_file_problems 1');

  await waitFor('the same right rules', async () => (await latest('job:load:sum')) === '5');
  writeFileSync(file, RULES.replace('job:load:sum', 'job:load:total').replace('job:load:sum', 'job:load:total'));
  await waitFor('the other name', async () => (await latest('job:load:total')) === '5');
  await waitFor('the end of the first', async () => (await latest('job:load:sum')) === undefined);
  expect(await problems()).toEqual([]);

  rmSync(file);
  await waitFor(
    'no group',
    async () => (await get<{ groups: object[] }>('/api/v1/rules?rule_group[]=shop')).groups.length === 0,
  );
  await waitFor('the end of the series', async () => (await latest('job:load:total')) === undefined);
});

test('an objective: its budget, when it ends, its alert, and the command that shows them', async () => {
  await send(30, 'failed');
  await send(100, 'asked');
  interface Slo {
    readonly name: string;
    readonly state: string;
    readonly series: readonly { readonly budgetRemaining: number; readonly budgetEnds: Record<string, string> }[];
  }
  let slo: Slo | undefined;
  await waitFor('an objective that is missed', async () => {
    [slo] = await get<Slo[]>('/api/v1/slos');
    return slo?.state === 'firing';
  });
  expect(slo).toMatchObject({
    ...{ name: 'answers', objective: 99, window: '30d', labels: { team: 'shop', slo: 'answers' } },
    series: [{ labels: { slo: 'answers', team: 'shop' }, errorRatio: 0.3, burnRate: { '1h': expect.closeTo(30, 6) } }],
  });
  expect(slo!.series[0]!.budgetRemaining).toBeCloseTo(-29, 6);
  expect((await alerts()).map(({ labels }) => labels['alertname']).sort()).toEqual([
    'SloErrorBudgetBurnsFast',
    'SloErrorBudgetBurnsSlowly',
  ]);
  const main = join(import.meta.dirname, '..', '..', 'dist', 'main.js');
  const { stdout } = await promisify(execFile)(process.execPath, [main, 'slos', '--url', served.url]);
  expect(stdout).toMatch(/answers +99% of 30d +firing +-2900\.0% +30\.00x +30\.00x +ended/);
});

test('a tenant has its own rules, and sees no others', async () => {
  const own = mkdtempSync(join(tmpdir(), 'foresail-rules-tenants-'));
  writeFileSync(join(own, 'rules.yaml'), RULES);
  writeFileSync(join(own, 'broken.yaml'), 'groups: [{}]');
  writeFileSync(
    join(own, 'foresail.yaml'),
    'rules: {files: [{tenant: a, files: [rules.yaml]}, {tenant: b, files: [broken.yaml]}]}\ntenancy: {mode: "on"}\nkubernetes: "off"\n',
  );
  const server = await startServe(join(own, 'data'), [], undefined, ['--config', join(own, 'foresail.yaml')]);
  try {
    const of = async <T>(tenant: string, path: string): Promise<T> => {
      const response = await fetch(`${server.url}${path}`, { headers: { 'x-scope-orgid': tenant } });
      return ((await response.json()) as { data: T }).data;
    };
    for (const tenant of ['a', 'b']) await send(25, 'load', { url: server.url, headers: { 'x-scope-orgid': tenant } });
    await waitFor(
      'an alert of a',
      async () => (await of<{ alerts: Alert[] }>('a', '/api/v1/alerts')).alerts.length > 0,
    );
    expect(await of('b', '/api/v1/alerts')).toEqual({ alerts: [] });
    expect(await of('b', '/api/v1/rules')).toEqual({ groups: [] });
    expect(await of('b', '/api/v1/query?query=job:load:sum')).toMatchObject({ result: [] });
    expect((await of<{ problems: string[] }>('a', '/api/v1/status')).problems).toEqual([]);
    expect((await of<{ problems: string[] }>('b', '/api/v1/status')).problems).toHaveLength(1);
  } finally {
    await server[Symbol.asyncDispose]();
    rmSync(own, { recursive: true, force: true });
  }
});
