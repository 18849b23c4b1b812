import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { labelsOf } from '../../src/model/labels.ts';
import { setStaleMarker } from '../../src/model/series.ts';
import { freePorts, waitFor } from '../../src/testing/control-plane.ts';
import { encodeHistogram, type SentHistogram } from '../../src/testing/encode-histogram.ts';
import { ProtoWriter } from '../../src/wire/proto-writer.ts';
import { ProtoReader } from '../../src/wire/protobuf.ts';
import { decodeSnappy, encodeSnappy } from '../../src/wire/snappy.ts';
import { type RunningProgram, startProgram } from '../program.ts';
import { remoteWriteTo } from './victoria-metrics.ts';

const STEP = 15_000;
const POINTS = 240;
const SERIES = 60;
const END = Math.floor((Date.now() - 60_000) / STEP) * STEP;
const START = END - (POINTS - 1) * STEP;

/*
 * A Prometheus that has nothing of its own reads from the program by `remote_read`: as a stream of chunks, as it asks by
 * itself, and as samples, which it is made to ask for by a proxy that leaves the kinds out of its requests.
 */
describe('remote_read of a real Prometheus', () => {
  const folder = mkdtempSync(join(tmpdir(), 'foresail-real-read-'));
  const running: ChildProcess[] = [];
  let bin: string | undefined;
  let program: RunningProgram;
  let proxy: Server;
  let streamed = '';
  let sampled = '';
  const seen: string[] = [];

  beforeAll(async () => {
    if (!existsSync('../shared/bin/install') || !existsSync('dist/main.js')) return;
    bin = (await promisify(execFile)(resolve('../shared/bin/install'))).stdout.trim();
    const settings = join(folder, 'foresail.yaml');
    writeFileSync(settings, 'tenancy: {mode: on}\nkubernetes: off\nexternalLabels: {cluster: eu-1}\n');
    program = await startProgram(['--config', settings]);
    for (let k = 0; k < POINTS; k += 60) {
      const part = Array.from({ length: SERIES }, (_, i) => seriesOf(i)).map(({ labels, times, values }) => {
        return { labels, times: times.slice(k, k + 60), values: values.slice(k, k + 60) };
      });
      expect(await write('acme', part)).toBe(204);
    }
    expect(await write('acme', histograms())).toBe(204);
    expect(await write('other', [seriesOf(0)])).toBe(204);
    proxy = createServer((request, response) => void withoutKinds(request, response)).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    streamed = await prometheus(`${program.url}/api/v1/read`, 'streamed');
    sampled = await prometheus(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}/api/v1/read`, 'sampled');
  }, 240_000);
  afterAll(async () => {
    for (const each of running) {
      each.kill();
      await once(each, 'exit');
    }
    proxy?.close();
    await program?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(({ skip }) => {
    if (bin === undefined) skip('there is no Prometheus of today: ../shared/bin is not here, or dist is not built');
  });

  function write(tenant: string, series: Parameters<typeof remoteWriteTo>[1]): Promise<number> {
    return remoteWriteTo(`${program.url}/api/v1/push`, series, { 'x-scope-orgid': tenant });
  }

  function seriesOf(i: number) {
    const times = Array.from(
      { length: POINTS },
      (_, k) => START + k * STEP + (i % 7) * 100 + (i % 3 === 0 ? k % 5 : 0),
    );
    const values = Float64Array.from(times, (_, k) => {
      if (i % 2 === 1) return k * 17 + (k % 13);
      const odd = [Number.NaN, Infinity, -Infinity, -0, 5e-324, 1e308];
      if (i % 20 === 0 && k % 50 < odd.length) return odd[k % 50]!;
      return i % 4 === 0 ? Math.sin(k / 9 + i) * 100 : Math.fround(i) / 3;
    });
    if (i % 10 === 3) setStaleMarker(values, POINTS - 1);
    if (i % 10 === 4) setStaleMarker(values, 100);
    const labels = labelsOf({ __name__: i % 2 === 0 ? 'demand' : 'calls_total', pod: `p${i}`, odd: '"\\ é' });
    return { labels, times, values };
  }

  /** Counters that begin anew, gauges, floats, custom buckets, a layout that changes, a marker. */
  function histograms() {
    const spans = [
      { offset: -2, length: 2 },
      { offset: 3, length: 1 },
    ];
    const kinds: Readonly<Record<string, (k: number) => SentHistogram>> = {
      whole: (k) => {
        const n = k % 25;
        return {
          ...{ count: 4 * n + 7, sum: k * 1.7 - 3, schema: 3, zeroThreshold: 2 ** -128, zeroCount: n },
          ...{ positiveSpans: spans, positiveDeltas: [1 + n, 1, -1 + (n > 12 ? 1 : 0)] },
          ...{ negativeSpans: [{ offset: 1, length: 1 }], negativeDeltas: [n > 12 ? 2 : 3] },
        };
      },
      gauge: (k) => {
        const size = 1 + (k % 3);
        return {
          ...{ count: size * 5, sum: -k, schema: -1, zeroThreshold: 0.3, zeroCount: 0, resetHint: 3 },
          ...{ positiveSpans: [{ offset: 0, length: size }], positiveDeltas: [5, 0, 0].slice(0, size) },
        };
      },
      floats: (k) => ({
        ...{ floatCount: 2.5 + k, floatZeroCount: 0.5, sum: k / 7, schema: 0, zeroThreshold: 0.001 },
        ...{ positiveSpans: [{ offset: 4, length: 2 }], positiveCounts: [0.5 + k, 1.5] },
      }),
      custom: (k) => ({
        ...{ count: 3 * k + 6, sum: k, schema: -53, customValues: [0.1, 2.5, 100_000.123] },
        ...{ positiveSpans: [{ offset: 0, length: 3 }], positiveDeltas: [k + 1, 1, 1] },
      }),
    };
    const stale = new Float64Array(1);
    setStaleMarker(stale, 0);
    return Object.entries(kinds).map(([kind, of]) => ({
      labels: labelsOf({ __name__: 'native', kind }),
      times: [],
      values: new Float64Array(),
      histograms: Array.from({ length: POINTS }, (_, k) => ({
        time: START + k * STEP,
        bytes:
          kind === 'whole' && k === 50 ? Uint8Array.of(0x19, ...new Uint8Array(stale.buffer)) : encodeHistogram(of(k)),
      })),
    }));
  }

  async function prometheus(url: string, name: string): Promise<string> {
    const [port] = (await freePorts(1)) as [number];
    const config = join(folder, `${name}.yml`);
    const read = `{url: '${url}', read_recent: true, headers: {X-Scope-OrgID: acme}}`;
    writeFileSync(config, `global: {scrape_interval: 1h}\nremote_read: [${read}]\n`);
    const flags = [`--config.file=${config}`, `--storage.tsdb.path=${join(folder, name)}`];
    const more = [`--web.listen-address=127.0.0.1:${port}`, '--log.level=error'];
    const child = spawn(join(bin!, 'prometheus'), [...flags, ...more], { stdio: 'ignore' });
    running.push(child);
    const own = `http://127.0.0.1:${port}`;
    await waitFor('Prometheus', async () => (await fetch(`${own}/-/ready`).catch(() => undefined))?.ok === true);
    return own;
  }

  /** Hands a request on without the kinds of answers that its client takes: then it takes samples. */
  async function withoutKinds(...[request, response]: Parameters<NonNullable<Parameters<typeof createServer>[1]>>) {
    const body = Buffer.concat(await request.toArray());
    const reader = new ProtoReader(decodeSnappy(body, 1 << 20));
    const out = new ProtoWriter();
    while (reader.at < reader.end) {
      const from = reader.at;
      const tag = reader.tag();
      reader.skip(tag);
      if (tag >>> 3 === 1) out.bytes(reader.bytes.subarray(from, reader.at));
    }
    const answer = await fetch(`${program.url}/api/v1/read`, {
      method: 'POST',
      headers: { 'content-encoding': 'snappy', 'x-scope-orgid': String(request.headers['x-scope-orgid']) },
      body: encodeSnappy(out.finish()) as Uint8Array<ArrayBuffer>,
    });
    seen.push(answer.headers.get('content-type') ?? '');
    response.writeHead(answer.status, {
      'content-type': answer.headers.get('content-type') ?? '',
      'content-encoding': answer.headers.get('content-encoding') ?? '',
    });
    response.end(Buffer.from(await answer.arrayBuffer()));
  }

  async function ask(url: string, query: string, tenant?: string): Promise<unknown> {
    const body = new URLSearchParams({ query, start: `${START / 1000}`, end: `${END / 1000 + 600}`, step: '37' });
    const headers = tenant === undefined ? {} : { 'x-scope-orgid': tenant };
    const response = await fetch(`${url}/api/v1/query_range`, { method: 'POST', body, headers });
    const answer = (await response.json()) as { data?: { result: { metric: Record<string, string> }[] } };
    if (answer.data === undefined) throw new Error(JSON.stringify(answer));
    // What is read elsewhere has the external labels.
    return answer.data.result.map(({ metric: { cluster, ...metric }, ...rest }) => ({ metric, ...rest }));
  }

  test.each([
    'demand',
    'sum by (odd) (rate(calls_total[5m]))',
    'count(calls_total)',
    'max_over_time(demand{pod=~"p.?2"}[7m] offset 3m)',
    // Powers differ in their last digit.
    'round(histogram_quantile(0.9, native), 1e-9)',
    'histogram_count(rate(native{kind=~"whole|floats|custom"}[5m]))',
    'histogram_sum(native)',
    'native{kind="gauge"}',
    'native{kind="custom"}',
  ])('%s: as the program answers itself', async (query) => {
    const want = await ask(program.url, query, 'acme');
    expect(want).not.toEqual([]);
    expect(await ask(streamed, query)).toEqual(want);
    expect(await ask(sampled, query)).toEqual(want);
    expect(new Set(seen)).toEqual(new Set(['application/x-protobuf']));
  });

  test('has the external labels, by which it may be asked too, and nothing of another tenant', async () => {
    for (const url of [streamed, sampled]) {
      const query = new URLSearchParams({
        query: 'count by (cluster) ({cluster="eu-1",pod=~".+"})',
        time: `${END / 1000}`,
      });
      const answer = (await (await fetch(`${url}/api/v1/query?${query}`)).json()) as { data: { result: object[] } };
      expect(answer.data.result).toMatchObject([{ metric: { cluster: 'eu-1' } }]);
    }
  });
});
