import type { Router } from 'express';
import { decisionAnswer, decisionRecord, forecastAnswer, planAnswer } from '../answers.ts';
import type { HttpDeps } from '../deps.ts';
import { sendData } from '../envelope.ts';
import { NotFoundError } from '../errors.ts';
import { instantOf, limitOf, onlyParameters, parametersOf } from '../parameters.ts';
import { mount } from '../route.ts';
import { policyOf } from './policies.ts';

export type PlanRouteDeps = Pick<
  HttpDeps,
  'callerOf' | 'policies' | 'planNow' | 'forecasts' | 'decisions' | 'decision'
>;

const DEFAULT_DECISIONS = 50;
const MAX_DECISIONS = 1000;

/** What a policy sees, wants and did: `plan`, `forecast`, `decisions`. */
export function planRoutes(router: Router, deps: PlanRouteDeps): void {
  mount(router, '/api/v1/policies/:namespace/:name/plan', {
    GET: async (request, response) => {
      onlyParameters(parametersOf(request), []);
      const { policy } = await policyOf(request, deps);
      sendData(response, planAnswer(await deps.planNow(deps.callerOf(request).tenant, policy)));
    },
  });

  mount(router, '/api/v1/policies/:namespace/:name/forecast', {
    GET: async (request, response) => {
      onlyParameters(parametersOf(request), []);
      const { policy } = await policyOf(request, deps);
      sendData(response, forecastAnswer(await deps.forecasts(deps.callerOf(request).tenant, policy)));
    },
  });

  // Decisions outlive their policy: what was done must be explained after it was deleted, too.
  mount(router, '/api/v1/policies/:namespace/:name/decisions', {
    GET: async (request, response) => {
      const { tenant } = deps.callerOf(request);
      const parameters = parametersOf(request);
      onlyParameters(parameters, ['limit', 'before']);
      const limit = Math.min(limitOf(parameters) ?? DEFAULT_DECISIONS, MAX_DECISIONS);
      const before = parameters.has('before') ? { before: instantOf(parameters, 'before') } : {};
      const { namespace, name } = request.params;
      const found = await deps.decisions(tenant, String(namespace), String(name), { limit, ...before });
      sendData(response, found.map(decisionAnswer));
    },
  });

  mount(router, '/api/v1/decisions/:id', {
    GET: async (request, response) => {
      const { tenant } = deps.callerOf(request);
      onlyParameters(parametersOf(request), []);
      const id = String(request.params['id']);
      const decision = await deps.decision(tenant, id);
      if (decision === undefined) throw new NotFoundError(`there is no decision ${id.slice(0, 200)}`);
      sendData(response, decisionRecord(decision));
    },
  });
}
