import type { Request, RequestHandler, Response, Router } from 'express';
import { MethodNotAllowedError } from './errors.ts';
import { textBody } from './text-body.ts';

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';
type Handler = (request: Request, response: Response) => void | Promise<void>;

/** Mounts one address's methods; any other method answers 405 and says which there are. */
export function mount(
  router: Router,
  path: string,
  handlers: Partial<Record<Method, Handler | [RequestHandler, Handler]>>,
): void {
  const route = router.route(path);
  for (const [method, handler] of Object.entries(handlers)) {
    route[method.toLowerCase() as Lowercase<Method>](...(Array.isArray(handler) ? handler : [handler]));
  }
  const allowed = Object.keys(handlers).join(', ');
  route.all((request, response) => {
    response.set('Allow', allowed);
    throw new MethodNotAllowedError(`cannot ${request.method} ${path}: allowed is ${allowed}`);
  });
}

/** GET and POST form, answered alike: Grafana repeats one as the other. */
export function mountQuery(router: Router, path: string, requestBytes: number, handler: Handler): void {
  const form = textBody(requestBytes);
  mount(router, path, { GET: handler, POST: [form, handler] });
}
