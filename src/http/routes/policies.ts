import type { Request, Router } from 'express';
import { policyAnswer } from '../answers.ts';
import { requireRole } from '../caller.ts';
import type { HttpDeps, PolicyView } from '../deps.ts';
import { sendData } from '../envelope.ts';
import { NotFoundError } from '../errors.ts';
import { onlyParameters, parametersOf } from '../parameters.ts';
import { readDocument } from '../read-document.ts';
import { mount } from '../route.ts';
import { textBody } from '../text-body.ts';

export type PolicyRouteDeps = Pick<HttpDeps, 'callerOf' | 'policies'>;

/** A policy is a page or two; what is a hundred times that is none. */
export const MAX_POLICY_BYTES = 256 * 1024;

/** `/api/v1/policies` and `/api/v1/policies/NAMESPACE/NAME`: what is to be scaled, and how. */
export function policyRoutes(router: Router, deps: PolicyRouteDeps): void {
  const { callerOf, policies } = deps;
  mount(router, '/api/v1/policies', {
    GET: async (request, response) => {
      const { tenant } = callerOf(request);
      onlyParameters(parametersOf(request), []);
      const all = await policies.list();
      sendData(response, all.filter((stored) => stored.tenant === tenant).map(policyAnswer));
    },
  });

  const body = textBody(MAX_POLICY_BYTES);
  mount(router, '/api/v1/policies/:namespace/:name', {
    GET: async (request, response) => {
      onlyParameters(parametersOf(request), []);
      sendData(response, policyAnswer(await policyOf(request, deps)));
    },
    PUT: [
      body,
      async (request, response) => {
        const { tenant } = requireRole(callerOf(request), 'operator');
        const { namespace, name } = namesIn(request);
        const { created, stored } = await policies.put(tenant, namespace, name, readDocument(request, 'the policy'));
        response.status(created ? 201 : 200);
        sendData(response, policyAnswer(stored));
      },
    ],
    DELETE: async (request, response) => {
      const { tenant } = requireRole(callerOf(request), 'operator');
      const { namespace, name } = namesIn(request);
      if (!(await policies.remove(tenant, namespace, name))) throw noPolicy(namespace, name);
      sendData(response, { deleted: `${namespace}/${name}` });
    },
  });
}

/** The policy that the address names, if it is the caller's. */
export async function policyOf(request: Request, { callerOf, policies }: PolicyRouteDeps): Promise<PolicyView> {
  const { tenant } = callerOf(request);
  const { namespace, name } = namesIn(request);
  const stored = await policies.read(tenant, namespace, name);
  if (stored === undefined) throw noPolicy(namespace, name);
  return stored;
}

function namesIn({ params }: Request): { readonly namespace: string; readonly name: string } {
  return { namespace: String(params['namespace']), name: String(params['name']) };
}

function noPolicy(namespace: string, name: string): NotFoundError {
  return new NotFoundError(`there is no policy ${`${namespace}/${name}`.slice(0, 520)}`);
}
