import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeWriteRequest } from '../src/wire/encode-write-request.ts';
import { encodeSnappy } from '../src/wire/snappy.ts';
import { type RunningProgram, startProgram } from './program.ts';

/** Limits of tenants, by the real program. */

const SETTINGS = `
tenancy: {mode: on}
tenantLimits:
  tenants:
    slow: {tier: starter, ingestion_rate: 0.1, ingestion_burst_size: 20}
    rare: {request_rate: 0.01, request_burst_size: 2}
    few: {max_global_series_per_user: 3, max_global_series_per_metric: 2}
    short: {max_label_names_per_series: 2, max_label_value_length: 5, out_of_order_time_window: 0s}
    small: {max_recv_msg_size: 2000}
`;

let folder: string;
let program: RunningProgram;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'foresail-limits-'));
  writeFileSync(join(folder, 'foresail.yaml'), SETTINGS);
  program = await startProgram(['--config', join(folder, 'foresail.yaml')]);
});
afterAll(async () => {
  await program?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

type Series = Record<string, string>;

function bodyOf(series: readonly Series[], times: readonly number[] = [Date.now()]): Uint8Array<ArrayBuffer> {
  const sent = series.map((labels) => {
    return { labels: Object.entries(labels).sort(), times, values: new Float64Array(times.length) };
  });
  return new Uint8Array(encodeSnappy(encodeWriteRequest(sent)));
}

async function write(tenant: string, body: Uint8Array<ArrayBuffer>) {
  const headers = { 'x-scope-orgid': tenant, 'content-type': 'application/x-protobuf', 'content-encoding': 'snappy' };
  const answer = await fetch(`${program.url}/api/v1/push`, { method: 'POST', body, headers });
  return { status: answer.status, text: await answer.text(), retryAfter: answer.headers.get('retry-after') };
}

async function namesOf(tenant: string, label = '__name__'): Promise<string[]> {
  const answer = await fetch(`${program.url}/api/v1/label/${label}/values`, { headers: { 'x-scope-orgid': tenant } });
  return ((await answer.json()) as { data: string[] }).data;
}

const many = (count: number, labels: Series = {}) =>
  Array.from({ length: count }, (_, i) => ({ __name__: 'm', ...labels, i: `${i}` }));

describe('a tenant over its limits', () => {
  test('of samples a second: 429 with Retry-After, nothing is stored, and others go on', async () => {
    expect(await write('slow', bodyOf(many(15)))).toMatchObject({ status: 204 });
    const refused = await write('slow', bodyOf([{ __name__: 'late' }, ...many(9)]));
    expect(refused).toMatchObject({
      status: 429,
      text: expect.stringMatching(
        /set to 0\.1 items\/s with a maximum allowed burst of 20\..*err-mimir-tenant-max-ingestion-rate/,
      ),
    });
    // Five samples are missing, which take 50 s; how long the machine took to ask is not known.
    expect(Number(refused.retryAfter)).toBeGreaterThan(20);
    expect(Number(refused.retryAfter)).toBeLessThanOrEqual(50);
    expect(await namesOf('slow')).toEqual(['m']);
    expect(await write('other', bodyOf(many(100)))).toMatchObject({ status: 204 });
  });

  test('of requests a second: 429 before the body is looked at', async () => {
    expect((await write('rare', bodyOf(many(1)))).status).toBe(204);
    expect((await write('rare', bodyOf(many(1)))).status).toBe(204);
    const refused = await write('rare', new Uint8Array(10));
    expect(refused).toMatchObject({ status: 429, text: expect.stringContaining('err-mimir-tenant-max-request-rate') });
    expect(Number(refused.retryAfter)).toBeGreaterThan(10);
  });

  test('of series: 400 for those, the others are kept', async () => {
    const sent = [...many(3), { __name__: 'o' }, { __name__: 'p' }];
    const refused = await write('few', bodyOf(sent));
    expect(refused).toMatchObject({ status: 400, text: expect.stringContaining('2 samples were not stored, 3 were') });
    expect(refused.text).toContain('err-mimir-max-series-per-metric');
    expect(refused.text).toContain('err-mimir-max-series-per-user');
    expect(await namesOf('few')).toEqual(['m', 'o']);
    expect((await write('few', bodyOf(many(2)))).status).toBe(204);
  });

  test('of labels, and of lateness: 400 for those samples', async () => {
    const sent = [{ __name__: 'm' }, { __name__: 'm', a: '1', b: '2' }, { __name__: 'm', a: '123456' }];
    const refused = await write('short', bodyOf(sent));
    expect(refused).toMatchObject({ status: 400, text: expect.stringContaining('2 samples were not stored, 1 were') });
    expect(refused.text).toContain('err-mimir-max-label-names-per-series');
    expect(refused.text).toContain('err-mimir-label-value-too-long');
    const late = await write('short', bodyOf([{ __name__: 'm' }], [Date.now() - 10_000]));
    expect(late).toMatchObject({ status: 400, text: expect.stringContaining('err-mimir-sample-out-of-order') });
    expect((await write('other', bodyOf([{ __name__: 'm', i: '0' }], [Date.now() - 10_000]))).status).toBe(204);
  });

  test('of bytes, packed or unpacked: 413', async () => {
    expect((await write('small', new Uint8Array(3_000))).status).toBe(413);
    const blown = await write('small', bodyOf(many(20, { pad: 'x'.repeat(200) })));
    expect(blown).toMatchObject({ status: 413, text: expect.stringContaining('larger than 2000 bytes') });
    expect((await write('small', bodyOf(many(1)))).status).toBe(204);
  });
});

test('a tenant whose bodies never end holds up no other', async () => {
  const { hostname, port } = new URL(program.url);
  const head = (tenant: string) =>
    `POST /api/v1/push HTTP/1.1\r\nHost: x\r\nX-Scope-OrgID: ${tenant}\r\nContent-Length: 30000000\r\n\r\n`;
  const sockets = Array.from({ length: 100 }, () => connect(Number(port), hostname));
  try {
    await Promise.all(
      sockets.map(
        (socket) => new Promise<void>((resolve) => socket.write(head('stuck') + 'x'.repeat(1_000), () => resolve())),
      ),
    );
    expect((await write('free', bodyOf(many(10)))).status).toBe(204);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
});

test('/metrics tells what each tenant sent and what was refused', async () => {
  await write('counted', bodyOf(many(7)));
  const text = await (await fetch(`${program.url}/metrics`)).text();
  const metricOf = (name: string) =>
    Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${name} `))
        ?.split(' ')
        .at(-1),
    );
  expect(metricOf('foresail_tenant_received_samples_total{tenant="counted"}')).toBe(7);
  expect(metricOf('foresail_tenant_received_bytes_total{tenant="counted"}')).toBeGreaterThan(50);
  const refused = (tenant: string, reason: string) =>
    metricOf(`foresail_tenant_refused_requests_total{tenant="${tenant}",reason="${reason}"}`);
  expect([refused('slow', 'rate_limited'), refused('rare', 'request_rate_limited')]).toEqual([1, 1]);
  const dropped = `foresail_dropped_samples_total{reason="err-mimir-max-series-per-user",tenant="few"}`;
  expect(metricOf(dropped)).toBe(1);
});
