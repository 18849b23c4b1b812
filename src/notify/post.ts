import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { HttpAccess, TlsAccess } from '../alerting/receiver.ts';
import { base64Of, type Secret, withoutSecrets } from '../model/secret.ts';
import { HOUR } from '../model/time.ts';
import { type Outcome, SENT } from './outcome.ts';

export interface Post {
  readonly url: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly access?: HttpAccess;
  readonly timeoutMs: number;
  /** What must not stand in a failure's message. */
  readonly secrets: readonly Secret[];
  readonly now: number;
  readonly signal: AbortSignal;
}

/** Of an answer: what is shown of it is shorter. */
const MOST_READ_BYTES = 16 * 1024;
const MOST_SHOWN = 200;
/** Nobody is left alone for longer. */
const MOST_RETRY_AFTER_MS = HOUR;

/**
 * Sends JSON. 2xx is taken; 408, 429 and 5xx may be taken later, as may what did not arrive; anything else is refused for
 * good, redirects too: nobody is told elsewhere than the settings say.
 */
export async function postJson(post: Post): Promise<Outcome> {
  const failed = (reason: Extract<Outcome, { kind: 'failed' }>['reason'], message: string, retry: boolean): Outcome => {
    return { kind: 'failed', reason, message: withoutSecrets(message, post.secrets), retry };
  };
  if (!URL.canParse(post.url) || !/^https?:$/.test(new URL(post.url).protocol)) {
    return failed('address', 'what should be its address is none', false);
  }
  // One that hangs holds a connection and a place in the queue: every attempt has an end.
  const timeout = AbortSignal.timeout(post.timeoutMs);
  try {
    const { status, retryAfter, text } = await exchange(post, AbortSignal.any([post.signal, timeout]));
    if (status >= 200 && status < 300) return SENT;
    // Hidden before it is cut: of a secret no part is shown.
    const said = withoutSecrets(text, post.secrets).trim().replace(/\s+/g, ' ').slice(0, MOST_SHOWN);
    const message = `it answered ${status}${said === '' ? '' : `: ${said}`}`;
    const retryAfterMs = retryAfterOf(retryAfter, post.now);
    const later = { ...(retryAfterMs !== undefined && { retryAfterMs }) };
    if (status === 429) return { ...failed('rate-limited', message, true), ...later };
    if (status === 408 || status >= 500) return { ...failed('server-error', message, true), ...later };
    return failed('refused', message, false);
  } catch (error) {
    if (post.signal.aborted) throw post.signal.reason;
    if (timeout.aborted) return failed('timeout', `no answer within ${post.timeoutMs} ms`, true);
    const { code, message } = error as NodeJS.ErrnoException;
    if (isAboutTls(code)) return failed('tls', `its certificate cannot be trusted: ${code}`, true);
    if (code === 'ERR_INVALID_CHAR') return failed('address', 'a header has a character that none may have', false);
    return failed('connection', `no connection: ${code ?? message}`, true);
  }
}

interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly text: string;
}

function exchange({ url, body, headers, access }: Post, signal: AbortSignal): Promise<Answer> {
  const { protocol } = new URL(url);
  return new Promise((resolve, reject) => {
    const options = {
      method: 'POST',
      signal,
      headers: {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(body)),
        'user-agent': 'foresail',
        ...authorization(access),
        ...headers,
      },
    };
    const take = (response: IncomingMessage) => void readAnswer(response).then(resolve, reject);
    const outgoing: ClientRequest =
      protocol === 'https:'
        ? httpsRequest(url, { ...options, ...tlsOptions(access?.tls) }, take)
        : httpRequest(url, options, take);
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    if (length < MOST_READ_BYTES) parts.push(part);
    length += part.length;
    if (length > 64 * MOST_READ_BYTES) break;
  }
  return {
    status: response.statusCode ?? 0,
    retryAfter: response.headers['retry-after'],
    text: Buffer.concat(parts).subarray(0, MOST_READ_BYTES).toString('utf8'),
  };
}

function authorization(access: HttpAccess | undefined): Record<string, string> {
  if (access?.bearerToken !== undefined) return { authorization: `Bearer ${access.bearerToken.reveal()}` };
  if (access?.basicAuth === undefined) return {};
  const { username, password } = access.basicAuth;
  return { authorization: `Basic ${base64Of(`${username}:${password.reveal()}`)}` };
}

export function tlsOptions(tls: TlsAccess | undefined) {
  if (tls === undefined) return {};
  return {
    ...(tls.ca !== undefined && { ca: tls.ca }),
    ...(tls.serverName !== undefined && { servername: tls.serverName }),
    rejectUnauthorized: !tls.insecureSkipVerify,
  };
}

/** Codes of OpenSSL and of Node for certificates and handshakes. */
export function isAboutTls(code: string | undefined): boolean {
  return code !== undefined && /CERT|_TLS_|^ERR_SSL|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH|EPROTO/.test(code);
}

/** Seconds, or a date. */
function retryAfterOf(text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined;
  const ms = /^\d+$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), MOST_RETRY_AFTER_MS) : undefined;
}
