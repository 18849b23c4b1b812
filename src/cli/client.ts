import type { Command } from 'commander';
import { CodedError } from '../model/errors.ts';
import { readText } from './read-text.ts';

/** Which server to ask, and as whom. */
export interface ServerOptions {
  readonly url: string;
  readonly tokenFile?: string;
  readonly tenant?: string;
}

/** The server did not answer, or not as one of Foresail's servers does. */
export class ServerError extends CodedError {
  override readonly name = 'ServerError';
  readonly code = 'server_call';
  /** HTTP status, or 0 where there was no answer. */
  readonly status: number;

  constructor(message: string, status: number, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

/** Adds the options that every command which asks a server has. */
export function serverOptions(command: Command): Command {
  return command
    .option('--url <url>', 'the running server', 'http://127.0.0.1:7070')
    .option('--token-file <file>', 'a file with the credential, where the server asks for one')
    .option('--tenant <id>', 'the tenant, where tenancy is on');
}

export interface Call {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly body?: string | Uint8Array<ArrayBuffer>;
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Calls the server and reads its JSON answer, whatever its status.
 * @throws {ServerError} If nobody answers there, or with something else than JSON.
 */
export async function callServer(
  server: ServerOptions,
  path: string,
  call: Call = {},
): Promise<{ readonly status: number; readonly body: unknown; readonly retryAfterMs?: number | undefined }> {
  const { url, response } = await respond(server, path, call);
  const text = await response.text();
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  const retryAfterMs = seconds >= 0 ? seconds * 1000 : undefined;
  if (text === '') return { status: response.status, body: null, retryAfterMs };
  try {
    return { status: response.status, body: JSON.parse(text), retryAfterMs };
  } catch (cause) {
    throw new ServerError(`cannot use the answer of ${url}${path}: it is not JSON`, response.status, { cause });
  }
}

/**
 * Calls the server and reads its JSON answer.
 * @throws {ServerError} If nobody answers there, or the answer is an error: with the server's own message.
 */
export async function askServer(server: ServerOptions, path: string, call?: Call): Promise<unknown> {
  const { status, body } = await callServer(server, path, call);
  if (status >= 200 && status < 300) return body;
  throw new ServerError(messageOf(body) ?? `cannot use the answer of ${path}: status ${status}`, status);
}

/** @throws {ServerError} If nobody answers there. */
async function respond(
  server: ServerOptions,
  path: string,
  { method = 'GET', body, contentType, signal }: Call,
): Promise<{ readonly url: string; readonly response: Response }> {
  const url = server.url.replace(/\/+$/, '');
  const headers: Record<string, string> = {};
  if (contentType !== undefined) headers['content-type'] = contentType;
  if (server.tokenFile !== undefined) {
    headers['authorization'] = `Bearer ${readText(server.tokenFile).trim()}`;
  }
  if (server.tenant !== undefined) headers['x-scope-orgid'] = server.tenant;
  let response: Response;
  try {
    response = await fetch(`${url}${path}`, {
      method,
      headers,
      ...(body !== undefined && { body }),
      ...(signal !== undefined && { signal }),
    });
  } catch (error) {
    if (signal?.aborted === true) throw error;
    const why = `${reasonOf(error)}; start one with foresail serve, or name another with --url`;
    throw new ServerError(`cannot reach a server at ${url}: ${why}`, 0, { cause: error });
  }
  return { url, response };
}

/**
 * Calls the server and reads its answer as it is.
 * @throws {ServerError} If nobody answers there, or the answer is an error: with the server's own message.
 */
export async function askServerText(server: ServerOptions, path: string, call: Call = {}): Promise<string> {
  const { response } = await respond(server, path, call);
  const text = await response.text();
  if (response.ok) return text;
  throw new ServerError(
    messageOf(parsed(text)) ?? `cannot use the answer of ${path}: status ${response.status}`,
    response.status,
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function messageOf(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null || !('error' in body)) return undefined;
  return typeof body.error === 'string' ? body.error : undefined;
}

/** `fetch` hides why it did not work in the cause of its error. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  if (typeof cause === 'object' && cause !== null && 'code' in cause) {
    return cause.code === 'ECONNREFUSED' ? 'nothing listens there' : String(cause.code);
  }
  if (cause instanceof Error) return cause.message;
  return error instanceof Error ? error.message : String(error);
}
