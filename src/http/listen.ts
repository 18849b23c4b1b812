import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { ListenError } from './errors.ts';

export type RawHandler = (request: IncomingMessage, response: ServerResponse) => void;

export interface ListenOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Requests for these paths go to their handler at once: a write of many samples is too hot for express. */
  readonly rawHandlers: ReadonlyMap<string, RawHandler>;
  readonly handler: RawHandler;
}

export interface Listening {
  /** `http://127.0.0.1:7070` */
  readonly url: string;
  /** Stops accepting, lets requests end, and ends those that have not after `graceMs`. */
  close(graceMs?: number): Promise<void>;
}

/** A client that sends its headers slower than this is not one. */
const HEADERS_TIMEOUT_MS = 20_000;
/** Time for a whole request, body included. */
const REQUEST_TIMEOUT_MS = 120_000;
/** Longer than the idle time of usual proxies and senders, so that they close first and lose no request. */
const KEEP_ALIVE_MS = 95_000;
const MAX_HEADER_BYTES = 32 * 1024;

/** Opens the HTTP server. */
export async function listen({ host, port, rawHandlers, handler }: ListenOptions): Promise<Listening> {
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      connectionsCheckingInterval: 5_000,
    },
    (request, response) => {
      const url = request.url ?? '/';
      const end = url.indexOf('?');
      (rawHandlers.get(end === -1 ? url : url.slice(0, end)) ?? handler)(request, response);
    },
  );
  server.on('clientError', refuseBroken);
  await opened(server, host, port);
  const { port: opens } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${opens}`,
    close: (graceMs = 5_000) => closed(server, graceMs),
  };
}

/** Time for a client to read what was wrong before its connection is ended. */
const LINGER_MS = 1_000;

/** Answers what is no HTTP, or is too slow or too large in its headers: Node by itself would answer without a word. */
function refuseBroken(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (socket.writableEnded) return;
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, words] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? ['431 Request Header Fields Too Large', `the address and headers are longer than ${MAX_HEADER_BYTES} bytes`]
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ['408 Request Timeout', 'the request came too slowly']
        : ['400 Bad Request', 'this is not HTTP'];
  const message = `cannot read the request: ${words}`;
  const body = JSON.stringify({ status: 'error', errorType: 'bad_data', error: message, code: 'unreadable_request' });
  const head = `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
  socket.end(head + body);
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer)).on('error', () => socket.destroy());
  socket.resume();
}

function opened(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const refuse = (cause: NodeJS.ErrnoException) => reject(new ListenError(`${host}:${port}`, cause));
    server.once('error', refuse);
    server.listen(port, host, () => {
      server.off('error', refuse);
      resolve();
    });
  });
}

function closed(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}
