import express, { type Request, type Router } from 'express';
import { parseDocument } from 'yaml';
import { policyAnswer } from '../answers.ts';
import { requireRole } from '../caller.ts';
import type { HttpDeps, PolicyView } from '../deps.ts';
import { sendData } from '../envelope.ts';
import { NotFoundError, UnreadableBodyError } from '../errors.ts';
import { onlyParameters, parametersOf } from '../parameters.ts';
import { mount } from '../route.ts';

export type PolicyRouteDeps = Pick<HttpDeps, 'callerOf' | 'policies'>;

/** A policy is a page or two; what is a hundred times that is none. */
const MAX_POLICY_BYTES = 256 * 1024;
/** A policy's schema is seven levels deep. */
const MAX_DEPTH = 100;

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

  const body = express.text({ type: () => true, limit: MAX_POLICY_BYTES });
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
        const { created, stored } = await policies.put(tenant, namespace, name, parseBody(request));
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

/** A document as JSON, or as YAML, which JSON is as well. */
function parseBody(request: Request): unknown {
  const text = typeof request.body === 'string' ? request.body : '';
  if (text.trim() === '') throw new UnreadableBodyError('cannot read the policy: the body is empty');
  if (nestingOf(text) > MAX_DEPTH) throw new UnreadableBodyError('cannot read the policy: it is nested too deeply');
  if (request.is('json') === 'json') {
    try {
      return JSON.parse(text);
    } catch (error) {
      throw new UnreadableBodyError(`cannot read the policy as JSON: ${(error as Error).message}`, { cause: error });
    }
  }
  try {
    const document = parseDocument(text, { prettyErrors: true });
    if (document.errors[0] !== undefined) throw document.errors[0];
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    const message = (error as Error).message.split('\n', 1)[0];
    throw new UnreadableBodyError(`cannot read the policy as YAML: ${message}`, { cause: error });
  }
}

/** An upper bound of the depth of a document: brackets that are open, and dashes and indents of a line. */
function nestingOf(text: string): number {
  let open = 0;
  let deepest = 0;
  for (const line of text.split('\n')) {
    const lead = /^[ -]*/.exec(line)?.[0].length ?? 0;
    for (const letter of line) {
      if (letter === '[' || letter === '{') open++;
      else if (letter === ']' || letter === '}') open--;
      deepest = Math.max(deepest, open + lead / 2);
    }
  }
  return deepest;
}
