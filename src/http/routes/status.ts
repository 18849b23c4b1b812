import type { Router } from 'express';
import { statusAnswer } from '../answers.ts';
import type { HttpDeps } from '../deps.ts';
import { sendData } from '../envelope.ts';
import { onlyParameters, parametersOf } from '../parameters.ts';
import { mount } from '../route.ts';

export type StatusRouteDeps = Pick<HttpDeps, 'callerOf' | 'status' | 'workloads' | 'version' | 'startedAt' | 'now'>;

/** `GET /api/v1/status`: the server and each workload, in short. */
export function statusRoute(router: Router, deps: StatusRouteDeps): void {
  mount(router, '/api/v1/status', {
    GET: async (request, response) => {
      const caller = deps.callerOf(request);
      onlyParameters(parametersOf(request), []);
      const [status, workloads] = await Promise.all([deps.status(caller.tenant), deps.workloads(caller.tenant)]);
      sendData(response, statusAnswer(caller, deps, status, workloads));
    },
  });
}
