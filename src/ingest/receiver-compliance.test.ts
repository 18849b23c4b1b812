import { describe, expect, test } from 'vitest';
import { HOUR, MINUTE } from '../model/time.ts';
import { ALL, histogram, type Names, named, PZ, TYPE, trace, UP, up, useReceiver } from '../testing/receiver-suite.ts';
import { encodeWriteRequest } from '../wire/encode-write-request.ts';
import { encodeSnappy } from '../wire/snappy.ts';

/**
 * The 39 tests of the receivers' suite of prometheus/compliance, remotewrite/receiver at 67b8327 (Apache-2.0): what they
 * send, and what must be answered. They never read anything back. Those of requests with
 * all kinds of data are in receiver-compliance-combined.test.ts.
 */

const receiver = useReceiver();
const { check } = receiver;

/** Its "StaleNaN" is the number that the bits of the marker are, by a slip. */
const VALUES = { '1.0': 1, StaleNaN: 9_218_868_437_227_405_000, NaN: Number.NaN, Inf: Infinity, '-Inf': -Infinity };

describe.each(Object.entries(VALUES))('of the value %s', (_, value) => {
  test.each([
    { name: 'simple metric', labels: named('up'), ok: true },
    { name: 'with multiple labels', labels: UP, ok: true },
    { name: 'with newlines', labels: { ...UP, job: 'test\njob\n' }, ok: true },
    {
      name: 'with dots',
      labels: named('resource.cpu.usage', { 'job.name': 'testjob', 'instance.name': 'a:1' }),
      ok: true,
    },
    {
      name: 'with spaces',
      labels: named('resource cpu usage', { 'job name': 'testjob', 'instance name': 'a:1' }),
      ok: true,
    },
    { name: 'without name label', labels: { job: 'testjob', instance: 'localhost:9090' }, ok: false },
    { name: 'empty metric', labels: {}, ok: false },
  ])('SingleMetric: $name', async ({ labels, ok }) => {
    await check({ samples: [{ labels, value }] }, ok ? { samples: 1 } : { status: 400 });
  });

  const others = ['localhost:9091', 'localhost:9092', 'localhost:9093'];
  test.each([
    { name: 'multiple metrics', all: ['localhost:9090', ...others].map(up), samples: 4, status: 204 },
    {
      name: 'without name label',
      all: ['localhost:9090', ...others].map((instance) => ({ job: 'testjob', instance })),
      samples: 0,
      status: 400,
    },
    {
      name: '1 without name label',
      all: [{ job: 'testjob', instance: 'localhost:9090' }, ...others.map(up)],
      samples: 3,
      status: 400,
    },
  ])('MultipleMetrics: $name', async ({ all, samples, status }) => {
    await check({ samples: all.map((labels) => ({ labels, value })) }, { samples, status });
  });
});

test('CounterWithCreatedTimestamp', async () => {
  const labels = named('http_requests_total', { job: 'api' });
  await check({ samples: [{ labels, value: 100, created: -HOUR }] }, { samples: 1 });
});

describe('Exemplars', () => {
  test.each([
    { name: 'basic', labels: named('http_requests_total', { job: 'api' }), exemplar: trace('abc123def456'), value: 1 },
    {
      name: 'with span_id',
      labels: named('request_duration_seconds', { method: 'GET' }),
      exemplar: trace('xyz789', { span_id: 'span123' }),
      value: 0.125,
    },
    {
      name: 'without trace_id',
      labels: named('cpu_usage', { instance: 'host1' }),
      exemplar: { user_id: 'user123' },
      value: 0.85,
    },
    {
      name: 'multiple labels',
      labels: named('request_latency', { service: 'auth' }),
      exemplar: trace('trace456', { user: 'admin', endpoint: '/login' }),
      value: 0.05,
    },
    { name: 'no labels', labels: named('simple_counter'), exemplar: {}, value: 1 },
    {
      name: 'special characters',
      labels: named('test_metric'),
      exemplar: trace('trace-with-dashes_and_underscores.123'),
      value: 42,
    },
    {
      name: 'unicode',
      labels: named('unicode_test', { region: '🌍' }),
      exemplar: trace('unicode_trace_测试'),
      value: 100,
    },
  ])('$name', async ({ labels, exemplar, value }) => {
    await check(
      { samples: [{ labels, value }], exemplars: [{ labels, exemplar, value }] },
      { samples: 1, exemplars: 1 },
    );
  });

  test('WithCreatedTimestamp', async () => {
    const labels = named('http_requests_total', { job: 'api' });
    const exemplars = [{ labels, exemplar: trace('abc123', { span_id: 'span456' }), value: 250 }];
    await check({ samples: [{ labels, value: 250, created: -2 * HOUR }], exemplars }, { samples: 1, exemplars: 1 });
  });

  test('MultipleExemplars', async () => {
    const all = [
      { labels: named('request_duration', { method: 'GET' }), value: 0.1, exemplar: trace('trace1') },
      { labels: named('request_duration', { method: 'POST' }), value: 0.25, exemplar: trace('trace2') },
      {
        labels: named('error_count', { service: 'payment' }),
        value: 1,
        exemplar: trace('trace3', { user: 'test_user' }),
      },
    ];
    await check({ samples: all, exemplars: all }, { samples: 3, exemplars: 3 });
  });

  test('ExemplarTimestamps', async () => {
    const labels = named('latency_hist');
    const all = [
      { labels, value: 0.05, offset: -HOUR, exemplar: trace('old_trace') },
      { labels, value: 0.15, offset: -MINUTE, exemplar: trace('recent_trace') },
      { labels, value: 0.08, exemplar: trace('current_trace') },
    ];
    await check({ samples: all, exemplars: all }, { samples: 3, exemplars: 3 }, 1);
    // The suite takes 400 with what is kept: by then, a sample of an hour ago is too late.
    const again = await receiver.send(receiver.requestOf({ samples: all, exemplars: all }, false));
    expect(again).toMatchObject({ status: 400, written: ['2', '0', '2'] });
  });

  test.each([
    { name: 'without_name_label', labels: { job: 'test' }, status: 400 },
    { name: 'with_empty_name', labels: named(''), status: 400 },
    { name: 'with_valid_name', labels: named('valid_metric'), status: 204 },
  ])('ExemplarValidation: $name', async ({ labels, status }) => {
    const count = status === 204 ? 1 : 0;
    const exemplars = [{ labels, exemplar: trace('test_trace'), value: 1 }];
    await check({ samples: [{ labels, value: 1 }], exemplars }, { samples: count, exemplars: count, status }, 1);
  });

  test.each([0, -123.456, 1e10, 1e-10, Number.NaN, Infinity, -Infinity])('ExemplarSpecialValues: %d', async (value) => {
    const labels = named('test_metric');
    const exemplars = [{ labels, exemplar: trace('special_value_trace'), value }];
    await check({ samples: [{ labels, value }], exemplars }, { samples: 1, exemplars: 1 });
  });
});

describe('Histograms', () => {
  test.each([
    { name: 'basic', labels: named('test_histogram'), histogram: histogram(1, ALL) },
    {
      name: 'custom buckets',
      labels: named('test_histogram'),
      histogram: histogram(1, { positive: true, custom: true }),
    },
    { name: 'positive only', labels: named('test_histogram', { job: 'test' }), histogram: histogram(1, PZ) },
    {
      name: 'negative only',
      labels: named('test_histogram', { instance: 'localhost' }),
      histogram: histogram(1, { negative: true }),
    },
    { name: 'minimal', labels: named('minimal_hist'), histogram: histogram(1, { zero: true }) },
    { name: 'EmptyHistogram', labels: named('empty_hist'), histogram: histogram(0, {}) },
  ])('$name', async (each) => {
    await check({ histograms: [each] }, { histograms: 1 });
  });

  test('bad count', async () => {
    const bad = histogram(1, { positive: true, badCount: true });
    await check({ histograms: [{ labels: named('minimal_hist'), histogram: bad }] }, { status: 400 });
  });

  test('WithCreatedTimestamp', async () => {
    const labels = named('request_duration_seconds', { job: 'api' });
    await check({ histograms: [{ labels, histogram: histogram(1.5, ALL), created: -30 * MINUTE }] }, { histograms: 1 });
  });

  test('MultipleHistograms', async () => {
    const histograms = [
      { labels: named('hist1', { job: 'test' }), histogram: histogram(10.5, PZ) },
      { labels: named('hist2', { job: 'test' }), histogram: histogram(5.2, { negative: true }) },
    ];
    await check({ histograms }, { histograms: 2 });
  });

  const labels = named('request_duration_seconds', { job: 'api' });
  const one = { labels, histogram: histogram(2.5, ALL) };
  const about = { labels: named('request_duration_seconds'), type: TYPE.histogram, help: 'Duration', unit: 'seconds' };
  const exemplar = { labels, exemplar: trace('abc123def456', { span_id: 'span789' }), value: 1.23 };

  test('HistogramWithMetadata', async () => {
    await check({ histograms: [one], metadata: [about] }, { histograms: 1 });
  });

  test('HistogramWithExemplar', async () => {
    await check({ histograms: [one], exemplars: [exemplar] }, { histograms: 1, exemplars: 1 });
  });

  test('HistogramWithMetadataAndExemplar', async () => {
    const data = { histograms: [one], exemplars: [exemplar], metadata: [about] };
    await check(data, { histograms: 1, exemplars: 1 });
  });

  test('MultipleHistogramsWithMetadata', async () => {
    const histograms = [
      { labels: named('cpu_usage_histogram', { instance: 'server1' }), histogram: histogram(0.75, PZ) },
      {
        labels: named('memory_usage_histogram', { instance: 'server1' }),
        histogram: histogram(8_589_934_592, { positive: true, negative: true }),
      },
    ];
    const metadata = histograms.map(({ labels }) => ({ labels, type: TYPE.histogram, help: 'Usage', unit: 'bytes' }));
    await check({ histograms, metadata }, { histograms: 2 });
  });
});

describe('Metadata', () => {
  test.each([
    { name: 'counter', metric: 'http_requests_total', type: TYPE.counter, help: 'Total', unit: 'requests' },
    { name: 'gauge', metric: 'cpu_usage_percent', type: TYPE.gauge, help: 'Current CPU usage', unit: 'percent' },
    { name: 'no help, no unit', metric: 'simple_counter', type: TYPE.counter, help: '', unit: '' },
    {
      name: 'special characters',
      metric: 'test_metric',
      type: TYPE.gauge,
      help: 'with\nnewlines and "quotes"',
      unit: 'bytes/sec',
    },
    { name: 'unspecified type', metric: 'unknown_metric', type: TYPE.unspecified, help: 'Unknown', unit: '' },
    { name: 'info', metric: 'build_info', type: TYPE.info, help: 'Build information', unit: '' },
    { name: 'stateset', metric: 'node_state', type: TYPE.stateset, help: 'Node state', unit: '' },
    { name: 'summary', metric: 'request_latency_summary', type: TYPE.summary, help: 'Latency', unit: 'seconds' },
    { name: 'gauge histogram', metric: 'temperature_histogram', type: TYPE.gaugeHistogram, help: 'T', unit: 'celsius' },
  ])('$name', async ({ metric, ...about }) => {
    const labels = named(metric);
    await check({ samples: [{ labels, value: 1 }], metadata: [{ labels, ...about }] }, { samples: 1 });
  });

  test('histogram', async () => {
    const labels = named('request_duration_seconds');
    const metadata = [{ labels, type: TYPE.histogram, help: 'Request duration in seconds', unit: 'seconds' }];
    await check({ histograms: [{ labels, histogram: histogram(1, ALL) }], metadata }, { histograms: 1 });
  });

  const labels = named('http_requests_total', { job: 'api' });
  const about = {
    labels: named('http_requests_total'),
    type: TYPE.counter,
    help: 'Total HTTP requests',
    unit: 'requests',
  };

  test('CounterMetadataWithCreatedTimestamp', async () => {
    await check({ samples: [{ labels, value: 150, created: -HOUR }], metadata: [about] }, { samples: 1 });
  });

  test('MetadataWithSamples', async () => {
    await check({ samples: [{ labels: { ...labels, job: 'test' }, value: 42 }], metadata: [about] }, { samples: 1 });
  });

  test('MultipleMetadata', async () => {
    const all = [named('cpu_usage'), named('memory_usage'), named('disk_usage', { device: 'sda1' })];
    const metadata = all.map((each) => ({ labels: each, type: TYPE.gauge, help: 'Usage', unit: 'percent' }));
    await check({ samples: all.map((each) => ({ labels: each, value: 85.5 })), metadata }, { samples: 3 });
  });

  test('MetadataWithComplexLabels', async () => {
    const complex = named('http_request_duration_seconds', {
      job: 'api-server',
      instance: 'localhost:8080',
      method: 'GET',
      status: '200',
      endpoint: '/api/v1/users',
    });
    const metadata = [{ labels: complex, type: TYPE.histogram, help: 'Duration', unit: 'seconds' }];
    await check({ histograms: [{ labels: complex, histogram: histogram(0.25, ALL) }], metadata }, { histograms: 1 });
  });

  test.each([
    { name: 'without_name_label', labels: { job: 'test' } as Names, status: 400 },
    { name: 'with_empty_name', labels: named(''), status: 400 },
    { name: 'with_valid_name', labels: named('valid_metric_name'), status: 204 },
  ])('MetadataValidation: $name', async ({ labels: own, status }) => {
    const metadata = [{ labels: own, type: TYPE.counter, help: 'Test help', unit: 'unit' }];
    await check({ samples: [{ labels: own, value: 1 }], metadata }, { samples: status === 204 ? 1 : 0, status }, 1);
  });
});

describe('Request', () => {
  const corrupt = () => {
    const body = receiver.requestOf({ samples: [{ labels: named('up'), value: 1 }] }, false);
    body[0] = 0x30;
    return body;
  };

  test.each(['application/json', 'image/png'])('BadContentTypes: %s', async (type) => {
    expect(await receiver.send(corrupt(), { 'content-type': type })).toMatchObject({ status: 415 });
  });

  test.each(['gzip', 'deflate'])('BadContentEncodings: %s', async (encoding) => {
    expect(await receiver.send(corrupt(), { 'content-encoding': encoding })).toMatchObject({ status: 415 });
  });

  test('CorruptRequestBody', async () => {
    expect(await receiver.send(corrupt())).toMatchObject({ status: 400, written: ['0', '0', '0'] });
  });
});

describe('RW1', () => {
  const request = () =>
    encodeSnappy(
      encodeWriteRequest([
        { labels: Object.entries(UP).reverse(), times: [receiver.now()], values: Float64Array.of(1) },
        { labels: [['__name__', 'http_requests_total']], times: [receiver.now()], values: Float64Array.of(100) },
      ]),
    );
  const headers = { 'content-type': 'application/x-protobuf', 'x-prometheus-remote-write-version': '0.1.0' };

  test('BasicCompatibility: nothing is said of what was written', async () => {
    expect(await receiver.send(request(), headers)).toMatchObject({ status: 204, written: [null, null, null] });
  });

  test('ErrorHandling', async () => {
    const body = request();
    body[0] = 0xff;
    expect(await receiver.send(body, headers)).toMatchObject({ status: 400, written: [null, null, null] });
  });
});
