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
import { encodeHistogram } from '../testing/encode-histogram.ts';
import { encodeWriteRequest2, type OutgoingSeries2 } from '../testing/encode-write-request-2.ts';
import { openTsdb, type Tsdb } from '../tsdb/open-tsdb.ts';
import { encodeWriteRequest, type OutgoingSeries } from '../wire/encode-write-request.ts';
import { readHistogram } from '../wire/histogram.ts';
import { encodeSnappy } from '../wire/snappy.ts';
import { WriteBody } from '../wire/write-body.ts';
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
      labels: tsdb.labels,
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
    // As if another request had learnt it a moment before the series was dropped.
    const request = encodeWriteRequest([one([['__name__', 'm']], [])]);
    using body = WriteBody.of(tsdb.labels.memory, request, '1.0');
    tsdb.labels.of(tenant).learnBytes(body.address, [{ start: 2, length: request.length - 2, ref: 99, note: 0 }]);
    expect((await sendSeries([one([['__name__', 'm']], [[-1, 2]])], { 'x-scope-orgid': 'drop' })).status).toBe(204);
    expect(await stored('m', tenant)).toEqual({
      m: [
        [-2, 1],
        [-1, 2],
      ],
    });
  });
});

describe('writeHandler() keeps of remote write 2.0', () => {
  const headers = { 'content-type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request' };
  const tenant = parseTenant('two');
  const range = { start: 0, end: NOW + 10 * MINUTE };
  const named = (name: string) => [{ name: '__name__', op: '=', value: name }] as const;
  const sendSeries2 = (series: readonly OutgoingSeries2[]) =>
    send(encodeSnappy(encodeWriteRequest2(series)), { ...headers, 'x-scope-orgid': 'two' });

  test('samples with their starts, histograms, exemplars and metadata, of series unseen and seen', async () => {
    const bytes = encodeHistogram({ count: 3, sum: 2, positiveSpans: [{ offset: 1, length: 1 }], positiveDeltas: [3] });
    for (const at of [NOW - 2, NOW - 1]) {
      const answer = await sendSeries2([
        {
          labels: [
            ['job', 'a'],
            ['__name__', 'all_total'],
          ],
          times: [at],
          values: Float64Array.of(at - NOW),
          starts: [NOW - 100],
          histograms: [{ bytes, time: at, start: NOW - 50 }],
          exemplars: [{ labels: [['trace_id', 'x']], value: 7, time: at }],
          metadata: { type: 1, help: 'All.', unit: 'things' },
        },
      ]);
      expect(answer.status, answer.text).toBe(204);
      const counts = ['samples', 'histograms', 'exemplars'];
      const written = counts.map((item) => answer.headers.get(`x-prometheus-remote-write-${item}-written`));
      expect(written).toEqual(['1', '1', '1']);
    }
    const store = tsdb.storage.tenant(tenant);
    expect(await stored('all_total', tenant)).toEqual({
      'all_total{job="a"}': [
        [-2, -2],
        [-1, -1],
      ],
    });
    const [starts] = await store.starts(named('all_total'), range);
    expect([...starts!.starts]).toEqual([NOW - 100]);
    const [histograms] = await store.histograms(named('all_total'), range);
    expect(histograms!.histograms).toMatchObject([
      { time: NOW - 2, start: NOW - 50 },
      { time: NOW - 1, start: NOW - 50 },
    ]);
    expect(readHistogram(histograms!.histograms[0]!.bytes).kind).toBe('histogram');
    const [exemplars] = await store.exemplars([named('all_total')], range);
    expect(exemplars!.exemplars).toMatchObject([
      { time: NOW - 2, value: 7, labels: [['trace_id', 'x']] },
      { time: NOW - 1, value: 7, labels: [['trace_id', 'x']] },
    ]);
    expect(await store.metadata()).toEqual([{ metric: 'all_total', type: 'counter', help: 'All.', unit: 'things' }]);
  });

  test('a retry of all of it as a success', async () => {
    const bytes = encodeHistogram({ count: 0, zeroCount: 0, sum: 2 });
    const series = {
      labels: [['__name__', 'again']] as const,
      times: [NOW - 1],
      values: Float64Array.of(1),
      histograms: [{ bytes, time: NOW - 1 }],
      exemplars: [{ labels: [], value: 7, time: NOW - 1 }],
    };
    for (let i = 0; i < 3; i++) expect((await sendSeries2([series])).status).toBe(204);
  });

  test('what is good beside series with symbols that are not there, and empty ones', async () => {
    const good = { labels: [['__name__', 'fine']] as const, times: [NOW - 1], values: Float64Array.of(1) };
    const bad = [0x2a, 8, 0x0a, 2, 1, 0x7f, 0x12, 2, 0x10, 7];
    const request = Uint8Array.from([...encodeWriteRequest2([good, { labels: [['__name__', 'empty']] }]), ...bad]);
    const answer = await send(encodeSnappy(request), { ...headers, 'x-scope-orgid': 'two' });
    expect(answer.status).toBe(400);
    expect(answer.headers.get('x-prometheus-remote-write-samples-written')).toBe('1');
    expect(answer.text).toMatch(/^1 samples were not stored, 1 were: .*no samples.*symbol that is not there/);
    expect(await stored('fine', tenant)).toEqual({ fine: [[-1, 1]] });
  });

  test('histograms of series that retention has dropped meanwhile', async () => {
    const bytes = encodeHistogram({ count: 0, sum: 1 });
    const series = { labels: [['__name__', 'h']] as const, histograms: [{ bytes, time: NOW - 1 }] };
    const request = encodeWriteRequest2([series]);
    using body = WriteBody.of(tsdb.labels.memory, request, '2.0');
    const { unseen, text } = body.read(undefined, { maxNames: 30, maxNameBytes: 99, maxValueBytes: 99 });
    tsdb.labels.of(tenant).learnSymbols(text, [{ ...unseen[0]!.key!, ref: 99, note: 0 }]);
    expect((await sendSeries2([series])).status).toBe(204);
    const [found] = await tsdb.storage.tenant(tenant).histograms(named('h'), range);
    expect(found!.histograms).toHaveLength(1);
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
      name: 'another message',
      headers: { 'content-type': 'application/x-protobuf;proto=io.prometheus.write.v3.Request' },
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
