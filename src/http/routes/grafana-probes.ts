import type { Router } from 'express';
import type { HttpDeps } from '../deps.ts';
import { sendData } from '../envelope.ts';
import { mount } from '../route.ts';

export type GrafanaProbesDeps = Pick<HttpDeps, 'callerOf'>;

/** What Grafana asks of every Prometheus when its alert list loads. Rules are not kept here: there are none. */
export function grafanaProbeRoutes(router: Router, { callerOf }: GrafanaProbesDeps): void {
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
