import type { Router } from 'express';
import type { HttpDeps } from '../deps.ts';
import { sendData } from '../envelope.ts';
import { mount } from '../route.ts';

/** `/-/healthy`, `/-/ready`, `/metrics` and `/api/v1/status/buildinfo`: what machines ask about the server itself. */
export function healthRoutes(
  router: Router,
  {
    notReady,
    metrics,
    authenticate,
    callerOf,
    version,
  }: Pick<HttpDeps, 'notReady' | 'metrics' | 'authenticate' | 'callerOf' | 'version'>,
): void {
  mount(router, '/-/healthy', {
    GET: (_request, response) => {
      response.type('text/plain').send('Foresail is healthy.\n');
    },
  });
  mount(router, '/-/ready', {
    GET: (_request, response) => {
      const why = notReady();
      response.status(why === undefined ? 200 : 503).type('text/plain');
      response.send(why === undefined ? 'Foresail is ready.\n' : `Foresail is not ready: ${why}\n`);
    },
  });
  mount(router, '/metrics', {
    GET: async (request, response) => {
      authenticate(request);
      response.set('Content-Type', metrics.registry.contentType).send(await metrics.registry.metrics());
    },
  });
  // No `features`: Grafana would take the server for Mimir and ask for its ruler.
  mount(router, '/api/v1/status/buildinfo', {
    GET: (request, response) => {
      callerOf(request);
      sendData(response, { version, revision: '', branch: '', buildUser: '', buildDate: '', goVersion: '' });
    },
  });
}
