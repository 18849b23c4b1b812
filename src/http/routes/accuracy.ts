import type { Router } from 'express';
import { DAY } from '../../model/time.ts';
import { accuracyAnswer, scoreAnswer, worstFirst } from '../accuracy-answers.ts';
import type { HttpDeps } from '../deps.ts';
import { sendData } from '../envelope.ts';
import { limitOf, onlyParameters, parametersOf } from '../parameters.ts';
import { mount } from '../route.ts';
import { policyOf } from './policies.ts';

export type AccuracyRouteDeps = Pick<HttpDeps, 'callerOf' | 'policies' | 'accuracy' | 'scores' | 'now'>;

const DEFAULT_DAYS = 30;
const MAX_DAYS = 365;

/** What became of the issued forecasts: of all demands, the worst first, and of one policy's by day. */
export function accuracyRoutes(router: Router, deps: AccuracyRouteDeps): void {
  mount(router, '/api/v1/accuracy', {
    GET: async (request, response) => {
      const { tenant } = deps.callerOf(request);
      const parameters = parametersOf(request);
      onlyParameters(parameters, ['namespace', 'policy', 'limit']);
      const [namespace, name] = [parameters.get('namespace'), parameters.get('policy')];
      const rows = [];
      for (const { tenant: owner, policy } of await deps.policies.list()) {
        const isMeant = owner === tenant && [policy.namespace, null, ''].includes(namespace);
        if (!isMeant || ![policy.name, null, ''].includes(name)) continue;
        for (const demand of await deps.accuracy(tenant, policy)) rows.push(accuracyAnswer(policy, demand));
      }
      sendData(response, rows.sort(worstFirst).slice(0, limitOf(parameters)));
    },
  });

  mount(router, '/api/v1/policies/:namespace/:name/accuracy', {
    GET: async (request, response) => {
      const { tenant } = deps.callerOf(request);
      const parameters = parametersOf(request);
      onlyParameters(parameters, ['days']);
      const days = Math.min(limitOf(parameters, 'days') ?? DEFAULT_DAYS, MAX_DAYS);
      const { policy } = await policyOf(request, deps);
      const now = deps.now();
      const range = { start: now - days * DAY, end: now };
      const demands = await deps.accuracy(tenant, policy);
      const rows = demands.map(async (demand) => {
        const scores = await deps.scores(tenant, policy, demand.demand, range);
        return { ...accuracyAnswer(policy, demand), days: scores.map(scoreAnswer) };
      });
      sendData(response, (await Promise.all(rows)).sort(worstFirst));
    },
  });
}
