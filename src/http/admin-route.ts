import type { Request, Response, Router } from 'express';
import type { Caller } from '../model/caller.ts';
import type { Matcher } from '../model/matcher.ts';
import type { TenantId } from '../model/tenant.ts';
import type { TimeRange } from '../model/time.ts';
import { requireRole } from './caller.ts';
import { sendData } from './envelope.ts';
import { BadParameterError } from './errors.ts';
import { parametersOf } from './parameters.ts';
import { mount } from './route.ts';
import { type LabelQuestionDeps, matcherSetsOf, rangeOf } from './routes/label-question.ts';
import { textBody } from './text-body.ts';

export interface AdminRouteDeps extends Pick<LabelQuestionDeps, 'parseSelector' | 'now'> {
  readonly callerOf: (request: Request) => Caller;
  readonly requestBytes: number;
  /** Undefined where samples are not kept here. */
  readonly deleteSeries:
    | ((tenant: TenantId, matcherSets: readonly (readonly Matcher[])[], range: TimeRange) => Promise<void>)
    | undefined;
  /** Of the whole store, all tenants. */
  readonly takeSnapshot: () => Promise<{ readonly name: string }>;
  /** Of the one that is being taken, and the one before it. */
  readonly snapshotState: () => Promise<object>;
}

/**
 * `POST|PUT /api/v1/admin/tsdb/delete_series`: deletes what matches, for good, and answers 204.
 * `POST|PUT /api/v1/admin/tsdb/snapshot`: takes a snapshot of the whole store, and answers with its name.
 * `GET /api/v1/admin/tsdb/snapshot`: how far the one is that is being taken, for those who wait.
 */
export function adminRoute(router: Router, deps: AdminRouteDeps): void {
  const { deleteSeries } = deps;
  const form = textBody(deps.requestBytes);
  const snapshotHandler = async (request: Request, response: Response) => {
    requireRole(deps.callerOf(request), 'operator');
    checkSkipHead(parametersOf(request).get('skip_head'));
    const { name } = await deps.takeSnapshot();
    sendData(response, { name });
  };
  const stateHandler = async (request: Request, response: Response) => {
    requireRole(deps.callerOf(request), 'operator');
    sendData(response, await deps.snapshotState());
  };
  mount(router, '/api/v1/admin/tsdb/snapshot', {
    GET: stateHandler,
    POST: [form, snapshotHandler],
    PUT: [form, snapshotHandler],
  });
  if (deleteSeries === undefined) return;
  const handler = async (request: Request, response: Response) => {
    const { tenant } = requireRole(deps.callerOf(request), 'operator');
    const parameters = parametersOf(request);
    const matcherSets = matcherSetsOf(parameters, deps);
    if (matcherSets.length === 0) throw new BadParameterError('match[]', 'no match[] parameter provided');
    await deleteSeries(tenant, matcherSets, rangeOf(parameters, deps));
    response.status(204).end();
  };
  mount(router, '/api/v1/admin/tsdb/delete_series', { POST: [form, handler], PUT: [form, handler] });
}

/** What is in memory is in the log, and a snapshot without it would lack samples that were acknowledged. */
function checkSkipHead(text: string | null): void {
  if (text === null || ['', 'false', '0', 'f', 'F', 'False', 'FALSE'].includes(text)) return;
  const isTrue = ['true', '1', 't', 'T', 'True', 'TRUE'].includes(text);
  const why = isTrue
    ? 'a snapshot has everything that was acknowledged, what is in memory too: leave the parameter out'
    : `cannot parse ${JSON.stringify(text)} to a boolean`;
  throw new BadParameterError('skip_head', why);
}
