import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeOtlp } from '../src/testing/encode-otlp.ts';
import { type RunningProgram, startProgram } from './program.ts';

/* What holds for every way in beside remote write: tenants named by a label, and their limits, by the real program. */

const SETTINGS = `
kubernetes: off
tenancy: {mode: on, from: {label: team, keep: false}}
tenantLimits:
  tenants:
    slow: {ingestion_rate: 1, ingestion_burst_size: 20}
    rare: {request_rate: 0.01, request_burst_size: 1}
    small: {max_recv_msg_size: 2000}
    few: {max_global_series_per_user: 8}
scrape: {file: prometheus.yml, tenant: infra}
`;

/** A scrape that is late on a busy machine is an error of its target until the next one. */
const SOON = { timeout: 240_000, interval: 100 };

let folder: string;
let program: RunningProgram;
const exporter = createServer((_, response) => {
  response.setHeader('content-type', 'text/plain; version=0.0.4');
  response.end(Array.from({ length: 30 }, (_none, i) => `exposed{i="${i}"} ${i}\n`).join(''));
}).listen(0, '127.0.0.1');

beforeAll(async () => {
  if (!existsSync('dist/main.js')) throw new Error('there is no dist/main.js: run npm run build');
  await new Promise((resolve) => (exporter.listening ? resolve(undefined) : exporter.once('listening', resolve)));
  const { port } = exporter.address() as AddressInfo;
  const teams = ['acme', 'few', 'slow', 'not a tenant'].map((team) => {
    return { targets: [`127.0.0.1:${port}`], labels: { team, instance: team } };
  });
  folder = await mkdtemp(join(tmpdir(), 'foresail-ways-'));
  await writeFile(join(folder, 'foresail.yaml'), SETTINGS);
  const jobs = [{ job_name: 'teams', scrape_interval: '1s', scrape_timeout: '1s', static_configs: teams }];
  await writeFile(join(folder, 'prometheus.yml'), JSON.stringify({ scrape_configs: jobs }));
  program = await startProgram(['--config', join(folder, 'foresail.yaml')]);
});
afterAll(async () => {
  await program?.[Symbol.asyncDispose]();
  exporter.closeAllConnections();
  exporter.close();
  await rm(folder, { recursive: true, force: true });
});

async function post(path: string, tenant: string, body: string | Uint8Array, type = 'application/x-protobuf') {
  const sent = typeof body === 'string' ? body : new Uint8Array(body);
  const headers = { 'x-scope-orgid': tenant, 'content-type': type };
  const answer = await fetch(`${program.url}${path}`, { method: 'POST', body: sent, headers });
  return { status: answer.status, text: await answer.text(), after: Number(answer.headers.get('retry-after')) };
}

async function namesOf(tenant: string, label = '__name__'): Promise<string[]> {
  const answer = await fetch(`${program.url}/api/v1/label/${label}/values`, { headers: { 'x-scope-orgid': tenant } });
  return ((await answer.json()) as { data: string[] }).data;
}

const attributes = (of: Record<string, string>) =>
  Object.entries(of).map(([key, stringValue]) => ({ key, value: { stringValue } }));

function otlp(teams: readonly (string | undefined)[], points = 1): Uint8Array {
  const timeUnixNano = `${Date.now()}000000`;
  const dataPoints = Array.from({ length: points }, (_, i) => {
    return { timeUnixNano, asInt: '1', attributes: attributes({ i: `${i}` }) };
  });
  return encodeOtlp({
    resourceMetrics: teams.map((team) => ({
      resource: { attributes: attributes({ 'service.name': 'shop', ...(team !== undefined && { team }) }) },
      scopeMetrics: [{ metrics: [{ name: 'sent_otlp', gauge: { dataPoints } }] }],
    })),
  });
}

const lines = (teams: readonly (string | undefined)[], points = 1) =>
  teams
    .flatMap((team) => {
      const tag = team === undefined ? '' : `,team=${team}`;
      return Array.from({ length: points }, (_, i) => `sent${tag},i=${i} influx=1`);
    })
    .join('\n');

const WAYS = [
  { name: 'OTLP', path: '/otlp/v1/metrics', bodyOf: otlp, metric: 'sent_otlp' },
  { name: 'line protocol', path: '/write', bodyOf: lines, metric: 'sent_influx' },
];

describe.each(WAYS)('$name', ({ path, bodyOf, metric }) => {
  test('goes to the tenants that it names, twice over', async () => {
    for (let i = 0; i < 2; i++) {
      expect((await post(path, 'infra', bodyOf(['acme', 'other', undefined]))).status).toBeLessThan(300);
    }
    for (const tenant of ['acme', 'other', 'infra']) {
      expect(await namesOf(tenant)).toContain(metric);
      expect(await namesOf(tenant, 'team')).toEqual([]);
    }
  });

  test('of a name that no tenant can have is refused by itself', async () => {
    const { text } = await post(path, 'infra', bodyOf(['third', 'a/b']));
    expect(text).toContain('err-foresail-invalid-tenant-label');
    expect(await namesOf('third')).toContain(metric);
  });

  test('of a tenant over its rate is 429 with Retry-After, and the others are stored', async () => {
    const refused = await post(path, 'infra', bodyOf(['slow', 'fourth'], 25));
    expect(refused).toMatchObject({
      status: 429,
      text: expect.stringContaining('err-mimir-tenant-max-ingestion-rate'),
    });
    expect(refused.after).toBeGreaterThanOrEqual(1);
    expect(await namesOf('fourth')).toContain(metric);
    expect(await namesOf('slow')).not.toContain(metric);
  });

  test('in a body above the limit is 413', async () => {
    const refused = await post(path, 'small', bodyOf([undefined], 200));
    expect(refused).toMatchObject({ status: 413, text: expect.stringContaining('larger than 2000 bytes') });
    expect((await post(path, 'small', bodyOf([undefined]))).status).toBeLessThan(300);
  });
});

test.each(WAYS)('requests above the rate are 429 before $name is looked at', async ({ path, name }) => {
  // One request, whichever way it came.
  if (name === 'OTLP') expect((await post(path, 'rare', otlp([undefined]))).status).toBe(200);
  const refused = await post(path, 'rare', 'x');
  expect(refused).toMatchObject({ status: 429, text: expect.stringContaining('err-mimir-tenant-max-request-rate') });
  expect(refused.after).toBeGreaterThan(10);
});

describe('scraping', () => {
  async function targetsOf(tenant: string) {
    const answer = await fetch(`${program.url}/api/v1/targets`, { headers: { 'x-scope-orgid': tenant } });
    const { data } = (await answer.json()) as {
      data: { activeTargets: { health: string; lastError: string; labels: Record<string, string> }[] };
    };
    return data.activeTargets.map(({ health, lastError, labels }) => ({
      instance: labels['instance'],
      health,
      lastError,
    }));
  }

  test('stores a target as the tenant that its label names', async () => {
    await expect.poll(() => targetsOf('acme'), SOON).toEqual([{ instance: 'acme', health: 'up', lastError: '' }]);
    expect(await namesOf('acme')).toContain('exposed');
    expect(await namesOf('acme', 'team')).toEqual([]);
  });

  test('shows a tenant over its limits as an error of the target, and in a metric', async () => {
    const told = (id: string) => expect.stringContaining(id);
    await expect
      .poll(() => targetsOf('few'), SOON)
      .toEqual([{ instance: 'few', health: 'up', lastError: told('err-mimir-max-series-per-user') }]);
    expect((await namesOf('few', 'i')).length).toBeLessThanOrEqual(8);
    await expect
      .poll(() => targetsOf('slow'), SOON)
      .toEqual([{ instance: 'slow', health: 'down', lastError: told('err-mimir-tenant-max-ingestion-rate') }]);
    expect(await namesOf('slow')).not.toContain('exposed');
    await expect
      .poll(() => targetsOf('infra'), SOON)
      .toEqual([{ instance: 'not a tenant', health: 'down', lastError: told('err-foresail-invalid-tenant-label') }]);
    const metrics = async () => await (await fetch(`${program.url}/metrics`)).text();
    for (const outcome of ['series_limit', 'rate_limit', 'tenant']) {
      await expect.poll(metrics, SOON).toMatch(new RegExp(`foresail_scrapes_total\\{outcome="${outcome}"\\} [1-9]`));
    }
  });
});
