import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent, request as requestHttps } from 'node:https';
import type { AddressInfo } from 'node:net';

/** What becomes of a request, in place of its answer. */
export type Fault =
  /** The proxy answers itself, as an API server in trouble does. */
  | { readonly kind: 'status'; readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  /** Nothing is ever answered. */
  | { readonly kind: 'hang' }
  /** The connection is closed, before the request was passed on or after it took effect. */
  | { readonly kind: 'drop'; readonly when: 'before' | 'after' }
  /** The request is passed on with another credential. */
  | { readonly kind: 'token'; readonly token: string };

/** A proxy before a real API server. It speaks HTTP, and passes bearer tokens on. */
export interface FaultProxy extends AsyncDisposable {
  readonly url: string;
  /**
   * From now on; undefined: everything is passed on. Only for requests with one of these methods where some are named,
   * and with such a path and query where one is given.
   */
  set(fault: Fault | undefined, methods?: readonly string[], path?: RegExp): void;
  /** Requests with such a path and query whose answers have begun and are not over yet: watches. */
  open(path: RegExp): number;
  /** Breaks their connections. */
  cut(path: RegExp): void;
  /** Requests that met the fault since it was set. */
  hits(): number;
}

/** @param server Address of the API server. Its certificate is not checked: it is a test's own. */
export async function startFaultProxy(server: string): Promise<FaultProxy> {
  const target = new URL(server);
  const agent = new Agent({ keepAlive: true, rejectUnauthorized: false });
  let fault: Fault | undefined;
  let methods: readonly string[] = [];
  let path = /^/;
  let hits = 0;
  const unfinished = new Set<IncomingMessage>();
  const begun = (where: RegExp) => [...unfinished].filter(({ url }) => where.test(url!));

  const proxy = createServer((request, response) => {
    const concerned = (methods.length === 0 || methods.includes(request.method!)) && path.test(request.url!);
    const met = concerned ? fault : undefined;
    if (met === undefined) return pass(request, response);
    hits++;
    switch (met.kind) {
      case 'hang':
        return;
      case 'status':
        response.writeHead(met.status, { 'content-type': 'application/json', ...met.headers });
        response.end(JSON.stringify({ kind: 'Status', status: 'Failure', code: met.status, message: 'a made fault' }));
        return;
      case 'drop':
        if (met.when === 'before') request.socket.destroy();
        else pass(request, response, { answered: () => request.socket.destroy() });
        return;
      case 'token':
        pass(request, response, { headers: { authorization: `Bearer ${met.token}` } });
    }
  });

  function pass(
    request: IncomingMessage,
    response: ServerResponse,
    { headers = {}, answered }: { headers?: Record<string, string>; answered?: () => void } = {},
  ): void {
    const forward = requestHttps(
      {
        agent,
        host: target.hostname,
        port: target.port,
        method: request.method,
        path: request.url,
        headers: { ...request.headers, host: target.host, ...headers },
      },
      (answer) => {
        if (answered !== undefined) {
          answer.resume().once('end', answered);
          return;
        }
        response.writeHead(answer.statusCode!, answer.headers).flushHeaders();
        unfinished.add(request);
        response.once('close', () => {
          unfinished.delete(request);
          answer.destroy();
        });
        answer.once('error', () => request.socket.destroy()).pipe(response);
      },
    );
    forward.once('error', () => request.socket.destroy());
    request.pipe(forward);
  }

  await once(proxy.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    set(next, only = [], where = /^/) {
      fault = next;
      methods = only;
      path = where;
      hits = 0;
    },
    open: (where) => begun(where).length,
    cut(where) {
      for (const request of begun(where)) request.socket.destroy();
    },
    hits: () => hits,
    async [Symbol.asyncDispose]() {
      agent.destroy();
      proxy.closeAllConnections();
      await new Promise((closed) => proxy.close(closed));
    },
  };
}
