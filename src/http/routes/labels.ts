import type { Router } from 'express';
import { sendData } from '../envelope.ts';
import { limitOf, parametersOf } from '../parameters.ts';
import { mountQuery } from '../route.ts';
import { limited, matcherSetsOf, rangeOf, type SeriesRouteDeps } from './series.ts';

/** `GET|POST /api/v1/labels`: label names. */
export function labelsRoute(router: Router, deps: SeriesRouteDeps): void {
  mountQuery(router, '/api/v1/labels', deps.limits.requestBytes, async (request, response) => {
    const { tenant } = deps.callerOf(request);
    const parameters = parametersOf(request);
    const reader = deps.storage.tenant(tenant);
    const names = await reader.labelNames(matcherSetsOf(parameters, deps), rangeOf(parameters, deps));
    const { kept, warnings } = limited(names, limitOf(parameters));
    sendData(response, kept, warnings);
  });
}
