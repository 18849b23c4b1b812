import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AggregationTemporalityPreference,
  OTLPMetricExporter as JsonExporter,
} from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as ProtobufExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  AggregationType,
  MeterProvider,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
} from '@opentelemetry/sdk-metrics';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ServeProcess, startServe } from './serve-process.ts';

const data = mkdtempSync(join(tmpdir(), 'foresail-otel-'));
let server: ServeProcess;

beforeAll(async () => {
  server = await startServe(data);
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(data, { recursive: true });
});

const EXPORTERS = { json: JsonExporter, protobuf: ProtobufExporter };

/** The SDK's own exporter, to wherever the server listens now. */
function exporterOf(encoding: keyof typeof EXPORTERS, temporality: AggregationTemporality): PushMetricExporter {
  const temporalityPreference =
    temporality === AggregationTemporality.DELTA
      ? AggregationTemporalityPreference.DELTA
      : AggregationTemporalityPreference.CUMULATIVE;
  const open = () =>
    new EXPORTERS[encoding]({
      url: `${server.url}/otlp/v1/metrics`,
      temporalityPreference,
      // Its words for gzip, which it does not export.
      compression: (encoding === 'json' ? 'gzip' : 'none') as never,
    });
  const first = open();
  return {
    export: (metrics, done) => open().export(metrics, done),
    selectAggregationTemporality: (instrument) => first.selectAggregationTemporality(instrument),
    forceFlush: async () => undefined,
    shutdown: async () => undefined,
  };
}

function openMeter(service: string, exporter: PushMetricExporter) {
  const provider = new MeterProvider({
    resource: resourceFromAttributes({ 'service.name': service, 'service.instance.id': 'i1', 'host.name': 'h' }),
    readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })],
    views: [
      {
        instrumentName: 'size',
        aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM, options: { recordMinMax: true } },
      },
    ],
  });
  return { meter: provider.getMeter('test'), flush: () => provider.forceFlush(), end: () => provider.shutdown() };
}

async function values(query: string): Promise<readonly { readonly labels: object; readonly value: number }[]> {
  const response = await fetch(`${server.url}/api/v1/query?query=${encodeURIComponent(query)}`);
  const { data: answer } = (await response.json()) as {
    data: { result: { metric: object; value: [number, string] }[] };
  };
  return answer.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
}

async function only(query: string): Promise<number | undefined> {
  const all = await values(query);
  return all.length === 1 ? all[0]!.value : undefined;
}

describe.each(['json', 'protobuf'] as const)('what the OpenTelemetry SDK sends in %s', (encoding) => {
  test('is there to be queried', async () => {
    const { meter, flush, end } = openMeter(encoding, exporterOf(encoding, AggregationTemporality.CUMULATIVE));
    meter.createCounter('http.hits', { unit: '{hit}', description: 'Hits.' }).add(3, { 'http.route': '/' });
    meter.createUpDownCounter('jobs').add(-2);
    meter.createObservableGauge('load', { unit: '1' }).addCallback((result) => result.observe(0.25));
    const latency = meter.createHistogram('latency', { unit: 's', advice: { explicitBucketBoundaries: [0.1, 1] } });
    for (const seconds of [0.05, 0.5, 0.6, 7]) latency.record(seconds);
    meter.createHistogram('size', { unit: 'By' }).record(1_000);
    await flush();

    expect(await values(`http_hits_total{job="${encoding}"}`)).toEqual([
      { labels: { __name__: 'http_hits_total', http_route: '/', instance: 'i1', job: encoding }, value: 3 },
    ]);
    expect(await only(`jobs{job="${encoding}"}`)).toBe(-2);
    expect(await only(`load_ratio{job="${encoding}"}`)).toBe(0.25);
    const buckets = await values(`latency_seconds_bucket{job="${encoding}"}`);
    expect(buckets.map(({ value }) => value).sort()).toEqual([1, 3, 4]);
    expect(await only(`latency_seconds_sum{job="${encoding}"}`)).toBeCloseTo(8.15);
    expect(await only(`target_info{job="${encoding}", host_name="h"}`)).toBe(1);
    const metadata = await (await fetch(`${server.url}/api/v1/metadata?metric=http_hits_total`)).json();
    expect(metadata).toMatchObject({ data: { http_hits_total: [{ type: 'counter', help: 'Hits.' }] } });
    const counted = await (await fetch(`${server.url}/metrics`)).text();
    expect(counted).toContain('foresail_ingest_requests_total{protocol="otlp",code="200"}');
    expect(counted).not.toContain('foresail_dropped_samples_total{reason="native_histogram"}');
    await end();
  });

  test('as deltas goes on where it was after kill -9', async () => {
    const job = `delta-${encoding}`;
    const { meter, flush, end } = openMeter(job, exporterOf(encoding, AggregationTemporality.DELTA));
    const hits = meter.createCounter('hits');
    const latency = meter.createHistogram('wait', { advice: { explicitBucketBoundaries: [1] } });
    for (const count of [5, 2]) {
      hits.add(count);
      latency.record(0.5);
      await flush();
    }
    expect(await only(`hits_total{job="${job}"}`)).toBe(7);
    await server.kill();
    server = await startServe(data);
    expect(await only(`hits_total{job="${job}"}`)).toBe(7);
    hits.add(3);
    latency.record(2);
    await flush();
    expect(await only(`hits_total{job="${job}"}`)).toBe(10);
    expect(await only(`wait_bucket{job="${job}", le="1"}`)).toBe(2);
    expect(await only(`wait_count{job="${job}"}`)).toBe(3);
    await end();
  });
});
