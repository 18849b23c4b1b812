import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeHandler } from '../ingest/write-handler.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { MINUTE, SECOND } from '../model/time.ts';
import { encodeHistogram } from '../testing/encode-histogram.ts';
import { encodeWriteRequest2 } from '../testing/encode-write-request-2.ts';
import { NOW, serve } from '../testing/http-deps.ts';
import { openTsdb, type Tsdb } from '../tsdb/open-tsdb.ts';
import { encodeSnappy } from '../wire/snappy.ts';
import type { Listening } from './listen.ts';

/* From a sender's request to the answer: native histograms and start times, through the real store. */

let folder: string;
let tsdb: Tsdb;
let server: Listening;
const receiver = createServer();

const STARTED = NOW - 3 * MINUTE - 30 * SECOND;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'foresail-histograms-'));
  tsdb = await openTsdb({ dir: folder, clock: { now: () => NOW } });
  server = await serve({ storage: tsdb.storage });
  receiver.on(
    'request',
    writeHandler({
      storage: tsdb.storage,
      labels: tsdb.labels,
      callerOf: () => ({ tenant: DEFAULT_TENANT }),
      onRequest: () => {},
      limits: { maxCompressedBytes: 1 << 20, maxDecodedBytes: 1 << 20 },
    }),
  );
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  await send();
});

afterAll(async () => {
  await server.close();
  receiver.close();
  receiver.closeAllConnections();
  await tsdb[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

/** Four minutes of a histogram that counts 2 observations more in each, and of a counter that began between two samples. */
async function send(): Promise<void> {
  const histograms = [1, 2, 3, 4].map((minute) => ({
    time: NOW + (minute - 4) * MINUTE,
    bytes: encodeHistogram({
      ...{ count: 2 * minute, sum: 3 * minute, schema: 0, zeroThreshold: 0.001 },
      positiveSpans: [{ offset: 0, length: 2 }],
      positiveDeltas: [minute, 0],
    }),
  }));
  const series = [
    { labels: [['__name__', 'latency']] as const, histograms },
    {
      labels: [['__name__', 'hits_total']] as const,
      times: [NOW - 3 * MINUTE, NOW - 2 * MINUTE],
      values: Float64Array.of(10, 20),
      starts: [STARTED, STARTED],
    },
  ];
  const response = await fetch(`http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request',
      'content-encoding': 'snappy',
    },
    body: new Uint8Array(encodeSnappy(encodeWriteRequest2(series))),
  });
  expect([response.status, await response.text()]).toEqual([204, '']);
}

async function ask(path: string, parameters: Record<string, string>) {
  const response = await fetch(`${server.url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const body = (await response.json()) as { data: { result: unknown }; warnings?: unknown; infos?: unknown };
  return { ...body, result: body.data.result };
}

const AT = { time: String(NOW / 1000) };

test('an instant query answers the histogram itself', async () => {
  const metric = { __name__: 'latency' };
  const buckets = [
    [0, '0.5', '1', '4'],
    [0, '1', '2', '4'],
  ];
  expect((await ask('query', { query: 'latency', ...AT })).result).toEqual([
    { metric, histogram: [NOW / 1000, { count: '8', sum: '12', buckets }] },
  ]);
  const { result } = await ask('query', { query: 'latency[2m]', ...AT });
  expect(result).toMatchObject([
    {
      metric,
      histograms: [
        [NOW / 1000 - 60, { count: '6' }],
        [NOW / 1000, { count: '8' }],
      ],
    },
  ]);
});

test('a range query answers histograms at its steps, and what is computed of them', async () => {
  const range = { start: String(NOW / 1000 - 120), end: String(NOW / 1000), step: '60' };
  const { result } = await ask('query_range', { query: 'sum(increase(latency[2m]))', ...range });
  expect(result).toMatchObject([
    { metric: {}, histograms: [{}, {}, {}].map((_, i) => [NOW / 1000 + (i - 2) * 60, {}]) },
  ]);
  const quantiles = await ask('query_range', { query: 'histogram_quantile(0.5, latency)', ...range });
  expect(quantiles.result).toEqual([
    { metric: {}, values: [-120, -60, 0].map((seconds) => [NOW / 1000 + seconds, '1']) },
  ]);
});

test('a counter that began inside of the window is taken to begin at zero there', async () => {
  // (0 to 20 in the 1.5 minutes since its start, and half a minute's distance on to the window's end.)
  const { result } = await ask('query', { query: 'increase(hits_total[5m])', ...AT });
  expect(result).toEqual([{ metric: {}, value: [NOW / 1000, String(20 * (120 / 90))] }]);
  const began = await ask('query', { query: 'start_timestamp(hits_total)', ...AT });
  expect(began.result).toEqual([{ metric: {}, value: [NOW / 1000, String(STARTED / 1000)] }]);
});
