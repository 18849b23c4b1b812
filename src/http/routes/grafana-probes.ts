import type { Router } from 'express';
import { parseQuery } from '../../promql/parse.ts';
import type { HttpDeps } from '../deps.ts';
import { sendData } from '../envelope.ts';
import { BadParameterError } from '../errors.ts';
import { instantOf, parametersOf, requiredText } from '../parameters.ts';
import { mount, mountQuery } from '../route.ts';
import { asParameter } from './query.ts';

export type GrafanaProbesDeps = Pick<HttpDeps, 'callerOf' | 'limits'>;

/**
 * What Grafana asks of every Prometheus when a dashboard or its alert list loads. Exemplars are not stored and rules
 * are not kept here, so the true answer to each is that there are none.
 */
export function grafanaProbeRoutes(router: Router, { callerOf, limits }: GrafanaProbesDeps): void {
  mountQuery(router, '/api/v1/query_exemplars', limits.requestBytes, async (request, response) => {
    callerOf(request);
    const parameters = parametersOf(request);
    const start = instantOf(parameters, 'start', Number.NEGATIVE_INFINITY);
    const end = instantOf(parameters, 'end', Number.POSITIVE_INFINITY);
    if (end < start) throw new BadParameterError('end', 'end timestamp must not be before start timestamp');
    await asParameter('query', async () => parseQuery(requiredText(parameters, 'query')));
    sendData(response, []);
  });
  for (const [path, data] of [
    ['/api/v1/rules', { groups: [] }] as const,
    ['/api/v1/alerts', { alerts: [] }] as const,
  ]) {
    mount(router, path, {
      GET: (request, response) => {
        callerOf(request);
        sendData(response, data);
      },
    });
  }
}
