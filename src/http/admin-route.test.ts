import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Matcher } from '../model/matcher.ts';
import { DEFAULT_TENANT, type TenantId } from '../model/tenant.ts';
import type { TimeRange } from '../model/time.ts';
import { parseSeriesSelector } from '../promql/parse-series-selector.ts';
import { NOW, serve } from '../testing/http-deps.ts';
import { adminRoute } from './admin-route.ts';
import type { Listening } from './listen.ts';

const deleted: { tenant: TenantId; matcherSets: readonly (readonly Matcher[])[]; range: TimeRange }[] = [];
let snapshots = 0;
let server: Listening;
beforeAll(async () => {
  server = await serve({
    routes: [
      (router) =>
        adminRoute(router, {
          callerOf: () => ({ tenant: DEFAULT_TENANT, role: 'operator' }),
          parseSelector: parseSeriesSelector,
          now: () => NOW,
          requestBytes: 65_536,
          deleteSeries: async (tenant, matcherSets, range) => void deleted.push({ tenant, matcherSets, range }),
          takeSnapshot: async () => ({ name: `snapshot-${++snapshots}` }),
          snapshotState: async () => ({ last: { name: `snapshot-${snapshots}` } }),
        }),
    ],
  });
});
afterAll(() => server.close());

test.each(['POST', 'PUT'])('%s delete_series deletes what matches', async (method) => {
  deleted.length = 0;
  const path = '/api/v1/admin/tsdb/delete_series?match[]=up%7Bjob%3D"a"%7D&match[]=b&start=1&end=2';
  const response = await fetch(server.url + path, { method });
  expect(response.status).toBe(204);
  const named = (value: string): Matcher => ({ name: '__name__', op: '=', value });
  expect(deleted).toMatchObject([{ tenant: DEFAULT_TENANT, range: { start: 1_000, end: 2_000 } }]);
  expect(deleted[0]!.matcherSets.map((matchers) => matchers.length)).toEqual([2, 1]);
  expect(deleted[0]!.matcherSets[1]).toEqual([named('b')]);
});

test.each([
  { name: 'no selector', query: '', method: 'POST', status: 400 },
  { name: 'a wrong selector', query: '?match[]=%7B', method: 'POST', status: 400 },
  { name: 'an end before the start', query: '?match[]=up&start=2&end=1', method: 'POST', status: 400 },
  { name: 'GET', query: '?match[]=up', method: 'GET', status: 405 },
])('delete_series refuses $name', async ({ query, method, status }) => {
  deleted.length = 0;
  expect((await fetch(`${server.url}/api/v1/admin/tsdb/delete_series${query}`, { method })).status).toBe(status);
  expect(deleted).toEqual([]);
});

test.each([
  { method: 'POST', query: '' },
  { method: 'PUT', query: '?skip_head=false' },
])('$method snapshot$query answers with its name', async ({ method, query }) => {
  snapshots = 0;
  const response = await fetch(`${server.url}/api/v1/admin/tsdb/snapshot${query}`, { method });
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ status: 'success', data: { name: 'snapshot-1' } });
});

test.each([
  {
    name: 'leaving out what is in memory',
    query: '?skip_head=true',
    method: 'POST',
    status: 400,
    says: 'acknowledged',
  },
  { name: 'what is no boolean', query: '?skip_head=maybe', method: 'POST', status: 400, says: 'boolean' },
  { name: 'DELETE', query: '', method: 'DELETE', status: 405, says: 'DELETE' },
])('snapshot refuses $name', async ({ query, method, status, says }) => {
  snapshots = 0;
  const response = await fetch(`${server.url}/api/v1/admin/tsdb/snapshot${query}`, { method });
  expect(response.status).toBe(status);
  expect(((await response.json()) as { error: string }).error).toContain(says);
  expect(snapshots).toBe(0);
});

test('GET snapshot tells how far the one is that is being taken, and takes none', async () => {
  snapshots = 3;
  const response = await fetch(`${server.url}/api/v1/admin/tsdb/snapshot`);
  expect(await response.json()).toEqual({ status: 'success', data: { last: { name: 'snapshot-3' } } });
  expect(snapshots).toBe(3);
});
