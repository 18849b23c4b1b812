import { describe, test } from 'vitest';
import { HOUR, MINUTE } from '../model/time.ts';
import {
  ALL,
  type Data,
  type Expected,
  histogram,
  type Names,
  named,
  PZ,
  TYPE,
  trace,
  useReceiver,
} from '../testing/receiver-suite.ts';

/**
 * Of the 39 tests of the receivers' suite of prometheus/compliance, remotewrite/receiver at 67b8327 (Apache-2.0): what they
 * send, and what must be answered. They never read anything back. Here: the 11 tests of
 * requests with all kinds of data.
 */

const { check } = useReceiver();

describe('Combined', () => {
  const counter = named('http_requests_total', { job: 'api', method: 'POST' });
  const aboutOf = (labels: Names, type = TYPE.counter) => ({ labels, type, help: 'Help', unit: 'unit' });

  test.each<{ name: string; data: Data; expected: Expected }>([
    {
      name: 'SamplesWithMetadataAndExemplars',
      data: {
        samples: [{ labels: counter, value: 1 }],
        metadata: [aboutOf(counter)],
        exemplars: [{ labels: counter, exemplar: trace('request_trace_123', { user_id: 'user789' }), value: 1 }],
      },
      expected: { samples: 1, exemplars: 1 },
    },
    {
      name: 'HistogramsWithMetadataAndExemplars',
      data: {
        histograms: [{ labels: named('rd_seconds', { service: 'auth' }), histogram: histogram(0.456, ALL) }],
        metadata: [aboutOf(named('rd_seconds'), TYPE.histogram)],
        exemplars: [{ labels: named('rd_seconds', { service: 'auth' }), exemplar: trace('slow'), value: 0.456 }],
      },
      expected: { histograms: 1, exemplars: 1 },
    },
    {
      name: 'ComplexSamplesRequest',
      data: {
        samples: [
          { labels: named('cpu_usage', { instance: 'server1' }), value: 0.85 },
          { labels: named('memory_usage', { instance: 'server1' }), value: 8_589_934_592 },
        ],
        metadata: [aboutOf(named('cpu_usage'), TYPE.gauge), aboutOf(named('memory_usage'), TYPE.gauge)],
        exemplars: [
          { labels: named('cpu_usage', { instance: 'server1' }), exemplar: trace('high_cpu_trace'), value: 0.85 },
        ],
      },
      expected: { samples: 2, exemplars: 1 },
    },
    {
      name: 'ComplexHistogramsRequest',
      data: {
        histograms: [
          { labels: named('response_time_hist', { endpoint: '/api/v1/users' }), histogram: histogram(0.125, PZ) },
          {
            labels: named('request_size_hist', { method: 'POST' }),
            histogram: histogram(1024, { negative: true, zero: true }),
          },
        ],
        metadata: [aboutOf(named('response_time_hist'), TYPE.histogram)],
        exemplars: [
          { labels: named('response_time_hist', { endpoint: '/api/v1/users' }), exemplar: trace('fast'), value: 0.125 },
        ],
      },
      expected: { histograms: 2, exemplars: 1 },
    },
    {
      name: 'MultipleMetricFamiliesSamples',
      data: {
        samples: [
          { labels: named('http_requests_total', { status: '200' }), value: 1000 },
          { labels: named('temperature_celsius', { location: 'datacenter1' }), value: 23.5 },
        ],
        metadata: [aboutOf(named('http_requests_total')), aboutOf(named('temperature_celsius'), TYPE.gauge)],
        exemplars: [{ labels: named('http_requests_total', { status: '200' }), exemplar: trace('ok'), value: 1000 }],
      },
      expected: { samples: 2, exemplars: 1 },
    },
    {
      name: 'MultipleMetricFamiliesHistograms',
      data: {
        histograms: [
          { labels: named('request_duration_seconds', { handler: '/metrics' }), histogram: histogram(0.003, PZ) },
        ],
        metadata: [aboutOf(named('request_duration_seconds'), TYPE.histogram)],
        exemplars: [
          {
            labels: named('request_duration_seconds', { handler: '/metrics' }),
            exemplar: trace('scrape'),
            value: 0.003,
          },
        ],
      },
      expected: { histograms: 1, exemplars: 1 },
    },
    {
      name: 'ManySamples',
      data: {
        samples: many('counter_metric', 'series').map((labels, i) => ({ labels, value: i * 100 })),
        metadata: many('counter_metric', 'series').map((labels) => aboutOf(labels)),
        exemplars: many('counter_metric', 'series').map((labels, i) => ({
          labels,
          exemplar: trace(`trace_${i}`),
          value: i,
        })),
      },
      expected: { samples: 50, exemplars: 50 },
    },
    {
      name: 'ManyHistograms',
      data: {
        histograms: many('histogram_metric', 'bucket').map((labels, i) => ({
          labels,
          histogram: histogram(i / 10, { ...PZ, negative: i % 2 === 0 }),
        })),
        metadata: many('histogram_metric', 'bucket').map((labels) => aboutOf(labels, TYPE.histogram)),
        exemplars: many('histogram_metric', 'bucket').map((labels, i) => ({
          labels,
          exemplar: trace(`trace_${i}`),
          value: i,
        })),
      },
      expected: { histograms: 50, exemplars: 50 },
    },
    {
      name: 'SpecialCharactersCombined',
      data: {
        samples: [
          { labels: named('test_metric', { job: 'test-job_with.special@chars', environment: 'test🚀' }), value: 42 },
        ],
        metadata: [
          {
            labels: named('test_metric'),
            type: TYPE.gauge,
            help: 'äöü, newlines\nand "quotes"',
            unit: 'special/units',
          },
        ],
        exemplars: [
          {
            labels: named('test_metric', { job: 'test-job_with.special@chars', environment: 'test🚀' }),
            exemplar: trace('special_trace_äöü-123', { span_id: 'span_with.dots-and_underscores' }),
            value: 42,
          },
        ],
      },
      expected: { samples: 1, exemplars: 1 },
    },
    {
      name: 'CustomBucketsHistogramWithExemplar',
      data: {
        histograms: [
          { labels: named('custom_latency_hist', { version: 'v2' }), histogram: histogram(0.05, { custom: true }) },
        ],
        exemplars: [
          {
            labels: named('custom_latency_hist', { version: 'v2' }),
            exemplar: trace('custom', { bucket: '0.1' }),
            value: 0.05,
          },
        ],
      },
      expected: { histograms: 1, exemplars: 1 },
    },
    { name: 'EdgeCase: metadata_without_data', data: { metadata: [aboutOf(named('orphan_metric'))] }, expected: {} },
    {
      name: 'EdgeCase: exemplars_without_data',
      data: { exemplars: [{ labels: named('orphan_metric'), exemplar: trace('orphan_trace'), value: 42 }] },
      expected: { exemplars: 1 },
    },
  ])('$name', async ({ data, expected }) => {
    await check(data, expected);
  });

  test('EdgeCase: mixed_timestamp_data', async () => {
    const samples = [
      { labels: named('old_metric'), value: 1, offset: -HOUR },
      { labels: named('new_metric'), value: 2 },
    ];
    const exemplars = [{ labels: named('old_metric'), exemplar: trace('old_trace'), value: 1, offset: -30 * MINUTE }];
    await check({ samples, exemplars }, { samples: 2, exemplars: 1 }, 1);
  });

  function many(name: string, label: string): readonly Names[] {
    return Array.from({ length: 50 }, (_, i) => named(`${name}_${i}`, { [label]: `${label}_${i}` }));
  }
});
