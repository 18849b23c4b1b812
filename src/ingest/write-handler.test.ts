import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatLabels, type Label } from '../model/labels.ts';
import { decodeSamples } from '../model/series.ts';
import { DEFAULT_TENANT, parseTenant } from '../model/tenant.ts';
import { MINUTE } from '../model/time.ts';
import { openTsdb, type Tsdb } from '../tsdb/open-tsdb.ts';
import { encodeWriteRequest, type OutgoingSeries } from '../wire/encode-write-request.ts';
import { encodeSnappy } from '../wire/snappy.ts';
import { writeHandler } from './write-handler.ts';

const NOW = Date.parse('2026-08-03T10:00:00Z');

let folder: string;
let tsdb: Tsdb;
let url: string;
const dropped = new Map<string, number>();
const server = createServer();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foresail-ingest-'));
  tsdb = await openTsdb({
    dir: folder,
    clock: { now: () => NOW },
    limits: { maxSeriesPerTenant: 50 },
  });
  server.on(
    'request',
    writeHandler({
      storage: tsdb.storage,
      seenLabels: tsdb.seenLabels,
      callerOf: ({ headers }) => ({ tenant: parseTenant(String(headers['x-scope-orgid'] ?? 'default')) }),
      onRequest: (_tenant, summary) => {
        for (const [reason, count] of summary.dropped) dropped.set(reason, (dropped.get(reason) ?? 0) + count);
      },
      limits: { maxCompressedBytes: 1 << 20, maxDecodedBytes: 1 << 20 },
    }),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/write`;
});

afterAll(async () => {
  server.close();
  server.closeAllConnections();
  await tsdb[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function send(body: Uint8Array, headers: Record<string, string> = {}, method = 'POST') {
  const init = method === 'POST' ? { body: new Uint8Array(body) } : {};
  const response = await fetch(url, {
    method,
    headers: { 'content-type': 'application/x-protobuf', 'content-encoding': 'snappy', ...headers },
    ...init,
  });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

function sendSeries(series: readonly OutgoingSeries[], headers: Record<string, string> = {}) {
  return send(encodeSnappy(encodeWriteRequest(series)), headers);
}

function one(labels: readonly Label[], samples: readonly (readonly [number, number])[]): OutgoingSeries {
  return {
    labels,
    times: samples.map(([time]) => NOW + time),
    values: Float64Array.from(samples, ([, value]) => value),
  };
}

async function stored(name: string, tenant = DEFAULT_TENANT): Promise<Record<string, [number, number][]>> {
  const range = { start: 0, end: NOW + 10 * MINUTE };
  const matchers = [{ name: '__name__', op: '=', value: name }] as const;
  const all: Record<string, [number, number][]> = {};
  for (const { labels, chunks } of await tsdb.storage.tenant(tenant).select(matchers, range)) {
    const { times, values } = decodeSamples(chunks, range);
    all[formatLabels(labels)] = [...times].map((time, i) => [time - NOW, values[i]!]);
  }
  return all;
}

describe('writeHandler() keeps', () => {
  test('samples, and answers 204 with no body', async () => {
    const answer = await sendSeries([
      one(
        [
          ['__name__', 'plain'],
          ['a', 'b'],
        ],
        [
          [-2, 1],
          [-1, 2],
        ],
      ),
    ]);
    expect([answer.status, answer.text]).toEqual([204, '']);
    expect(await stored('plain')).toEqual({
      'plain{a="b"}': [
        [-2, 1],
        [-1, 2],
      ],
    });
  });

  test('a retry as a success', async () => {
    const series = [
      one(
        [['__name__', 'again']],
        [
          [-2, 1],
          [-1, 2],
        ],
      ),
    ];
    expect((await sendSeries(series)).status).toBe(204);
    expect((await sendSeries(series)).status).toBe(204);
    expect(await stored('again')).toEqual({
      again: [
        [-2, 1],
        [-1, 2],
      ],
    });
  });

  test('unsorted labels and empty values as the same series', async () => {
    await sendSeries([
      one(
        [
          ['__name__', 'alias'],
          ['a', '1'],
          ['b', '2'],
        ],
        [[-3, 1]],
      ),
    ]);
    await sendSeries([
      one(
        [
          ['b', '2'],
          ['c', ''],
          ['a', '1'],
          ['__name__', 'alias'],
        ],
        [[-2, 2]],
      ),
    ]);
    await sendSeries([
      one(
        [
          ['b', '2'],
          ['c', ''],
          ['a', '1'],
          ['__name__', 'alias'],
        ],
        [[-1, 3]],
      ),
    ]);
    expect(await stored('alias')).toEqual({
      'alias{a="1", b="2"}': [
        [-3, 1],
        [-2, 2],
        [-1, 3],
      ],
    });
  });

  test('tenants apart', async () => {
    await sendSeries([one([['__name__', 'shared']], [[-1, 1]])], { 'x-scope-orgid': 'a' });
    await sendSeries([one([['__name__', 'shared']], [[-1, 2]])], { 'x-scope-orgid': 'b' });
    expect(await stored('shared', parseTenant('a'))).toEqual({ shared: [[-1, 1]] });
    expect(await stored('shared', parseTenant('b'))).toEqual({ shared: [[-1, 2]] });
    expect(await stored('shared')).toEqual({});
  });

  test('metadata', async () => {
    const entry = { metric: 'plain', type: 'gauge', help: 'Plain.', unit: '' };
    expect((await send(encodeSnappy(encodeWriteRequest([], [entry])))).status).toBe(204);
    expect(await tsdb.storage.tenant(DEFAULT_TENANT).metadata()).toEqual([entry]);
  });

  test('series under references that retention has dropped meanwhile', async () => {
    const tenant = parseTenant('drop');
    await sendSeries([one([['__name__', 'm']], [[-2, 1]])], { 'x-scope-orgid': 'drop' });
    const seen = tsdb.seenLabels(tenant);
    const labels = encodeWriteRequest([one([['__name__', 'm']], [])]).subarray(2);
    expect(seen.find(new DataView(labels.buffer, labels.byteOffset, labels.length), 0, labels.length)).toBe(1);
    // As if another request had learnt it a moment before the series was dropped.
    seen.learn(labels, 99);
    expect((await sendSeries([one([['__name__', 'm']], [[-1, 2]])], { 'x-scope-orgid': 'drop' })).status).toBe(204);
    expect(await stored('m', tenant)).toEqual({
      m: [
        [-2, 1],
        [-1, 2],
      ],
    });
  });
});

describe('writeHandler() keeps the good part and refuses', () => {
  const good = one([['__name__', 'good']], [[-1, 1]]);
  test.each([
    {
      name: 'a series without a name',
      bad: one([['a', 'b']], [[-1, 1]]),
      reason: 'missing_metric_name',
      why: /no metric name/,
    },
    {
      name: 'an empty name',
      bad: one([['__name__', '']], [[-1, 1]]),
      reason: 'missing_metric_name',
      why: /no metric name/,
    },
    { name: 'no labels', bad: one([], [[-1, 1]]), reason: 'missing_metric_name', why: /no metric name/ },
    {
      name: 'an empty label name',
      bad: one(
        [
          ['__name__', 'x'],
          ['', 'b'],
        ],
        [[-1, 1]],
      ),
      reason: 'empty_label_name',
      why: /empty name/,
    },
    {
      name: 'a label twice',
      bad: one(
        [
          ['__name__', 'x'],
          ['a', '1'],
          ['a', '2'],
        ],
        [[-1, 1]],
      ),
      reason: 'duplicate_label',
      why: /"a" is there twice/,
    },
    {
      name: '31 labels',
      bad: one([['__name__', 'x'], ...Array.from({ length: 30 }, (_, i) => [`l${i}`, 'v'] as const)], [[-1, 1]]),
      reason: 'max_label_names',
      why: /err-mimir-max-label-names-per-series/,
    },
    {
      name: 'a long label name',
      bad: one(
        [
          ['__name__', 'x'],
          ['ä'.repeat(513), 'v'],
        ],
        [[-1, 1]],
      ),
      reason: 'label_name_too_long',
      why: /err-mimir-label-name-too-long/,
    },
    {
      name: 'a long label value',
      bad: one([['__name__', 'x'.repeat(2_049)]], [[-1, 1]]),
      reason: 'label_value_too_long',
      why: /err-mimir-label-value-too-long/,
    },
    {
      name: 'another value at a time',
      bad: one([['__name__', 'good']], [[-1, 7]]),
      reason: 'conflict',
      why: /series good, sample at \d+ ms: another value/,
    },
    {
      name: 'the far future',
      bad: one([['__name__', 'good']], [[11 * MINUTE, 7]]),
      reason: 'too_far_in_future',
      why: /too far in the future/,
    },
    {
      name: 'the far past',
      bad: one([['__name__', 'good']], [[-1e10, 7]]),
      reason: 'too_old',
      why: /before the retention/,
    },
  ])('$name', async ({ bad, reason, why }) => {
    await sendSeries([good]);
    const before = dropped.get(reason) ?? 0;
    const answer = await sendSeries([bad, good]);
    expect(answer.status).toBe(400);
    expect(answer.text).toMatch(why);
    expect(answer.text).toMatch(/^1 samples were not stored, 1 were: /);
    expect(dropped.get(reason)).toBe(before + 1);
    expect((await stored('good'))['good']).toEqual([[-1, 1]]);
  });

  test('invalid UTF-8', async () => {
    const request = encodeWriteRequest([
      one(
        [
          ['__name__', 'utf8'],
          ['a', 'é'],
        ],
        [[-1, 1]],
      ),
      one([['__name__', 'utf8']], [[-1, 1]]),
    ]);
    request[request.indexOf(0xc3)] = 0xff;
    const answer = await send(encodeSnappy(request));
    expect(answer.status).toBe(400);
    expect(answer.text).toMatch(/not valid UTF-8/);
    expect(Object.keys(await stored('utf8'))).toEqual(['utf8']);
  });

  test('series above the limit', async () => {
    const all = Array.from({ length: 60 }, (_, i) => one([['__name__', `limit${i}`]], [[-1, 1]]));
    const answer = await sendSeries(all, { 'x-scope-orgid': 'limited' });
    expect(answer.status).toBe(400);
    expect(answer.text).toMatch(/^10 samples were not stored, 50 were: .*err-mimir-max-series-per-user/);
  });
});

describe('writeHandler() refuses', () => {
  const body = encodeSnappy(encodeWriteRequest([one([['__name__', 'refused']], [[-1, 1]])]));
  test.each([
    { name: 'GET', method: 'GET', status: 405 },
    { name: 'JSON', headers: { 'content-type': 'application/json' }, status: 415 },
    {
      name: 'remote write 2.0',
      headers: { 'content-type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request' },
      status: 415,
    },
    { name: 'gzip', headers: { 'content-encoding': 'gzip' }, status: 415 },
    { name: 'a tenant that is none', headers: { 'x-scope-orgid': 'a/b' }, status: 400 },
    { name: 'a body that is not snappy', body: encodeWriteRequest([one([['__name__', 'a']], [[-1, 1]])]), status: 400 },
    { name: 'an empty body', body: new Uint8Array(), status: 400 },
    {
      name: '4 GiB announced in 20 bytes',
      body: Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f, ...Array(15).fill(1)),
      status: 400,
    },
    { name: 'a decoded length above the limit', body: encodeSnappy(new Uint8Array((1 << 20) + 1)), status: 400 },
    {
      name: 'protobuf cut short',
      body: encodeSnappy(encodeWriteRequest([one([['__name__', 'refused']], [[-1, 1]])]).subarray(0, 20)),
      status: 400,
    },
    { name: 'a large body', body: new Uint8Array(5 << 20), status: 413 },
  ])('$name with $status', async ({ method, headers, status, body: other }) => {
    const answer = await send(other ?? body, headers ?? {}, method ?? 'POST');
    expect(answer.status).toBe(status);
    expect(answer.text).not.toBe('');
    expect(await stored('refused')).toEqual({});
  });

  test.each([
    { name: 'no encoding', headers: { 'content-encoding': '' } },
    { name: 'its proto named', headers: { 'content-type': 'application/x-protobuf;proto=prometheus.WriteRequest' } },
    { name: 'no content type', headers: { 'content-type': '' } },
  ])('not: $name', async ({ headers }) => {
    expect((await sendSeries([one([['__name__', 'ok']], [[-1, 1]])], headers)).status).toBe(204);
  });

  test('a body of no announced length at the bound', async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const request = httpRequest(url, { method: 'POST', headers: { 'transfer-encoding': 'chunked' } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      request.on('error', reject);
      for (let i = 0; i < 40; i++) request.write(new Uint8Array(1 << 16));
      request.end();
    });
    expect(status).toBe(413);
  });
});
