import { describe, expect, test } from 'vitest';
import type { LiveAccuracy } from '../model/forecast.ts';
import type { ForecastScore } from '../model/issued-forecast.ts';
import { DAY, HOUR, MINUTE } from '../model/time.ts';
import { parsePolicy, type ScalingPolicy } from '../scaling/policy.ts';
import { NOW, serve } from '../testing/http-deps.ts';
import { sampleForecast, samplePolicy, sampleWorkload } from '../testing/sample-workloads.ts';
import type { DemandAccuracy } from './deps.ts';

const LIVE: LiveAccuracy = {
  errorVsNaive: 0.7,
  coverageBroken: false,
  horizons: [
    {
      ...{ horizon: 'peak' as const, aheadMs: 8 * MINUTE, count: 120.5, errorVsLast: 0.6 },
      ...{ errorVsSeason: Number.NaN, coverage: 0.951, central: 0.94, bias: -0.02 },
    },
  ],
};

/** A server with one policy for each entry: its error, and since when it is in which state. */
async function serverOf(entries: readonly (Partial<DemandAccuracy> & { readonly name: string })[]) {
  const server = await serve({
    accuracy: async (_tenant, { name }: ScalingPolicy) => {
      const entry = entries.find((each) => each.name === name)!;
      const { name: _name, ...accuracy } = entry;
      return [
        {
          demand: 'rps',
          issuedAt: NOW - MINUTE,
          live: LIVE,
          errorVsNaive: 0.7,
          limit: 1,
          trust: undefined,
          ...accuracy,
        },
      ];
    },
    scores: async (_tenant, _policy, _demand, range) => SCORES.filter(({ day }) => day >= range.start),
  });
  for (const { name } of entries) {
    const body = JSON.stringify(policyDocument(name));
    const headers = { 'content-type': 'application/json' };
    const put = await fetch(`${server.url}/api/v1/policies/shop/${name}`, { method: 'PUT', body, headers });
    expect(put.status).toBe(201);
  }
  return server;
}

const SUMS = {
  ...{ count: 10, absoluteError: 5, absoluteErrorOfLast: 10, absoluteErrorOfRecent: 0, seasonCount: 0 },
  ...{
    absoluteErrorBesideSeason: 0,
    absoluteErrorOfSeason: 0,
    covered: 9,
    complete: 10,
    within: 9,
    bias: 1,
    size: 100,
  },
};
const SCORES: readonly ForecastScore[] = [
  { day: NOW - 40 * DAY, horizons: { window: SUMS } },
  { day: NOW - DAY, horizons: { window: SUMS } },
];

describe('GET /api/v1/accuracy', () => {
  const demoted = {
    demand: 'rps',
    state: 'demoted' as const,
    since: NOW - HOUR,
    reason: { code: 'WorseThanNaive' as const, text: 'it was' },
  };
  const trusted = { demand: 'rps', state: 'trusted' as const, since: NOW - DAY, reason: null };

  test('the worst first: demoted ones, then by the error that the gate judges, then what is not known', async () => {
    const server = await serverOf([
      { name: 'good', errorVsNaive: 0.5, trust: trusted },
      { name: 'unseen', errorVsNaive: null },
      { name: 'fair', errorVsNaive: 0.9, trust: trusted },
      { name: 'bad', errorVsNaive: 0.97, trust: demoted },
    ]);
    const { data } = (await (await fetch(`${server.url}/api/v1/accuracy`)).json()) as { data: { policy: string }[] };
    expect(data.map(({ policy }) => policy)).toEqual(['bad', 'fair', 'good', 'unseen']);
    expect(data[0]).toMatchObject({
      ...{
        namespace: 'shop',
        demand: 'rps',
        state: 'demoted',
        since: (NOW - HOUR) / 1000,
        errorVsNaive: 0.97,
        limit: 1,
      },
      reason: { code: 'WorseThanNaive', text: 'it was' },
      recent: [{ horizon: 'peak', aheadSeconds: 480, errorVsLast: 0.6, errorVsSeason: null, coverage: 0.951 }],
    });
    await server.close();
  });

  test.each([
    { query: '?limit=1', want: 1 },
    { query: '?namespace=shop', want: 2 },
    { query: '?namespace=other', want: 0 },
    { query: '?policy=a', want: 1 },
  ])('$query', async ({ query, want }) => {
    const server = await serverOf([{ name: 'a' }, { name: 'b' }]);
    const { data } = (await (await fetch(`${server.url}/api/v1/accuracy${query}`)).json()) as { data: unknown[] };
    expect(data.length).toBe(want);
    await server.close();
  });

  test('one policy’s by day, as far back as asked', async () => {
    const server = await serverOf([{ name: 'a' }]);
    const daysOf = async (query: string) => {
      const response = await fetch(`${server.url}/api/v1/policies/shop/a/accuracy${query}`);
      return ((await response.json()) as { data: { days: unknown[] }[] }).data[0]?.days;
    };
    expect(await daysOf('')).toEqual([
      {
        day: (NOW - DAY) / 1000,
        horizons: [
          {
            ...{ horizon: 'window', count: 10, errorVsLast: 0.5, errorVsSeason: null },
            ...{ coverage: 0.9, central: 0.9, bias: 0.01 },
          },
        ],
      },
    ]);
    expect((await daysOf('?days=100'))?.length).toBe(2);
    expect((await fetch(`${server.url}/api/v1/policies/shop/b/accuracy`)).status).toBe(404);
    await server.close();
  });
});

test('the page shows the error and the coverage that the gate judges', async () => {
  const forecast = { ...sampleForecast(), live: LIVE };
  const server = await serve({
    workloads: async () => [sampleWorkload(samplePolicy('checkout'), {})],
    forecasts: async () => [{ demand: 'foresail_demand', forecast, errorVsNaive: 0.71 }],
  });
  const text = await (await fetch(server.url)).text();
  expect(text).toContain('its peaks have 71 % of the error of naive ones; their 95 % bound held 95.1 % of the time');
  await server.close();
});

function policyDocument(name: string) {
  const document = {
    apiVersion: 'foresail.dev/v1alpha1',
    kind: 'ScalingPolicy',
    metadata: { name, namespace: 'shop' },
    spec: {
      target: { name },
      demand: { name: 'rps', query: 'rps', capacity: { perReplica: 10 } },
      replicas: { min: 1, max: 9 },
    },
  };
  parsePolicy(document);
  return document;
}
