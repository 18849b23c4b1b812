import type { Router } from 'express';
import { DAY, HOUR } from '../../model/time.ts';
import { adviceAnswer } from '../advice-answers.ts';
import { withDeadline } from '../deadline.ts';
import type { HttpDeps } from '../deps.ts';
import { sendData } from '../envelope.ts';
import { BadParameterError } from '../errors.ts';
import { forecastGate } from '../forecast-gate.ts';
import { durationOf, onlyParameters, parametersOf } from '../parameters.ts';
import { mount } from '../route.ts';
import { policyOf } from './policies.ts';

export type AdviceRouteDeps = Pick<HttpDeps, 'callerOf' | 'policies' | 'limits' | 'advice'>;

const JUDGED_MS = 3 * DAY;
const LONGEST_JUDGED_MS = 14 * DAY;

/** `GET /api/v1/policies/NAMESPACE/NAME/advice`: what could be set better. Nothing is changed. */
export function adviceRoute(router: Router, deps: AdviceRouteDeps): void {
  const gate = forecastGate();
  mount(router, '/api/v1/policies/:namespace/:name/advice', {
    GET: async (request, response) => {
      const { tenant } = deps.callerOf(request);
      const parameters = parametersOf(request);
      onlyParameters(parameters, ['judge', 'timeout']);
      const judgedMs = durationOf(parameters, 'judge') ?? JUDGED_MS;
      if (judgedMs < HOUR || judgedMs > LONGEST_JUDGED_MS) {
        throw new BadParameterError('judge', 'expected a duration of one hour to 14 days');
      }
      const mostMs = deps.limits.queryTimeoutMs;
      const timeoutMs = Math.min(durationOf(parameters, 'timeout') ?? mostMs, mostMs);
      const { policy } = await policyOf(request, deps);
      const advice = await gate.through(tenant, () =>
        withDeadline(response, timeoutMs, (signal) => deps.advice(tenant, policy, judgedMs, signal)),
      );
      sendData(response, adviceAnswer(policy, advice));
    },
  });
}
