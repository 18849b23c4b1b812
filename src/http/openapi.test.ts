import { expect, test } from 'vitest';
import { DEFAULT_TENANT } from '../model/tenant.ts';
import { parseSeriesSelector } from '../promql/parse-series-selector.ts';
import { serve } from '../testing/http-deps.ts';
import { adminRoute } from './admin-route.ts';
import { NotFoundError } from './errors.ts';
import { openApiDocument } from './openapi.ts';
import { alertingRoutes } from './routes/alerting.ts';
import { alertmanagerRoutes } from './routes/alertmanager.ts';
import { anomalyRoutes } from './routes/anomalies.ts';
import { costBudgetsRoute } from './routes/cost-budgets.ts';
import { costReportRoute } from './routes/cost-report.ts';
import { costSpendRoute } from './routes/cost-spend.ts';
import { rulesRoutes } from './routes/rules.ts';
import { slosRoute } from './routes/slos.ts';

test('the OpenAPI document is as reviewed (vitest -u writes it anew)', async () => {
  const text = `${JSON.stringify(openApiDocument('0.0.0'), undefined, 2)}\n`;
  await expect(text).toMatchFileSnapshot('testdata/openapi.golden');
});

test('every reference of the document leads somewhere', () => {
  const document = openApiDocument('0.0.0');
  for (const [, path] of JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
    const found = path!.split('/').reduce((node: unknown, key) => (node as Record<string, unknown>)?.[key], document);
    expect(found, path).toBeTypeOf('object');
  }
});

const callerOf = () => ({ tenant: DEFAULT_TENANT, role: 'operator' }) as const;

test('every address of the document is answered', async () => {
  const server = await serve({
    routes: [
      (router) =>
        adminRoute(router, {
          callerOf,
          parseSelector: parseSeriesSelector,
          now: () => 0,
          requestBytes: 65_536,
          deleteSeries: async () => {},
          takeSnapshot: async () => ({ name: 'x' }),
          snapshotState: async () => ({}),
        }),
      (router) =>
        anomalyRoutes(router, {
          ...{ callerOf, now: () => 0, requestBytes: 65_536, offsetOf: () => () => 0, pause: () => () => undefined },
          ...{ anomalies: async () => [], anomaly: async () => undefined, incident: async () => undefined },
          ...{ say: async () => undefined, watches: () => [] },
          samples: async () => await Promise.reject(new NotFoundError('there is none')),
        }),
      (router) =>
        costSpendRoute(router, {
          ...{ callerOf, now: () => 0, currency: 'USD', eachSpend: async () => {}, upTo: async () => 0 },
          unpriced: () => [],
        }),
      (router) => costBudgetsRoute(router, { callerOf, currency: 'USD', budgetsOf: () => [] }),
      (router) => rulesRoutes(router, { callerOf, parseSelector: parseSeriesSelector, ruleGroups: () => [] }),
      (router) => slosRoute(router, { callerOf, slos: async () => [] }),
      (router) =>
        costReportRoute(router, {
          ...{ callerOf, now: () => 0, timeoutMs: 1000, hasBook: false },
          reportOf: async () => await Promise.reject(new NotFoundError('nothing was spent')),
          capacityOf: async () => await Promise.reject(new NotFoundError('nothing was spent')),
        }),
      (router) =>
        alertmanagerRoutes(router, {
          callerOf,
          ...{ now: () => 0, requestBytes: 65_536, version: '0', startedAt: 0, newId: () => 'x' },
          ...{ tell: async () => {}, async *viewsOf() {}, putSilences: async () => {}, pause: () => undefined },
          ...{ silences: () => [], silence: () => undefined, receivers: () => [], configText: () => '' },
        }),
      (router) =>
        alertingRoutes(router, {
          callerOf,
          ...{ requestBytes: 65_536, deadLetters: () => [], test: async () => [] },
          ...{ hasReceiver: () => false, admitTest: () => undefined },
          ...{ retry: async () => 1, drop: async () => 1 },
        }),
    ],
  });
  const { paths } = openApiDocument('0.0.0') as { paths: Record<string, Record<string, unknown>> };
  for (const [path, operations] of Object.entries(paths)) {
    for (const method of Object.keys(operations)) {
      const response = await fetch(server.url + path.replace(/\{\w+\}/g, 'x'), { method: method.toUpperCase() });
      const body = (await response.json()) as { error?: string };
      expect(response.status, `${method} ${path}`).not.toBe(405);
      expect(body.error ?? '', `${method} ${path}`).not.toContain('there is nothing at');
    }
  }
  await server.close();
});
