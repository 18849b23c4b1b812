import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { labelsOf } from '../model/labels.ts';
import type { Matcher } from '../model/matcher.ts';
import { isStaleMarker, setStaleMarker } from '../model/series.ts';
import { DEFAULT_TENANT, parseTenant } from '../model/tenant.ts';
import type { TimeRange } from '../model/time.ts';
import { appendSeries } from '../storage/append-series.ts';
import { encodeHistogram } from '../testing/encode-histogram.ts';
import { NOW, serve } from '../testing/http-deps.ts';
import { memoryStorage } from '../testing/memory-storage.ts';
import { ProtoWriter } from '../wire/proto-writer.ts';
import {
  decodeChunkedFrame,
  decodeReadResponse,
  encodeReadRequest,
  type ReadSeries,
  readFrames,
} from '../wire/remote-read.ts';
import { decodeSnappy, encodeSnappy } from '../wire/snappy.ts';
import type { Listening } from './listen.ts';

const RANGE = { start: NOW - 600_000, end: NOW };
const ACME = parseTenant('acme');

let server: Listening;
beforeAll(async () => {
  const storage = memoryStorage({ now: () => NOW });
  const times = Float64Array.from({ length: 30 }, (_, k) => NOW - (29 - k) * 15_000);
  const ended = Float64Array.from(times);
  setStaleMarker(ended, 29);
  await appendSeries(storage.tenant(DEFAULT_TENANT), [
    { labels: labelsOf({ __name__: 'load', pod: 'b' }), times, values: ended },
    { labels: labelsOf({ __name__: 'load', pod: 'a', cluster: 'own' }), times, values: times },
    { labels: labelsOf({ __name__: 'other' }), times, values: times },
  ]);
  await appendSeries(storage.tenant(ACME), [
    { labels: labelsOf({ __name__: 'load', of: 'acme' }), times, values: times },
  ]);
  const bytes = encodeHistogram({ count: 2, sum: 3, positiveSpans: [{ offset: 0, length: 1 }], positiveDeltas: [2] });
  const native = [{ labels: labelsOf({ __name__: 'native' }), histograms: [{ time: NOW - 15_000, start: 0, bytes }] }];
  server = await serve({
    storage: {
      tenant: (id) => ({
        ...storage.tenant(id),
        histograms: async (matchers) => (matchers.some(({ value }) => value === 'native') ? native : []),
      }),
    },
    callers: { tenancyOn: true, tokens: [] },
    externalLabels: { cluster: 'eu-1' },
    limits: { requestBytes: 4096, querySamples: 90, queryTimeoutMs: 10_000, queryPoints: 11_000, readBytes: 1700 },
  });
});
afterAll(() => server.close());

const name = (value: string): Matcher => ({ name: '__name__', op: '=', value });

function request(
  queries: readonly { readonly matchers: readonly Matcher[]; readonly range?: TimeRange }[],
  accepted: readonly number[],
): Uint8Array {
  const out = new ProtoWriter();
  for (const { matchers, range = RANGE } of queries) {
    const one = encodeReadRequest(matchers, range);
    // Without the kinds that it asks for: two fields of two bytes each.
    out.bytes(one.subarray(0, one.length - 4));
  }
  for (const kind of accepted) out.int64(0x10, kind);
  return out.finish();
}

async function read(body: Uint8Array, headers: Record<string, string> = {}) {
  const response = await fetch(`${server.url}/api/v1/read`, {
    method: 'POST',
    headers: { 'content-encoding': 'snappy', 'x-scope-orgid': 'default', ...headers },
    body: encodeSnappy(body) as Uint8Array<ArrayBuffer>,
  });
  const type = response.headers.get('content-type') ?? '';
  if (response.status !== 200) return { status: response.status, error: (await response.json()) as object, series: [] };
  const series: ReadSeries[] = [];
  if (type.startsWith('application/x-streamed-protobuf')) {
    for await (const frame of readFrames(response.body as unknown as AsyncIterable<Uint8Array>)) {
      series.push(...decodeChunkedFrame(frame));
    }
  } else {
    const packed = new Uint8Array(await response.arrayBuffer());
    series.push(...decodeReadResponse(decodeSnappy(packed, 1 << 20)));
  }
  return { status: 200, type, series };
}

describe.each([
  { kind: 'chunks', accepted: [1, 0] },
  { kind: 'samples', accepted: [] },
])('remote read answers $kind', ({ kind, accepted }) => {
  test('of every series that matches, in the order of their labels, with the external ones', async () => {
    const range = { start: NOW - 60_000, end: NOW };
    const { series, type } = await read(request([{ matchers: [name('load')], range }], accepted));
    expect(type).toMatch(kind === 'chunks' ? /^application\/x-streamed-protobuf; proto=/ : /^application\/x-protobuf/);
    expect(series.map(({ labels }) => Object.fromEntries(labels))).toEqual([
      { __name__: 'load', cluster: 'eu-1', pod: 'b' },
      { __name__: 'load', cluster: 'own', pod: 'a' },
    ]);
    expect([...series[1]!.times]).toEqual([60, 45, 30, 15, 0].map((ago) => NOW - ago * 1000));
    expect([...series[1]!.values]).toEqual([...series[1]!.times]);
    expect(isStaleMarker(series[0]!.values, 4)).toBe(true);
  });

  test('of an external label, of several queries, and of one tenant alone', async () => {
    const range = { start: NOW, end: NOW };
    const matchers = [name('load'), { name: 'cluster', op: '=', value: 'eu-1' } as const];
    const queries = [{ matchers, range }, { matchers: [name('other')], range }, { matchers: [name('none')] }];
    const { series } = await read(request(queries, accepted));
    expect(series.map(({ labels }) => Object.fromEntries(labels)['__name__'])).toEqual(['load', 'other']);
    const others = await read(request([{ matchers: [name('load')] }], accepted), { 'x-scope-orgid': 'acme' });
    expect(others.series.map(({ labels }) => Object.fromEntries(labels)['of'])).toEqual(['acme']);
  });

  test('with native histograms', async () => {
    const { series } = await read(request([{ matchers: [name('native')] }], accepted));
    expect(series).toMatchObject([{ histograms: [{ time: NOW - 15_000, count: 1 }] }]);
  });

  test('within the limit of samples', async () => {
    const twice = request([{ matchers: [name('load')] }, { matchers: [name('load')] }], accepted);
    expect(await read(twice)).toMatchObject({ status: 422, error: { code: 'too_many_samples' } });
  });
});

test.each([
  {
    name: 'an answer that is too large',
    body: request([{ matchers: [name('load')] }, { matchers: [name('other')] }], [0]),
    want: { status: 400, error: { code: 'read_too_large' } },
  },
  {
    name: 'a kind of answer that is not known',
    body: request([], [7]),
    want: { status: 400, error: { code: 'bad_parameter' } },
  },
  {
    name: 'a regular expression that is none',
    body: request([{ matchers: [{ name: 'a', op: '=~', value: '(' }] }], []),
    want: { status: 400, error: { code: 'bad_parameter' } },
  },
  {
    name: 'a body that is no request',
    body: Uint8Array.of(0x0a, 50),
    want: { status: 400, error: { code: 'bad_wire_data' } },
  },
  { name: 'a body that is too long', body: new Uint8Array(5000), want: { status: 413 } },
])('remote read refuses $name', async ({ body, want }) => {
  expect(await read(body)).toMatchObject(want);
});

test('remote read refuses what is not packed, another way of packing, GET, and nobody', async () => {
  const raw = (init: RequestInit) => fetch(`${server.url}/api/v1/read`, init);
  const tenant = { 'x-scope-orgid': 'default' };
  expect((await raw({ method: 'POST', headers: tenant, body: 'abc' })).status).toBe(400);
  expect((await raw({ method: 'POST', headers: { ...tenant, 'content-encoding': 'gzip' } })).status).toBe(400);
  expect((await raw({ headers: tenant })).status).toBe(405);
  expect((await raw({ method: 'POST' })).status).toBe(401);
});

describe('remote read of a great many queries', () => {
  const LIMITS = {
    requestBytes: 1 << 20,
    querySamples: 90,
    queryTimeoutMs: 60_000,
    queryPoints: 11_000,
    readBytes: 1 << 20,
  };

  test('answers them, and others meanwhile', async () => {
    let rests = 0;
    const many = await serve({
      storage: { tenant: () => ({ ...memoryStorage().tenant(DEFAULT_TENANT), select: async () => [] }) },
      limits: LIMITS,
      pauseOf: () => {
        let calls = 0;
        return () =>
          ++calls % 100 === 0 ? new Promise((resolve) => setImmediate(() => resolve(void rests++))) : undefined;
      },
    });
    try {
      const body = Uint8Array.from({ length: 2 * 13_000 }, (_, i) => (i % 2 === 0 ? 0x0a : 0));
      const response = await fetch(`${many.url}/api/v1/read`, {
        method: 'POST',
        body: encodeSnappy(body) as Uint8Array<ArrayBuffer>,
      });
      await response.arrayBuffer();
      expect(response.status).toBe(200);
      expect(rests).toBeGreaterThan(120);
    } finally {
      await many.close();
    }
  });

  test('gives up at the timeout though it has begun to answer', async () => {
    const hanging = await serve({
      storage: {
        tenant: () => ({
          ...memoryStorage().tenant(DEFAULT_TENANT),
          select: async (matchers, _range, { signal } = {}) => {
            if (matchers[0]!.value === 'hangs') {
              await new Promise((_, reject) => signal!.addEventListener('abort', () => reject(signal!.reason)));
            }
            const times = Float64Array.of(NOW);
            return [{ labels: labelsOf({ __name__: 'load' }), chunks: [{ encoding: 'plain', times, values: times }] }];
          },
        }),
      },
      limits: { ...LIMITS, queryTimeoutMs: 100 },
    });
    try {
      const body = encodeSnappy(request([{ matchers: [name('load')] }, { matchers: [name('hangs')] }], [1]));
      const response = await fetch(`${hanging.url}/api/v1/read`, {
        method: 'POST',
        body: body as Uint8Array<ArrayBuffer>,
      });
      expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
      expect(await response.json()).toMatchObject({ errorType: 'timeout', code: 'query_timeout' });
    } finally {
      await hanging.close();
    }
  });
});
