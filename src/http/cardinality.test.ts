import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { labelsOf } from '../model/labels.ts';
import { serve } from '../testing/http-deps.ts';
import { labelNamesCardinality, labelValuesCardinality, tallyLabels, tsdbStatus } from './cardinality.ts';
import type { Listening } from './listen.ts';

const SERIES = [
  { __name__: 'up', job: 'a', pod: '1' },
  { __name__: 'up', job: 'a', pod: '2' },
  { __name__: 'up', job: 'b', pod: '3' },
  { __name__: 'down', job: 'b' },
].map((labels) => labelsOf(labels));

describe('of a tenant', () => {
  test('label names with the most values come first, in the form of Mimir', async () => {
    expect(labelNamesCardinality(await tallyLabels(SERIES), 2)).toEqual({
      label_values_count_total: 7,
      label_names_count: 3,
      cardinality: [
        { label_name: 'pod', label_values_count: 3 },
        { label_name: '__name__', label_values_count: 2 },
      ],
    });
  });

  test('label values with the most series come first, in the form of Mimir', async () => {
    expect(labelValuesCardinality(await tallyLabels(SERIES), ['pod', 'job', 'none'], 1)).toEqual({
      series_count_total: 4,
      labels: [
        {
          label_name: 'job',
          label_values_count: 2,
          series_count: 4,
          cardinality: [{ label_value: 'a', series_count: 2 }],
        },
        {
          label_name: 'pod',
          label_values_count: 3,
          series_count: 3,
          cardinality: [{ label_value: '1', series_count: 1 }],
        },
        { label_name: 'none', label_values_count: 0, series_count: 0, cardinality: [] },
      ],
    });
  });

  test('the status is in the form of Prometheus', async () => {
    const status = tsdbStatus(await tallyLabels(SERIES), { chunks: 5, minTime: 1_000, maxTime: 9_000 }, 1);
    expect(status).toEqual({
      headStats: { numSeries: 4, numLabelPairs: 7, chunkCount: 5, minTime: 1_000, maxTime: 9_000 },
      seriesCountByMetricName: [{ name: 'up', value: 3 }],
      labelValueCountByLabelName: [{ name: 'pod', value: 3 }],
      memoryInBytesByLabelName: [{ name: '__name__', value: 22 }],
      seriesCountByLabelValuePair: [{ name: '__name__=up', value: 3 }],
    });
  });

  test('many series are counted whole, in turns', async () => {
    const many = Array.from({ length: 5_001 }, (_, i) => labelsOf({ __name__: 'm', i: `${i}` }));
    expect((await tallyLabels(many)).byName.get('i')?.size).toBe(5_001);
  });
});

describe('requests', () => {
  let server: Listening;
  beforeAll(async () => {
    server = await serve();
  });
  afterAll(() => server.close());

  test.each([
    { path: '/api/v1/user_limits', want: { ingestion_rate: 10_000 } },
    { path: '/api/v1/cardinality/label_names?limit=1', want: { cardinality: [{}] } },
    { path: '/api/v1/cardinality/label_values?label_names[]=job', want: { labels: [{ label_name: 'job' }] } },
    { path: '/api/v1/status/tsdb', want: { status: 'success', data: { headStats: {} } } },
  ])('GET $path', async ({ path, want }) => {
    const answer = await fetch(`${server.url}${path}`);
    expect([answer.status, await answer.json()]).toMatchObject([200, want]);
  });

  test.each([
    '/api/v1/cardinality/label_names?limit=501',
    '/api/v1/cardinality/label_names?count_method=guess',
    '/api/v1/cardinality/label_names?selector={',
    '/api/v1/cardinality/label_values',
    `/api/v1/cardinality/label_values?${Array.from({ length: 101 }, (_, i) => `label_names[]=a${i}`).join('&')}`,
    '/api/v1/cardinality/active_series',
    '/api/v1/status/tsdb?limit=10001',
  ])('GET %s: 400', async (path) => {
    const answer = await fetch(`${server.url}${path}`);
    expect([answer.status, await answer.json()]).toMatchObject([400, { code: 'bad_parameter' }]);
  });
});
