import { describe, expect, test } from 'vitest';
import { boardOf, draftOf, forecastOf, NOW } from '../testing/external-metrics.ts';
import { type AnswerDeps, answerRequest } from './answer.ts';
import { openAuthorization } from './authorize.ts';
import type { Identity } from './identity.ts';
import { failure } from './status.ts';

const HPA: Identity = {
  user: 'system:serviceaccount:kube-system:horizontal-pod-autoscaler',
  groups: ['system:serviceaccounts', 'system:authenticated'],
  extra: {},
};
const BASE = '/apis/external.metrics.k8s.io/v1beta1';
const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

async function deps(changes: Partial<AnswerDeps> = {}): Promise<AnswerDeps> {
  const draft = draftOf({ name: 'web', floor: 1000, demands: [{ name: 'rps', value: 12.5 }] });
  const broken = draftOf({ name: 'broken', namespace: 'odd', demands: [{ name: 'rps', value: -1 }] });
  return {
    board: await boardOf([draft, broken], { rps: forecastOf({ 0.5: 40, 0.95: 80 }) }),
    authenticate: async () => ({ kind: 'known', identity: HPA }),
    refusalOf: async () => undefined,
    notReady: () => undefined,
    upstream: undefined,
    ...changes,
  };
}

async function ask(
  url: string,
  changes: Partial<AnswerDeps> = {},
  headers: Record<string, string[]> = {},
  method = 'GET',
) {
  return await answerRequest({ method, url, chain: [], headers }, await deps(changes));
}

describe('answerRequest()', () => {
  test('a metric, as the HPA controller asks for it', async () => {
    const { outcome, answer } = await ask(
      `${BASE}/namespaces/shop/foresail_demand_now?labelSelector=policy%3Dweb%2Cdemand+in+%28rps%29`,
    );
    expect(outcome).toBe('served');
    expect(answer).toEqual({
      status: 200,
      body: {
        kind: 'ExternalMetricValueList',
        apiVersion: 'external.metrics.k8s.io/v1beta1',
        metadata: {},
        items: [
          {
            metricName: 'foresail_demand_now',
            metricLabels: { policy: 'web', workload: 'web', demand: 'rps' },
            timestamp: '2026-11-21T09:00:00Z',
            value: '12500m',
          },
        ],
      },
    });
  });

  test('the window of a peak is in the answer', async () => {
    const { answer } = await ask(`${BASE}/namespaces/shop/foresail_forecast_peak`);
    expect(answer.body).toMatchObject({ items: [{ window: 300, value: '80', timestamp: '2026-11-21T08:59:00Z' }] });
  });

  test.each([
    { url: `${BASE}/namespaces/shop/foresail_desired_replicas`, status: 200, outcome: 'served' },
    {
      url: `${BASE}/namespaces/shop/foresail_desired_replicas?pretty=true&timeoutSeconds=5&whatever=1`,
      status: 200,
      outcome: 'served',
    },
    { url: `${BASE}/namespaces/shop/foresail_desired_replicas?watch=1`, status: 405, outcome: 'bad_request' },
    { url: `${BASE}/namespaces/shop/unheard_of`, status: 404, outcome: 'unknown_metric' },
    { url: `${BASE}/namespaces/other/foresail_demand_now`, status: 404, outcome: 'nothing_selected' },
    {
      url: `${BASE}/namespaces/shop/foresail_demand_now?labelSelector=policy%3Dx`,
      status: 404,
      outcome: 'nothing_selected',
    },
    { url: `${BASE}/namespaces/shop/foresail_demand_now?labelSelector=%3D`, status: 400, outcome: 'bad_request' },
    { url: `${BASE}/namespaces/odd/foresail_demand_now`, status: 404, outcome: 'no_value' },
    { url: `${BASE}/namespaces/shop/%ff`, status: 400, outcome: 'bad_request' },
    { url: `${BASE}/namespaces/shop`, status: 404, outcome: 'not_found' },
    { url: `${BASE}/namespaces/shop/a/b`, status: 404, outcome: 'not_found' },
    { url: `${BASE}/namespaces//foresail_demand_now`, status: 404, outcome: 'not_found' },
    { url: `${BASE}/foresail_demand_now`, status: 404, outcome: 'not_found' },
    { url: '/', status: 404, outcome: 'not_found' },
    { url: '/apis/custom.metrics.k8s.io', status: 404, outcome: 'not_found' },
    { url: '/apis', status: 200, outcome: 'discovery' },
    { url: '/apis/external.metrics.k8s.io', status: 200, outcome: 'discovery' },
    { url: BASE, status: 200, outcome: 'discovery' },
    { url: '/openapi/v2', status: 200, outcome: 'discovery' },
    { url: '/openapi/v3', status: 200, outcome: 'discovery' },
    { url: '/openapi/v3/apis/external.metrics.k8s.io/v1beta1?hash=1', status: 200, outcome: 'discovery' },
    { url: '/livez', status: 200, outcome: 'health' },
  ])('$url is $status', async ({ url, status, outcome }) => {
    const found = await ask(url);
    expect({ status: found.answer.status, outcome: found.outcome }).toEqual({ status, outcome });
    if (status >= 400)
      expect(found.answer.body).toMatchObject({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code: status });
  });

  test.each(['POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS'])('%s is not allowed', async (method) => {
    const { answer } = await ask(`${BASE}/namespaces/shop/foresail_demand_now`, {}, {}, method);
    expect(answer).toMatchObject({ status: 405, body: { reason: 'MethodNotAllowed' }, headers: { allow: 'GET' } });
  });

  test('why there is no value is a cause that a program can read', async () => {
    const { answer } = await ask(`${BASE}/namespaces/odd/foresail_demand_now`);
    expect(answer.body).toMatchObject({
      reason: 'NotFound',
      details: { name: 'foresail_demand_now', group: 'external.metrics.k8s.io', causes: [{ reason: 'NoValue' }] },
    });
  });

  test('nobody learns anything before it is known who asks, and that it may; health is for everybody', async () => {
    const authenticate = async () => ({ kind: 'refused', answer: failure('Unauthorized', 'Unauthorized') }) as const;
    const refusalOf = async () => failure('Forbidden', 'no');
    for (const url of ['/apis', BASE, '/openapi/v2', `${BASE}/namespaces/shop/foresail_demand_now`, '/nothing']) {
      expect((await ask(url, { authenticate })).outcome).toBe('unauthenticated');
      expect((await ask(url, { refusalOf })).outcome).toBe('forbidden');
    }
    expect((await ask('/healthz', { authenticate, refusalOf })).answer.status).toBe(200);
    const notReady = () => 'not yet';
    expect((await ask('/readyz', { notReady })).answer).toMatchObject({ status: 503, body: 'not yet' });
    expect((await ask('/livez', { notReady })).answer.status).toBe(200);
  });

  test('/apis is aggregated for who can read that, and 304 for who has it', async () => {
    const { answer } = await ask('/apis', {}, { accept: [`${AGGREGATED},application/json`] });
    expect(answer.contentType).toBe(AGGREGATED);
    expect(answer.body).toMatchObject({
      kind: 'APIGroupDiscoveryList',
      items: [
        { metadata: { name: 'external.metrics.k8s.io' }, versions: [{ version: 'v1beta1', freshness: 'Current' }] },
      ],
    });
    const etag = answer.headers!['etag']!;
    const again = await ask('/apis', {}, { accept: [AGGREGATED], 'if-none-match': [etag] });
    expect(again.answer).toMatchObject({ status: 304, body: undefined });
    expect(
      (
        await ask(
          '/apis',
          {},
          { accept: ['application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList'] },
        )
      ).answer.body,
    ).toMatchObject({ kind: 'APIGroupList' });
  });

  test('another adapter gets what is not ours, as it was asked, and its metrics are listed with ours', async () => {
    const asked: string[] = [];
    const upstream = {
      metrics: () => ['queue_length', 'foresail_demand_now'],
      forward: async (url: string) => {
        asked.push(url);
        return { status: 200, body: Buffer.from('{}') };
      },
      refresh: async () => {},
      close: () => {},
    };
    const url = `${BASE}/namespaces/shop/queue_length?labelSelector=a%3Db`;
    expect(await ask(url, { upstream })).toMatchObject({ outcome: 'forwarded', answer: { status: 200 } });
    expect((await ask(`${BASE}/namespaces/shop/foresail_demand_now`, { upstream })).outcome).toBe('served');
    expect((await ask(url, { upstream, refusalOf: async () => failure('Forbidden', 'no') })).outcome).toBe('forbidden');
    expect(asked).toEqual([url]);
    const { resources } = (await ask(BASE, { upstream })).answer.body as { resources: { name: string }[] };
    expect(resources.map(({ name }) => name)).toEqual([
      'foresail_demand_now',
      'foresail_desired_replicas',
      'foresail_forecast_demand',
      'foresail_forecast_peak',
      'queue_length',
    ]);
  });
});

describe('refusalOf()', () => {
  const metric = { kind: 'metric', namespace: 'shop', metric: 'foresail_demand_now' } as const;
  function open(allowed: () => boolean | 'down', now: () => number = () => NOW) {
    const bodies: unknown[] = [];
    const refusalOf = openAuthorization({
      now,
      ask: async ({ body }) => {
        bodies.push((body as { spec: unknown }).spec);
        const verdict = allowed();
        if (verdict === 'down') return { status: 503, body: { message: 'etcd is away' } };
        return { status: 201, body: { status: { allowed: verdict, reason: verdict ? '' : 'because' } } };
      },
    });
    return { refusalOf, bodies };
  }

  test('asks about a list of the metric in its namespace, and about a path by its name', async () => {
    const { refusalOf, bodies } = open(() => true);
    expect(await refusalOf(HPA, metric)).toBeUndefined();
    expect(await refusalOf(HPA, { kind: 'path', path: '/apis' })).toBeUndefined();
    const resourceAttributes = {
      group: 'external.metrics.k8s.io',
      version: 'v1beta1',
      resource: 'foresail_demand_now',
      namespace: 'shop',
      verb: 'list',
    };
    expect(bodies).toEqual([
      { ...HPA, resourceAttributes },
      { ...HPA, nonResourceAttributes: { path: '/apis', verb: 'get' } },
    ]);
  });

  test('a refusal is in the words of the API server', async () => {
    const refusal = await open(() => false).refusalOf({ user: 'eve', groups: [], extra: {} }, metric);
    expect(refusal).toMatchObject({ status: 403, body: { reason: 'Forbidden' } });
    expect((refusal?.body as { message: string }).message).toBe(
      'foresail_demand_now.external.metrics.k8s.io is forbidden: User "eve" cannot list resource "foresail_demand_now" in API group "external.metrics.k8s.io" in the namespace "shop": because',
    );
  });

  test('system:masters is not asked about; what cannot be asked is 503', async () => {
    const { refusalOf, bodies } = open(() => 'down');
    expect(await refusalOf({ user: 'admin', groups: ['system:masters'], extra: {} }, metric)).toBeUndefined();
    expect(bodies).toEqual([]);
    expect(await refusalOf(HPA, metric)).toMatchObject({ status: 503 });
  });

  test('a permission is served for a minute at most while it is asked anew; a refusal holds for ten seconds', async () => {
    let now = NOW;
    let allowed: boolean = true;
    const { refusalOf, bodies } = open(
      () => allowed,
      () => now,
    );
    const status = async () => (await refusalOf(HPA, metric))?.status ?? 200;
    expect(await status()).toBe(200);
    now += 15_000;
    allowed = false;
    expect([await status(), bodies.length]).toEqual([200, 2]);
    expect(await status()).toBe(403);
    allowed = true;
    now += 9_000;
    expect(await status()).toBe(403);
    now += 2_000;
    expect(await status()).toBe(200);
    allowed = false;
    now += 61_000;
    expect(await status()).toBe(403);
  });
});
