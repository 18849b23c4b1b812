import { afterAll, beforeAll, expect, test } from 'vitest';
import { labelsOf } from '../model/labels.ts';
import { setStaleMarker } from '../model/series.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { parseSeriesSelector } from '../promql/parse-series-selector.ts';
import { appendSeries } from '../storage/append-series.ts';
import { NOW, serve } from '../testing/http-deps.ts';
import { memoryStorage } from '../testing/memory-storage.ts';
import type { Listening } from './listen.ts';

let server: Listening;
beforeAll(async () => {
  const storage = memoryStorage({ now: () => NOW });
  const ended = Float64Array.of(1, 0);
  setStaleMarker(ended, 1);
  const times = Float64Array.of(NOW - 60_000, NOW - 15_000);
  await appendSeries(storage.tenant(DEFAULT_TENANT), [
    { labels: labelsOf({ __name__: 'up', job: 'b', instance: 'h:1' }), times, values: Float64Array.of(1, 1e-7) },
    { labels: labelsOf({ __name__: 'up', job: 'a"\n\\', zone: 'x' }), times, values: Float64Array.of(1, Infinity) },
    { labels: labelsOf({ __name__: 'ended' }), times, values: ended },
    { labels: labelsOf({ __name__: 'old' }), times: Float64Array.of(NOW - 600_000), values: Float64Array.of(3) },
    { labels: labelsOf({ __name__: 'my.metric', 'a.b': 'c' }), times, values: Float64Array.of(1, 2) },
  ]);
  server = await serve({ storage, parseSelector: parseSeriesSelector, externalLabels: { cluster: 'eu-1', zone: 'y' } });
});
afterAll(() => server.close());

test('/federate has the newest sample of each series, with its time and the external labels', async () => {
  const match = new URLSearchParams([
    ['match[]', '{__name__=~"ended|old|my.metric"}'],
    ['match[]', 'up'],
    ['match[]', 'up{job="b"}'],
  ]);
  const response = await fetch(`${server.url}/federate?${match}`);
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  expect(await response.text()).toBe(
    [
      '# TYPE up untyped',
      `up{cluster="eu-1",instance="h:1",job="b",zone="y"} 1e-07 ${NOW - 15_000}`,
      `up{cluster="eu-1",job="a\\"\\n\\\\",zone="x",instance=""} +Inf ${NOW - 15_000}`,
      '# TYPE "my.metric" untyped',
      `{"my.metric","a.b"="c",cluster="eu-1",zone="y",instance=""} 2 ${NOW - 15_000}`,
      '',
    ].join('\n'),
  );
});

test('/federate needs a selector', async () => {
  expect((await fetch(`${server.url}/federate`)).status).toBe(400);
  expect((await fetch(`${server.url}/federate?match[]=%7B`)).status).toBe(400);
});

test.each([
  { path: '/api/v1/status/config', data: { yaml: 'global:\n  external_labels:\n    cluster: eu-1\n    zone: y\n' } },
  { path: '/api/v1/status/flags', data: { 'query.lookback-delta': '5m' } },
  { path: '/api/v1/status/runtimeinfo', data: { reloadConfigSuccess: true, storageRetention: '30d' } },
  { path: '/api/v1/status/walreplay', data: { state: 'done' } },
  { path: '/api/v1/alertmanagers', data: { activeAlertmanagers: [] } },
])('$path', async ({ path, data }) => {
  const response = await fetch(`${server.url}${path}`);
  expect(await response.json()).toMatchObject({ status: 'success', data });
});
