import type { Router } from 'express';
import type { Labels } from '../../model/labels.ts';
import type { TenantId } from '../../model/tenant.ts';
import { MINUTE } from '../../model/time.ts';
import { labelNamesCardinality, labelValuesCardinality, tallyLabels, tsdbStatus } from '../cardinality.ts';
import type { HttpDeps } from '../deps.ts';
import { sendData } from '../envelope.ts';
import { BadParameterError } from '../errors.ts';
import { limitOf, onlyParameters, type Parameters, parametersOf } from '../parameters.ts';
import { mount, mountQuery } from '../route.ts';
import { type LabelQuestionDeps, matcherSetsOf } from './label-question.ts';

/** Mimir's bounds of its cardinality API. */
const MOST_ITEMS = 500;
const DEFAULT_ITEMS = 20;
const MOST_NAMES = 100;
/** How long after its last sample a series is active: Mimir's `-ingester.active-series-metrics-idle-timeout`. */
const ACTIVE_MS = 20 * MINUTE;
/** Mimir bounds the answer at 400 MiB; label sets of 4 kB would come to that. */
const MOST_ACTIVE_SERIES = 100_000;
/** Prometheus's default of `/api/v1/status/tsdb`, and its bound. */
const DEFAULT_STATUS_ITEMS = 10;
const MOST_STATUS_ITEMS = 10_000;

/** What fills a tenant's memory: Mimir's `/api/v1/cardinality/…`, and Prometheus's `/api/v1/status/tsdb`. */
export function cardinalityRoutes(
  router: Router,
  deps: LabelQuestionDeps & Pick<HttpDeps, 'userLimits' | 'headChunks'>,
): void {
  const { callerOf, storage, now, limits, userLimits, headChunks } = deps;

  const seriesOf = async (tenant: TenantId, parameters: Parameters): Promise<readonly Labels[]> => {
    const selector = parameters.get('selector');
    const method = parameters.get('count_method') ?? 'inmemory';
    if (method !== 'inmemory' && method !== 'active') {
      throw new BadParameterError('count_method', `expected inmemory or active, got "${method.slice(0, 40)}"`);
    }
    const matching = selector === null ? [] : matcherSetsOf(new URLSearchParams({ 'match[]': selector }), deps);
    const start = method === 'active' ? now() - ACTIVE_MS : 0;
    return await storage.tenant(tenant).series(matching, { start, end: now() + ACTIVE_MS });
  };

  mount(router, '/api/v1/user_limits', {
    GET: (request, response) => {
      response.json(userLimits(callerOf(request).tenant));
    },
  });
  mountQuery(router, '/api/v1/cardinality/label_names', limits.requestBytes, async (request, response) => {
    const { tenant } = callerOf(request);
    const parameters = parametersOf(request);
    onlyParameters(parameters, ['selector', 'count_method', 'limit']);
    const limit = itemsOf(parameters);
    response.json(labelNamesCardinality(await tallyLabels(await seriesOf(tenant, parameters)), limit));
  });
  mountQuery(router, '/api/v1/cardinality/label_values', limits.requestBytes, async (request, response) => {
    const { tenant } = callerOf(request);
    const parameters = parametersOf(request);
    onlyParameters(parameters, ['selector', 'label_names[]', 'count_method', 'limit']);
    const limit = itemsOf(parameters);
    const names = [...new Set(parameters.getAll('label_names[]'))];
    if (names.length === 0) throw new BadParameterError('label_names[]', 'it is missing');
    if (names.length > MOST_NAMES) throw new BadParameterError('label_names[]', `more than ${MOST_NAMES} are given`);
    response.json(labelValuesCardinality(await tallyLabels(await seriesOf(tenant, parameters)), names, limit));
  });
  mountQuery(router, '/api/v1/cardinality/active_series', limits.requestBytes, async (request, response) => {
    const { tenant } = callerOf(request);
    const parameters = parametersOf(request);
    onlyParameters(parameters, ['selector']);
    if (parameters.get('selector') === null) throw new BadParameterError('selector', 'it is missing');
    parameters.set('count_method', 'active');
    const series = await seriesOf(tenant, parameters);
    if (series.length > MOST_ACTIVE_SERIES) {
      throw new BadParameterError('selector', `it selects ${series.length} series: narrow it to ${MOST_ACTIVE_SERIES}`);
    }
    response.json({ data: series.map(Object.fromEntries) });
  });
  mount(router, '/api/v1/status/tsdb', {
    GET: async (request, response) => {
      const { tenant } = callerOf(request);
      const parameters = parametersOf(request);
      const limit = limitOf(parameters) ?? DEFAULT_STATUS_ITEMS;
      if (limit > MOST_STATUS_ITEMS) throw new BadParameterError('limit', `more than ${MOST_STATUS_ITEMS}`);
      const tally = await tallyLabels(await seriesOf(tenant, new URLSearchParams()));
      sendData(response, tsdbStatus(tally, await headChunks(tenant), limit));
    },
  });
}

function itemsOf(parameters: Parameters): number {
  const limit = limitOf(parameters) ?? DEFAULT_ITEMS;
  if (limit > MOST_ITEMS) throw new BadParameterError('limit', `more than ${MOST_ITEMS}`);
  return limit;
}
