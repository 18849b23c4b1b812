import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

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
  await opened(server, host, port);
  const { port: opens } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${opens}`,
    close: (graceMs = 5_000) => closed(server, graceMs),
  };
}

function opened(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
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
