import { afterAll, beforeAll, expect, test } from 'vitest';
import { labelsOf } from '../model/labels.ts';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { MINUTE } from '../model/time.ts';
import { parseSeriesSelector } from '../promql/parse-series-selector.ts';
import { NOW, serve } from '../testing/http-deps.ts';
import type { Listening } from './listen.ts';
import { type RuleGroupView, rulesRoutes } from './routes/rules.ts';

const ALERT = {
  labels: labelsOf({ alertname: 'High', job: 'shop', severity: 'page' }),
  annotations: labelsOf({ summary: 'high' }),
  state: 'firing',
  activeAt: NOW - 500,
  keepFiringSince: undefined,
  value: 12,
} as const;

const EVALUATED = { health: 'ok', error: undefined, evaluatedAt: NOW, seconds: 0.002 } as const;

const group = (name: string, file: string): RuleGroupView => ({
  ...{ name, file, intervalMs: MINUTE, limit: 0, evaluatedAt: NOW, seconds: 0.004 },
  rules: [
    { kind: 'recording', name: 'load:sum', expression: 'sum(load)  ', labels: labelsOf({ team: 'a' }), ...EVALUATED },
    {
      ...{
        kind: 'alerting',
        name: 'High',
        expression: 'load:sum>10',
        state: 'firing',
        forMs: 90_000,
        keepFiringForMs: 0,
      },
      labels: labelsOf({ severity: 'page', zone: '{{ $labels.zone }}' }),
      annotations: labelsOf({ summary: 'high' }),
      ...EVALUATED,
      alerts: [ALERT],
    },
  ],
});

const GROUPS = [group('a', '/rules/one.yaml'), group('b', '/rules/one.yaml'), group('a', '/rules/two.yaml')];
let server: Listening;

beforeAll(async () => {
  const routes = [
    (router: Parameters<typeof rulesRoutes>[0]) =>
      rulesRoutes(router, {
        callerOf: () => ({ tenant: DEFAULT_TENANT, role: 'reader' }),
        parseSelector: parseSeriesSelector,
        ruleGroups: () => GROUPS,
      }),
  ];
  server = await serve({ routes });
});

afterAll(() => server.close());

async function get(path: string) {
  const response = await fetch(`${server.url}${path}`);
  return { status: response.status, body: (await response.json()) as { data: Answer; error?: string } };
}

interface Answer {
  readonly groups: readonly {
    readonly name: string;
    readonly file: string;
    readonly rules: readonly { name: string }[];
  }[];
  readonly alerts: readonly object[];
  readonly groupNextToken?: string;
}

const SHOWN_ALERT = {
  labels: { alertname: 'High', job: 'shop', severity: 'page' },
  annotations: { summary: 'high' },
  state: 'firing',
  activeAt: '2026-08-03T09:59:59.5Z',
  value: '1.2e+01',
};

test('a group as Prometheus has it', async () => {
  const { body } = await get('/api/v1/rules?file[]=/rules/two.yaml');
  expect(body.data).toEqual({
    groups: [
      {
        ...{ name: 'a', file: '/rules/two.yaml', interval: 60, limit: 0, evaluationTime: 0.004 },
        lastEvaluation: '2026-08-03T10:00:00Z',
        rules: [
          {
            ...{ name: 'load:sum', query: 'sum(load)', labels: { team: 'a' }, health: 'ok', evaluationTime: 0.002 },
            ...{ lastEvaluation: '2026-08-03T10:00:00Z', type: 'recording' },
          },
          {
            ...{ state: 'firing', name: 'High', query: 'load:sum > 10', duration: 90, keepFiringFor: 0 },
            labels: { severity: 'page', zone: '{{ $labels.zone }}' },
            annotations: { summary: 'high' },
            alerts: [SHOWN_ALERT],
            ...{ health: 'ok', evaluationTime: 0.002, lastEvaluation: '2026-08-03T10:00:00Z', type: 'alerting' },
          },
        ],
      },
    ],
  });
});

test('all alerts', async () => {
  expect((await get('/api/v1/alerts')).body.data.alerts).toEqual([SHOWN_ALERT, SHOWN_ALERT, SHOWN_ALERT]);
});

test.each([
  { query: 'type=alert', names: 'a:High b:High a:High' },
  { query: 'type=record&rule_group[]=b', names: 'b:load:sum' },
  { query: 'rule_name[]=High&rule_group[]=a', names: 'a:High a:High' },
  { query: 'match[]={severity="page"}&rule_group[]=b', names: 'b:High' },
  { query: 'match[]={team="a"}&match[]={severity="page"}&rule_group[]=b', names: 'b:load:sum b:High' },
  { query: 'match[]={zone!=""}', names: '' },
  { query: 'rule_name[]=None', names: '' },
])('?$query', async ({ query, names }) => {
  const { groups } = (await get(`/api/v1/rules?${encodeURI(query)}`)).body.data;
  expect(groups.flatMap(({ name, rules }) => rules.map((rule) => `${name}:${rule.name}`)).join(' ')).toBe(names);
});

test('alerts are left out where they are not wanted', async () => {
  const { groups } = (await get('/api/v1/rules?exclude_alerts=true&type=alert')).body.data;
  expect(groups.flatMap(({ rules }) => rules)).toEqual(groups.map(() => expect.objectContaining({ alerts: null })));
});

test('pages of groups, one after another', async () => {
  const seen: string[] = [];
  for (let token: string | undefined = ''; token !== undefined; ) {
    const more: string = token === '' ? '' : `&group_next_token=${token}`;
    const { data }: { data: Answer } = (await get(`/api/v1/rules?group_limit=2${more}`)).body;
    seen.push(data.groups.map(({ name, file }) => `${file} ${name}`).join());
    token = data.groupNextToken;
  }
  expect(seen).toEqual(['/rules/one.yaml a,/rules/one.yaml b', '/rules/two.yaml a']);
});

test.each([
  'type=none',
  'group_next_token=x',
  'group_limit=1&group_next_token=x',
  'exclude_alerts=maybe',
  'match[]={',
])('?%s is refused', async (query) => {
  expect((await get(`/api/v1/rules?${encodeURI(query)}`)).status).toBe(400);
});
