import { expect, test } from 'vitest';
import { openForecastStore } from '../forecasts/forecast-store.ts';
import { demandLabels } from '../loops/demand-series.ts';
import { labelsOf } from '../model/labels.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { evaluatorOver } from '../promql/run.ts';
import { appendSeries } from '../storage/append-series.ts';
import type { Storage } from '../storage/storage.ts';
import { memoryKeyValue } from '../testing/memory-key-value.ts';
import { memoryStorage } from '../testing/memory-storage.ts';
import { parsedPolicy } from '../testing/policy.ts';
import { queryStorage } from './query-storage.ts';

const NOW = 1_800_000_000_000;
const policy = parsedPolicy('web', {
  target: { name: 'web' },
  demand: { name: 'rps', query: 'x', capacity: { perReplica: 1 } },
  replicas: { min: 1, max: 9 },
});

/** A store in which an engine of its own answers expressions: with what it was asked. */
async function withEngine(since?: number) {
  const storage = memoryStorage();
  const sample = { times: Float64Array.of(NOW), values: Float64Array.of(5) };
  await appendSeries(storage.tenant(DEFAULT_TENANT), [
    { labels: demandLabels(policy, policy.demands[0]!), ...sample },
    { labels: labelsOf({ __name__: 'job:rps:rate5m' }), ...sample },
  ]);
  const value = (expression: string) => ({
    value: { kind: 'string' as const, time: NOW, value: `there: ${expression}` },
    warnings: [],
    infos: [],
  });
  const engine: Storage = {
    ...storage,
    tenant: (id) => ({ ...storage.tenant(id), instant: async (e) => value(e), range: async (e) => value(e) }),
  };
  return queryStorage({
    storage: engine,
    forecasts: openForecastStore(memoryKeyValue()),
    policies: { list: async () => [{ tenant: DEFAULT_TENANT, policy }] },
    evaluator: (reader) => evaluatorOver(reader),
    hasEngine: true,
    sinceOf: () => (since === undefined ? undefined : () => since),
  }).tenant(DEFAULT_TENANT);
}

test.each([
  { query: 'sum(rate(http_requests_total[5m]))', where: 'there' },
  { query: 'job:rps:rate5m', where: 'there' },
  { query: '{__name__=~"job:.+"}', where: 'there' },
  { query: 'rps', where: 'there' },
  { query: 'keep_last_value(median_over_time(x[5m])) default 0', where: 'there' },
  { query: 'rps:predicted{ml_forecast="yhat"}', where: 'here' },
  { query: 'rps:actual - rps:predicted', where: 'here' },
  { query: 'rps:predicted{policy="another"}', where: 'there' },
  { query: '1 + 1', where: 'here' },
])('with an engine, $query is answered $where', async ({ query, where }) => {
  const storage = await withEngine();
  const answers = [
    await storage.instant(query, NOW),
    await storage.range(query, { start: NOW, end: NOW, stepMs: 1000 }),
  ];
  for (const { value } of answers) expect(value.kind === 'string' ? 'there' : 'here').toBe(where);
});

test('with an engine, what comes of forecasts has the values that the engine keeps', async () => {
  const storage = await withEngine();
  expect((await storage.instant('rps:actual', NOW)).value).toMatchObject({ samples: [{ value: 5 }] });
});

test.each([
  { query: 'rps', where: 'there' },
  { query: 'rate(rps[50m])', where: 'there' },
  { query: 'rate(rps[61m])', where: 'here' },
  { query: 'rps offset 1h', where: 'here' },
  { query: 'rps @ 0', where: 'here' },
  { query: 'max_over_time(rps[56m:1m])', where: 'here' },
])('an engine does not answer what looks further back than the tenant may: $query', async ({ query, where }) => {
  const storage = await withEngine(NOW - 3_600_000);
  const { value } = await storage.instant(query, NOW);
  expect(value.kind === 'string' ? 'there' : 'here').toBe(where);
});

test('a tenant with a lookback asks its engine nothing in words that are not judged here', async () => {
  const storage = await withEngine(NOW - 3_600_000);
  await expect(storage.instant('keep_last_value(x) default 0', NOW)).rejects.toThrow('parse error');
  const range = { start: NOW - 7_200_000, end: NOW, stepMs: 60_000 };
  expect((await storage.range('rps', range)).value).toMatchObject({
    kind: 'matrix',
    series: [{ times: { length: 1 } }],
  });
});
