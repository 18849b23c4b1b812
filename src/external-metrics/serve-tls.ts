import { constants, type X509Certificate } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { MetricsRequest } from './answer.ts';
import type { ServingCertificate } from './serving-certificate.ts';
import type { Answer } from './status.ts';

export interface TlsServer {
  /** `https://127.0.0.1:8443` */
  readonly url: string;
  readonly port: number;
  /** From now on, new connections see this one. */
  present(certificate: ServingCertificate): void;
  close(): Promise<void>;
}

export interface ServeTlsOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly certificate: ServingCertificate;
  /** Writes its one answer. Where it rejects, the connection ends. */
  readonly handle: (request: MetricsRequest, write: (answer: Answer) => void) => Promise<void>;
}

/** Longer than the 90 s that Go's clients keep idle connections, so that they close first and lose no request. */
const KEEP_ALIVE_MS = 95_000;
/** What requests that are being answered have left when the server closes. */
const GRACE_MS = 1_000;
/** Certificates that a client may send with its own. */
const LONGEST_CHAIN = 5;

/**
 * Opens the HTTPS server. A client's certificate is asked for and taken as it is: whose authority issued it, and whether
 * that counts, is decided for each request. So no authority is named in the handshake, and one that rotates needs no
 * new context. Sessions are not resumed: a resumed one would not have the client's chain.
 *
 * @throws {NodeJS.ErrnoException} If the address cannot be taken.
 */
export async function serveTls({ host, port, certificate, handle }: ServeTlsOptions): Promise<TlsServer> {
  const context = ({ cert, key }: ServingCertificate) =>
    ({ cert, key, minVersion: 'TLSv1.2', secureOptions: constants.SSL_OP_NO_TICKET }) as const;
  const chains = new WeakMap<TLSSocket, readonly X509Certificate[]>();
  const chainOf = (socket: TLSSocket) => {
    const known = chains.get(socket) ?? peerChain(socket);
    chains.set(socket, known);
    return known;
  };
  const server = createServer(
    {
      ...context(certificate),
      requestCert: true,
      rejectUnauthorized: false,
      headersTimeout: 10_000,
      requestTimeout: 15_000,
      keepAliveTimeout: KEEP_ALIVE_MS,
      handshakeTimeout: 10_000,
      maxHeaderSize: 32 * 1024,
    },
    (request, response) => {
      const { method = 'GET', url = '/', headersDistinct: headers } = request;
      request.resume();
      const chain = chainOf(request.socket as TLSSocket);
      // What `handle` could not foresee ends the connection: it counts and logs the error itself.
      handle({ method, url, headers, chain }, (answer) => send(response, answer, request)).catch(() => {
        response.destroy();
      });
    },
  );
  // A scanner, or a client that does not like our certificate, is no trouble of ours.
  server.on('tlsClientError', (_, socket) => socket.destroy());
  server.maxConnections = 4096;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const { port: opened } = server.address() as AddressInfo;
  return {
    url: `https://${host.includes(':') ? `[${host}]` : host}:${opened}`,
    port: opened,
    present: (next) => server.setSecureContext(context(next)),
    close: () =>
      new Promise((resolve) => {
        const late = setTimeout(() => server.closeAllConnections(), GRACE_MS);
        server.close(() => {
          clearTimeout(late);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

function send(
  response: ServerResponse,
  { status, body, contentType, headers }: Answer,
  request: IncomingMessage,
): void {
  if (response.destroyed || request.socket.destroyed) return;
  const bytes = Buffer.isBuffer(body)
    ? body
    : Buffer.from(typeof body === 'string' ? body : (JSON.stringify(body) ?? ''));
  response.writeHead(status, {
    'content-type': contentType ?? 'application/json',
    'content-length': bytes.length,
    'cache-control': 'no-cache, private',
    ...headers,
  });
  response.end(bytes);
}

function peerChain(socket: TLSSocket): readonly X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next = socket.getPeerX509Certificate();
  while (next !== undefined && chain.length < LONGEST_CHAIN) {
    const current = next;
    if (chain.some((known) => known.fingerprint256 === current.fingerprint256)) break;
    chain.push(current);
    next = current.issuerCertificate;
  }
  return chain;
}
