import type { Router } from 'express';
import type { HttpDeps } from '../deps.ts';
import { sendData } from '../envelope.ts';
import { limitOf, parametersOf } from '../parameters.ts';
import { mount } from '../route.ts';

/** `GET /api/v1/metadata`: what senders say about their metrics. */
export function metadataRoute(router: Router, { callerOf, storage }: Pick<HttpDeps, 'callerOf' | 'storage'>): void {
  mount(router, '/api/v1/metadata', {
    GET: async (request, response) => {
      const { tenant } = callerOf(request);
      const parameters = parametersOf(request);
      const wanted = parameters.get('metric');
      const limit = limitOf(parameters) ?? Number.POSITIVE_INFINITY;
      const perMetric = limitOf(parameters, 'limit_per_metric') ?? Number.POSITIVE_INFINITY;
      const byMetric = new Map<string, object[]>();
      for (const { metric, type, help, unit } of await storage.tenant(tenant).metadata()) {
        if (wanted !== null && wanted !== '' && metric !== wanted) continue;
        const entries = byMetric.get(metric) ?? [];
        if (entries.length === 0 && byMetric.size >= limit) break;
        if (entries.length < perMetric) byMetric.set(metric, [...entries, { type, help, unit }]);
      }
      sendData(response, Object.fromEntries(byMetric));
    },
  });
}
