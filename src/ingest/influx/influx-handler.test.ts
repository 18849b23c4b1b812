import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatLabels } from '../../model/labels.ts';
import { decodeSamples } from '../../model/series.ts';
import { DEFAULT_TENANT } from '../../model/tenant.ts';
import { MINUTE } from '../../model/time.ts';
import { openTsdb, type Tsdb } from '../../tsdb/open-tsdb.ts';
import { influxHandlers } from './influx-handler.ts';

const NOW = Date.parse('2026-08-03T10:00:00Z');

let folder: string;
let tsdb: Tsdb;
let url: string;
const dropped = new Map<string, number>();
const server = createServer();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foresail-influx-'));
  tsdb = await openTsdb({ dir: folder, clock: { now: () => NOW }, limits: { maxSeriesPerTenant: 50 } });
  const handlers = influxHandlers({
    storage: tsdb.storage,
    now: () => NOW,
    callerOf: () => ({ tenant: DEFAULT_TENANT }),
    onRequest: (_tenant, summary) => {
      for (const [reason, count] of summary.dropped) dropped.set(reason, (dropped.get(reason) ?? 0) + count);
    },
    maxBytes: 1 << 20,
  });
  server.on('request', (request, response) => {
    handlers.get(new URL(request.url!, 'http://x').pathname)!(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  server.close();
  server.closeAllConnections();
  await tsdb[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function send(
  path: string,
  body: string | Uint8Array = '',
  headers: Record<string, string> = {},
  method = 'POST',
) {
  const sent = typeof body === 'string' ? body : new Uint8Array(body);
  const response = await fetch(url + path, { method, headers, ...(method === 'POST' && { body: sent }) });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
}

async function stored(name: string): Promise<Record<string, [number, number][]>> {
  const range = { start: 0, end: NOW + 10 * MINUTE };
  const all: Record<string, [number, number][]> = {};
  const found = await tsdb.storage.tenant(DEFAULT_TENANT).select([{ name: '__name__', op: '=', value: name }], range);
  for (const { labels, chunks } of found) {
    const { times, values } = decodeSamples(chunks, range);
    all[formatLabels(labels)] = [...times].map((time, i) => [time - NOW, values[i]!]);
  }
  return all;
}

describe('influxHandlers() keep', () => {
  test('fields as series, with the database as a label', async () => {
    const text = `cpu,host=a usage_user=1.5,usage_idle=98i,name="x" ${NOW - 1_000}000000\nup ok=true ${NOW}000000`;
    const answer = await send('/write?db=telegraf', text);
    expect([answer.status, answer.headers.get('x-influxdb-version')]).toEqual([204, '1.8-foresail']);
    expect(await stored('cpu_usage_user')).toEqual({ 'cpu_usage_user{db="telegraf", host="a"}': [[-1_000, 1.5]] });
    expect(await stored('cpu_usage_idle')).toEqual({ 'cpu_usage_idle{db="telegraf", host="a"}': [[-1_000, 98]] });
    expect(await stored('up_ok')).toEqual({ 'up_ok{db="telegraf"}': [[0, 1]] });
    expect(dropped.get('text_field')).toBe(1);
  });

  test('version 2: a bucket, seconds, gzip; a tag db goes before it; now where a line has no time; retries', async () => {
    const body = gzipSync(`m,db=mine f=1 ${NOW / 1_000 - 5}\nm f=2`);
    const path = '/api/v2/write?org=o&bucket=b&precision=s';
    for (let i = 0; i < 2; i++) expect((await send(path, body, { 'content-encoding': 'gzip' })).status).toBe(204);
    expect(await stored('m_f')).toEqual({ 'm_f{db="mine"}': [[-5_000, 1]], 'm_f{db="b"}': [[0, 2]] });
  });

  test('what is good of a body, and says by their lines what is not', async () => {
    const text = ['p f=1', 'p', `p f=1 ${NOW + 11 * MINUTE}`, `p,long=${'x'.repeat(2_049)} f=1`, 'p,a=b f=2'].join(
      '\n',
    );
    const { status, body } = await send('/write?precision=ms', text);
    expect([status, body.code, body.line]).toEqual([400, 'invalid', 2]);
    expect(body.error).toBe(body.message);
    expect(body.error).toMatch(
      /^partial write: 2 samples were stored; line 2: it has no fields; line 3: .* too far in the future .*; line 4: .* longer than 2048 bytes/,
    );
    expect(Object.keys(await stored('p_f'))).toEqual(['p_f', 'p_f{a="b"}']);
    expect(dropped.get('malformed_line')).toBe(1);
  });
});

test('influxHandlers() refuse series beyond the limit of the tenant, and keep the others', async () => {
  const text = Array.from({ length: 60 }, (_, i) => `many,i=${i} f=1 ${NOW}`).join('\n');
  const { status, body } = await send('/write?precision=ms', text);
  expect([status, body.error]).toEqual([400, expect.stringContaining('err-mimir-max-series-per-user')]);
  expect(Object.keys(await stored('many_f')).length).toBeGreaterThan(30);
});

describe('influxHandlers() answer', () => {
  test.each<
    [
      name: string,
      path: string,
      body: string | Uint8Array,
      headers: Record<string, string>,
      method: string,
      status: number,
      want: unknown,
    ]
  >([
    ['a ping', '/ping', '', {}, 'GET', 204, undefined],
    [
      'who makes a database',
      '/query?q=create+database+%22x%22',
      '',
      {},
      'POST',
      200,
      { results: [{ statement_id: 0 }] },
    ],
    [
      'who makes one in the body',
      '/query',
      'q=CREATE+DATABASE+telegraf%3B',
      {},
      'POST',
      200,
      { results: [{ statement_id: 0 }] },
    ],
    ['other questions', '/query?q=select', '', {}, 'GET', 400, { error: expect.stringContaining('ask in PromQL') }],
    ['nothing', '/write', '', {}, 'POST', 204, undefined],
    ['GET', '/write', '', {}, 'GET', 405, expect.objectContaining({ error: expect.stringContaining('use POST') })],
    [
      'a precision',
      '/write?precision=d',
      '',
      {},
      'POST',
      400,
      expect.objectContaining({ error: expect.stringContaining('precision') }),
    ],
    [
      'an encoding',
      '/write',
      'x',
      { 'content-encoding': 'br' },
      'POST',
      415,
      expect.objectContaining({ error: expect.stringContaining('gzip') }),
    ],
    [
      'no gzip',
      '/write',
      'x',
      { 'content-encoding': 'gzip' },
      'POST',
      400,
      expect.objectContaining({ error: expect.stringContaining('unpack') }),
    ],
    [
      'a bomb',
      '/write',
      gzipSync(Buffer.alloc(8 << 20)),
      { 'content-encoding': 'gzip' },
      'POST',
      413,
      expect.objectContaining({ code: 'request too large' }),
    ],
    [
      'no UTF-8',
      '/write',
      Uint8Array.of(0xff),
      {},
      'POST',
      400,
      expect.objectContaining({ error: 'the body is not UTF-8' }),
    ],
  ])('%s', async (_name, path, body, headers, method, status, want) => {
    const answer = await send(path, body, headers, method);
    expect([answer.status, answer.body]).toEqual([status, want]);
  });
});
