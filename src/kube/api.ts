import { type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http';
import { type Agent, type RequestOptions, request as requestHttps } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { KubeconfigError, KubernetesApiError, LeaseLostError } from './errors.ts';

/** Speaks to the Kubernetes API over connections that stay open. */
export interface KubeApi extends AsyncDisposable {
  /**
   * @returns Whatever status the API server answered with.
   * @throws {KubernetesApiError} If it did not answer within the deadline.
   * @throws {LeaseLostError} If `msLeft` said that nothing may be sent any more.
   */
  request(call: KubeCall, signal?: AbortSignal): Promise<KubeAnswer>;
  /**
   * Opens an answer that goes on, such as a watch. The deadline is for its beginning; the rest ends with `signal`.
   * @throws {KubernetesApiError} If the API server did not answer within the deadline.
   */
  stream(call: KubeCall, signal: AbortSignal): Promise<KubeStream>;
}

export interface KubeStream {
  readonly status: number;
  /** The bytes as they come. Throws where the connection breaks. */
  readonly parts: AsyncIterable<Uint8Array>;
}

export interface KubeCall {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly contentType?: string;
  readonly body?: unknown;
  /**
   * For how long this may still be sent, ms. Asked right before the first byte leaves, over a connection that stands:
   * at zero nothing is sent, and what is sent is given up after so long.
   */
  readonly msLeft?: () => number;
}

/** The same API, with every call that may change something bound to a deadline. */
export function withDeadline(api: KubeApi, msLeft: () => number): KubeApi {
  return {
    ...api,
    request: (call, signal) => api.request(call.method === 'GET' ? call : { ...call, msLeft }, signal),
  };
}

export interface KubeAnswer {
  readonly status: number;
  /** The parsed JSON; a `Status` object where something was refused. */
  readonly body: unknown;
  /** What the header Retry-After asks for, at most a minute. */
  readonly retryAfterMs?: number;
}

export interface KubeApiOptions {
  /** Path of a kubeconfig. None: the in-cluster account, or else what kubectl would use. */
  readonly kubeconfig?: string;
  /** The context to use. None: the file's current one. */
  readonly context?: string;
  /** How long one call may take. Default 10 s. */
  readonly timeoutMs?: number;
}

/**
 * Opens a client with the credentials of a kubeconfig or of the pod it runs in.
 *
 * The client library resolves credentials (certificates, tokens that rotate, exec plugins, proxies). Its own calls make
 * a TLS handshake each, so the calls are made here, through an agent that is kept while the credentials stay the same.
 *
 * @throws {KubeconfigError} If the kubeconfig cannot be read or names no cluster.
 */
export async function openKubeApi(options: KubeApiOptions = {}): Promise<KubeApi> {
  const config = await loadConfig(options);
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new KubeconfigError('cannot use the kubeconfig: its current context names no cluster');
  const base = new URL(cluster.server);
  const prefix = base.pathname.replace(/\/$/, '');
  const send = base.protocol === 'http:' ? requestHttp : requestHttps;
  const timeoutMs = options.timeoutMs ?? 10_000;
  const connections = keepConnections(config);
  let busyUntil = 0;

  /** What one call is made of, with credentials that are in force now. */
  async function optionsOf(call: KubeCall, body: Uint8Array | undefined): Promise<RequestOptions> {
    const { agent, headers } = await connections.current();
    const query = new URLSearchParams(call.query ?? {}).toString();
    return {
      agent,
      method: call.method,
      host: base.hostname.replace(/^\[|\]$/g, ''),
      port: base.port === '' ? (base.protocol === 'http:' ? 80 : 443) : base.port,
      path: `${prefix}${call.path}${query === '' ? '' : `?${query}`}`,
      headers: {
        ...headers,
        accept: 'application/json',
        ...(body !== undefined && {
          'content-type': call.contentType ?? 'application/json',
          'content-length': body.length,
        }),
      },
    };
  }

  function failure(call: KubeCall, deadline: AbortSignal, error: unknown): KubernetesApiError {
    const why = deadline.aborted ? `no answer within ${timeoutMs / 1000} s` : (error as Error).message;
    const what = `${call.method} ${call.path}`;
    return new KubernetesApiError(`cannot ask the Kubernetes API for ${what}: ${why}`, 0, { cause: error });
  }

  return {
    request: async (call, signal) => {
      const deadline = AbortSignal.timeout(timeoutMs);
      try {
        const body = call.body === undefined ? undefined : Buffer.from(JSON.stringify(call.body));
        const ends = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
        const options: RequestOptions = { ...(await optionsOf(call, body)), signal: ends };
        const pause = busyUntil - performance.now();
        if (pause > 0) throw new Error(`it asked to be left alone for another ${(pause / 1000).toFixed(1)} s`);
        const heard = (answer: KubeAnswer): KubeAnswer => {
          if (answer.status === 429) busyUntil = performance.now() + (answer.retryAfterMs ?? 1000);
          return answer;
        };
        try {
          return heard(await exchange(send, options, body, call.msLeft));
        } catch (error) {
          // The server closed an idle connection just as it was used again: asking once more is harmless.
          if (call.method === 'GET' && (error as { code?: unknown }).code === 'ECONNRESET') {
            return heard(await exchange(send, options, body));
          }
          throw error;
        }
      } catch (error) {
        if (signal?.aborted === true) throw signal.reason;
        if (error instanceof LeaseLostError) throw error;
        throw failure(call, deadline, error);
      }
    },
    stream: async (call, signal) => {
      const deadline = new AbortController();
      const timer = setTimeout(() => deadline.abort(), timeoutMs);
      try {
        const options = await optionsOf(call, undefined);
        const response = await begin(send, { ...options, signal: AbortSignal.any([signal, deadline.signal]) });
        return { status: response.statusCode ?? 0, parts: response };
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        throw failure(call, deadline.signal, error);
      } finally {
        clearTimeout(timer);
      }
    },
    [Symbol.asyncDispose]: async () => connections.close(),
  };
}

function begin(send: typeof requestHttps, options: RequestOptions): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = send(options, resolve);
    request.on('error', reject);
    request.end();
  });
}

function exchange(
  send: typeof requestHttps,
  options: RequestOptions,
  body: Uint8Array | undefined,
  msLeft?: () => number,
): Promise<KubeAnswer> {
  return new Promise((resolve, reject) => {
    const request = send(options, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        const asked = Number(response.headers['retry-after'] ?? Number.NaN);
        resolve({
          status: response.statusCode ?? 0,
          body: parseBody(Buffer.concat(parts).toString('utf8')),
          ...(asked >= 0 && { retryAfterMs: Math.min(asked, 60) * 1000 }),
        });
      });
    });
    request.on('error', reject);
    if (msLeft === undefined) request.end(body);
    else sendInTime(request, body, msLeft);
  });
}

/**
 * Sends once the connection stands, if there is still time: between a decision and its first byte a process may wait
 * for a free connection or a handshake, or be frozen, for any time.
 */
function sendInTime(request: ClientRequest, body: Uint8Array | undefined, msLeft: () => number): void {
  const begin = () => {
    const left = msLeft();
    if (left <= 0) {
      request.destroy(new LeaseLostError('nothing was sent: this process may not act on the target now'));
      return;
    }
    const late = () => request.destroy(new Error('no answer before the lease had to be renewed'));
    const timer = setTimeout(late, left);
    request.once('close', () => clearTimeout(timer));
    request.end(body);
  };
  request.once('socket', (socket) => {
    const { encrypted, secureConnecting } = socket as { encrypted?: boolean; secureConnecting?: boolean };
    if (!socket.connecting && secureConnecting !== true) begin();
    else socket.once(encrypted === true ? 'secureConnect' : 'connect', begin);
  });
}

/** The `message` of a Status object, or the bare status where the body has none. */
export function messageOf({ status, body }: KubeAnswer): string {
  const message = (body as { message?: unknown } | null)?.message;
  return typeof message === 'string' && message !== '' ? message : `the API server answered ${status}`;
}

async function loadConfig({ kubeconfig, context }: KubeApiOptions): Promise<KubeConfig> {
  // The library is large: programs that never speak to a cluster do not load it.
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  try {
    if (kubeconfig !== undefined) config.loadFromFile(kubeconfig);
    else config.loadFromDefault();
    if (context !== undefined) config.setCurrentContext(context);
  } catch (error) {
    const from = kubeconfig ?? 'the default kubeconfig';
    throw new KubeconfigError(`cannot use ${from}: ${(error as Error).message}`, { cause: error });
  }
  if (config.getCurrentCluster()?.server === NOTHING_FOUND) {
    throw new KubeconfigError('cannot find a cluster: there is no kubeconfig here, and this is not a pod');
  }
  if (context !== undefined && config.getContextObject(context) === null) {
    throw new KubeconfigError(`cannot use the kubeconfig: it has no context named ${context}`);
  }
  return config;
}

/** What the library falls back to where there is neither a kubeconfig nor a service account. */
const NOTHING_FOUND = 'http://localhost:8080';

/** Keeps one agent for as long as the credentials that it was made from stay the same. */
function keepConnections(config: KubeConfig) {
  let kept: { readonly agent: Agent; readonly made: string } | undefined;
  return {
    current: async () => {
      const found: { [key: string]: unknown; headers?: Record<string, string>; agent?: Agent; auth?: string } = {};
      await config.applyToHTTPSOptions(found as Parameters<KubeConfig['applyToHTTPSOptions']>[0]);
      const { agent, headers = {}, auth } = found;
      const made = ['ca', 'cert', 'key', 'pfx', 'passphrase', 'servername']
        .map((name) => String(found[name]))
        .join('\0');
      if (kept === undefined || kept.made !== made) {
        kept?.agent.destroy();
        // The library's agent knows about proxies, but closes its connections: this is where they stay open.
        kept = { agent: Object.assign(agent!, { keepAlive: true, maxSockets: 16 }), made };
      }
      const basic = auth === undefined ? {} : { authorization: `Basic ${Buffer.from(auth).toString('base64')}` };
      return { agent: kept.agent, headers: { ...basic, ...headers } };
    },
    close: () => kept?.agent.destroy(),
  };
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { message: text.slice(0, 500) };
  }
}
