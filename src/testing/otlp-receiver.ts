import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { type OtlpHandlerDeps, otlpHandler } from '../ingest/otlp/otlp-handler.ts';
import { formatLabels } from '../model/labels.ts';
import { decodeSamples, isStaleMarker } from '../model/series.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { MINUTE } from '../model/time.ts';
import type { TsdbLimits } from '../tsdb/limits.ts';
import { openTsdb, type Tsdb } from '../tsdb/open-tsdb.ts';

export const NOW = Date.parse('2026-08-03T10:00:00Z');
export const RANGE = { start: 0, end: NOW + 10 * MINUTE };

export const nanos = (time: number) => String(BigInt(NOW + time) * 1_000_000n);
export const attributes = (of: Record<string, string>) =>
  Object.entries(of).map(([key, stringValue]) => ({ key, value: { stringValue } }));
export const SHOP = attributes({ 'service.name': 'shop', 'service.namespace': 'eu', 'service.instance.id': 'a1' });
export const named = (name: string) => [{ name: '__name__', op: '=', value: name }] as const;

/** What is answered to a request of which everything is stored. */
export const DONE = { status: 200, body: {} };

/** A request of one resource and one scope, in JSON's form. */
export function otlpRequest(metrics: readonly object[], resource = SHOP) {
  return {
    resourceMetrics: [{ resource: { attributes: resource }, scopeMetrics: [{ scope: { name: 'lib' }, metrics }] }],
  };
}

export type OtlpReceiver = Awaited<ReturnType<typeof startOtlpReceiver>>;

/** The OTLP handler over a store on disk, behind a real server. */
export async function startOtlpReceiver(
  more: Partial<OtlpHandlerDeps> = {},
  limits: Partial<TsdbLimits> = { maxSeriesPerTenant: 200 },
) {
  const folder = await mkdtemp(join(tmpdir(), 'foresail-otlp-'));
  const dropped = new Map<string, number>();
  let tsdb: Tsdb;
  let handler: ReturnType<typeof otlpHandler>;
  async function open(): Promise<void> {
    tsdb = await openTsdb({ dir: folder, clock: { now: () => NOW }, limits });
    handler = otlpHandler({
      storage: tsdb.storage,
      memory: { memory: tsdb.labels.memory, core: tsdb.core },
      translation: {
        strategy: 'UnderscoreEscapingWithSuffixes',
        promoteResourceAttributes: ['zone'],
        promoteScopeMetadata: false,
      },
      now: () => NOW,
      callerOf: () => ({ tenant: DEFAULT_TENANT }),
      onRequest: (_tenant, summary) => {
        for (const [reason, count] of summary.dropped) dropped.set(reason, (dropped.get(reason) ?? 0) + count);
      },
      maxBytes: 1 << 20,
      ...more,
    });
  }
  await open();
  const server = createServer((request, response) => handler(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/otlp/v1/metrics`;

  async function post(body: Uint8Array, headers: Record<string, string> = {}, method = 'POST') {
    const response = await fetch(url, {
      method,
      headers: { 'content-type': 'application/x-protobuf', ...headers },
      ...(method === 'POST' && { body: new Uint8Array(body) }),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    return { status: response.status, headers: response.headers, bytes, text: bytes.toString('utf8') };
  }

  return {
    dropped,
    post,
    async sendJson(document: unknown) {
      const answer = await post(Buffer.from(JSON.stringify(document)), { 'content-type': 'application/json' });
      return { status: answer.status, body: JSON.parse(answer.text) };
    },
    tenant: (id = DEFAULT_TENANT) => tsdb.storage.tenant(id),
    /** Samples by series, times relative to now. */
    async stored(name: string, id = DEFAULT_TENANT): Promise<Record<string, [number, number | 'stale'][]>> {
      const all: Record<string, [number, number | 'stale'][]> = {};
      for (const { labels, chunks } of await tsdb.storage.tenant(id).select(named(name), RANGE)) {
        const { times, values } = decodeSamples(chunks, RANGE);
        all[formatLabels(labels)] = [...times].map((time, i) => [
          time - NOW,
          isStaleMarker(values, i) ? 'stale' : values[i]!,
        ]);
      }
      return all;
    },
    /** As after a restart: nothing in memory is left. */
    async reopen(): Promise<void> {
      await tsdb[Symbol.asyncDispose]();
      await open();
    },
    async [Symbol.asyncDispose](): Promise<void> {
      server.close();
      server.closeAllConnections();
      await tsdb[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}

/** A receiver for the tests of a file: there is one from their beginning to their end. */
export function useOtlpReceiver(): Omit<OtlpReceiver, keyof AsyncDisposable> {
  let receiver: OtlpReceiver;
  beforeAll(async () => {
    receiver = await startOtlpReceiver();
  });
  afterAll(() => receiver[Symbol.asyncDispose]());
  return {
    get dropped() {
      return receiver.dropped;
    },
    post: (...of) => receiver.post(...of),
    sendJson: (document) => receiver.sendJson(document),
    tenant: (id) => receiver.tenant(id),
    stored: (...of) => receiver.stored(...of),
    reopen: () => receiver.reopen(),
  };
}
