import { type IncomingMessage, type RequestOptions, request as requestHttp, STATUS_CODES } from 'node:http';
import { request as requestHttps } from 'node:https';
import { promisify } from 'node:util';
import { gunzip, gunzipSync } from 'node:zlib';
import { ScrapeError } from './errors.ts';
import type { OpenAccess } from './http-access.ts';

const gunzipAside = promisify(gunzip);

export interface GetOptions {
  readonly access: OpenAccess;
  readonly headers: Readonly<Record<string, string>>;
  readonly followRedirects: boolean;
  readonly timeoutMs: number;
  /** Of the body, unpacked. 0: no limit. */
  readonly maxBytes: number;
}

export interface GotBody {
  readonly contentType: string | undefined;
  /** Unpacked. */
  readonly body: Buffer;
}

/** As Go's client. */
const MAX_REDIRECTS = 10;
/** A packed body above this size is unpacked by another thread: below it, changing threads costs more than the work. */
const UNPACK_ASIDE_BYTES = 64 << 10;
/** A body is never unpacked beyond this, limit or not. */
const MAX_BODY_BYTES = 1 << 30;

/**
 * Asks for an address, and reads the whole answer.
 * @throws {ScrapeError} If it does not answer 200 in time, within the limit.
 */
export async function httpGet(url: string, options: GetOptions, signal: AbortSignal): Promise<GotBody> {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), options.timeoutMs);
  const abort = () => deadline.abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await follow(url, options, deadline.signal);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (deadline.signal.aborted) {
      throw new ScrapeError('timeout', `no whole answer within ${options.timeoutMs / 1000} s`, { cause: error });
    }
    if (error instanceof ScrapeError) throw error;
    throw new ScrapeError('connection', `cannot ask ${url}: ${messageOf(error)}`, { cause: error });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

async function follow(first: string, options: GetOptions, signal: AbortSignal): Promise<GotBody> {
  let url = new URL(first);
  for (let hop = 0; ; hop++) {
    const response = await ask(url, options, signal, url.host === new URL(first).host);
    const status = response.statusCode ?? 0;
    const { location } = response.headers;
    if (options.followRedirects && location !== undefined && [301, 302, 303, 307, 308].includes(status)) {
      response.resume();
      if (hop === MAX_REDIRECTS) throw new ScrapeError('status', `stopped after ${MAX_REDIRECTS} redirects`);
      url = new URL(location, url);
      continue;
    }
    if (status !== 200) {
      response.resume();
      throw new ScrapeError('status', `server returned HTTP status ${status} ${STATUS_CODES[status] ?? ''}`.trim());
    }
    const packed = await readAll(response, options.maxBytes);
    const body = await unpacked(packed, response.headers['content-encoding'], options.maxBytes);
    return { contentType: response.headers['content-type'], body };
  }
}

/** Credentials go to the host that the configuration names, and to no other. */
async function ask(url: URL, options: GetOptions, signal: AbortSignal, isOwnHost: boolean): Promise<IncomingMessage> {
  const { agents, headers } = await options.access.credentials();
  const isTls = url.protocol === 'https:';
  const send = isTls ? requestHttps : requestHttp;
  const { authorization: _, ...open } = headers;
  const sent: RequestOptions = {
    agent: isTls ? agents.https : agents.http,
    method: 'GET',
    headers: { ...(isOwnHost ? headers : open), ...options.headers },
    signal,
  };
  return await new Promise((resolve, reject) => {
    const request = send(url, sent, resolve);
    request.on('error', reject);
    request.end();
  });
}

function readAll(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let length = 0;
    response.on('data', (part: Buffer) => {
      length += part.length;
      if (length > (maxBytes || MAX_BODY_BYTES)) {
        response.destroy();
        reject(tooLarge(maxBytes));
      }
      parts.push(part);
    });
    response.on('error', reject);
    response.on('aborted', () => reject(new Error('the answer was cut short')));
    response.on('end', () => resolve(parts.length === 1 ? parts[0]! : Buffer.concat(parts, length)));
  });
}

async function unpacked(packed: Buffer, encoding: string | undefined, maxBytes: number): Promise<Buffer> {
  if (encoding === undefined || encoding === 'identity') return packed;
  if (encoding !== 'gzip') throw new ScrapeError('encoding', `the answer is packed as ${encoding}`);
  const limits = { maxOutputLength: maxBytes || MAX_BODY_BYTES };
  try {
    return packed.length <= UNPACK_ASIDE_BYTES ? gunzipSync(packed, limits) : await gunzipAside(packed, limits);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxBytes);
    throw new ScrapeError('encoding', `the answer is not gzip: ${messageOf(error)}`, { cause: error });
  }
}

function tooLarge(maxBytes: number): ScrapeError {
  return new ScrapeError('body_size_limit', `body size limit exceeded: more than ${maxBytes || MAX_BODY_BYTES} bytes`);
}

function messageOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  return message === '' || message === undefined ? String(code ?? error) : message;
}
