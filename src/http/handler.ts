import express, { type Express, type RequestHandler } from 'express';
import type { HttpDeps } from './deps.ts';
import { errorHandler } from './error-handler.ts';
import { NotFoundError } from './errors.ts';
import { openApiDocument } from './openapi.ts';
import { mount } from './route.ts';
import { accuracyRoutes } from './routes/accuracy.ts';
import { adviceRoute } from './routes/advice.ts';
import { cardinalityRoutes } from './routes/cardinality.ts';
import { federateRoute } from './routes/federate.ts';
import { forecastingRoutes } from './routes/forecasting.ts';
import { healthRoutes } from './routes/health.ts';
import { labelValuesRoute } from './routes/label-values.ts';
import { labelsRoute } from './routes/labels.ts';
import { metadataRoute } from './routes/metadata.ts';
import { networksRoute } from './routes/networks.ts';
import { pageRoute } from './routes/page.ts';
import { planRoutes } from './routes/plans.ts';
import { policyRoutes } from './routes/policies.ts';
import { prometheusStatusRoutes } from './routes/prometheus-status.ts';
import { queryRoute } from './routes/query.ts';
import { queryExemplarsRoute } from './routes/query-exemplars.ts';
import { queryRangeRoute } from './routes/query-range.ts';
import { queryTextRoutes } from './routes/query-text.ts';
import { readRoute } from './routes/read.ts';
import { seriesRoute } from './routes/series.ts';
import { statusRoute } from './routes/status.ts';
import { targetsRoute } from './routes/targets.ts';

/** Everything that is answered over HTTP but writes, which have a faster way (`listen`). */
export function createHttpHandler(deps: HttpDeps): Express {
  const app = express();
  app.disable('x-powered-by').disable('etag').set('query parser', false);
  app.use(measured(deps), hardened);

  const router = express.Router({ caseSensitive: true });
  for (const route of [queryRoute, queryRangeRoute, seriesRoute, labelsRoute, labelValuesRoute, metadataRoute]) {
    route(router, deps);
  }
  for (const route of [queryTextRoutes, queryExemplarsRoute]) route(router, deps);
  for (const route of [
    policyRoutes,
    planRoutes,
    adviceRoute,
    forecastingRoutes,
    accuracyRoutes,
    networksRoute,
    statusRoute,
    targetsRoute,
    cardinalityRoutes,
    healthRoutes,
    pageRoute,
    readRoute,
    federateRoute,
    prometheusStatusRoutes,
  ])
    route(router, deps);
  const openApi = openApiDocument(deps.version);
  mount(router, '/api/openapi.json', { GET: (_request, response) => void response.json(openApi) });
  for (const route of deps.routes ?? []) route(router);
  app.use(router);

  app.use((request) => {
    throw new NotFoundError(`there is nothing at ${request.path.slice(0, 200)}`);
  });
  app.use(errorHandler(deps));
  return app;
}

/** Counts and times requests by route, never by address: addresses are without number. */
function measured({ metrics }: Pick<HttpDeps, 'metrics'>): RequestHandler {
  return (request, response, next) => {
    const start = performance.now();
    response.once('close', () => {
      const route = typeof request.route?.path === 'string' ? request.route.path : 'none';
      const code = response.writableFinished ? String(response.statusCode) : '499';
      metrics.httpRequests.inc({ route, method: methodOf(request.method), code });
      metrics.httpSeconds.observe({ route }, (performance.now() - start) / 1000);
    });
    next();
  };
}

function methodOf(method: string): string {
  return ['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS'].includes(method) ? method : 'other';
}

/** No page of ours loads anything from elsewhere, nor is shown inside another. */
const hardened: RequestHandler = (_request, response, next) => {
  response.set({
    'Content-Security-Policy':
      "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
  });
  next();
};
