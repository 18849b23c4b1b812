import type { IncomingMessage } from 'node:http';
import { ForbiddenError } from './errors.ts';

export interface HostCheckSettings {
  readonly listenHost: string;
  /** Names that a proxy in front sends. */
  readonly allowedHosts: readonly string[];
}

const LOCAL_NAMES = ['localhost', '127.0.0.1', '::1'];
const READING = ['GET', 'HEAD', 'OPTIONS'];

/**
 * Refuses what a web page in a browser on this machine could send to a server that asks nobody who they are: requests
 * under a name that the page's owner points at 127.0.0.1 (DNS rebinding), and posts from other sites. Who asks without
 * a Host header is no browser.
 *
 * @throws {ForbiddenError} From the check that is returned.
 */
export function hostCheck({ listenHost, allowedHosts }: HostCheckSettings): (request: IncomingMessage) => void {
  const known = new Set([...LOCAL_NAMES, listenHost, ...allowedHosts].map((name) => name.toLowerCase()));
  return ({ method = 'GET', headers: { host, origin } }) => {
    if (host !== undefined && !known.has(nameIn(host))) {
      throw new ForbiddenError(
        `cannot answer under the name ${JSON.stringify(host.slice(0, 100))}: add it to allowedHosts in the settings, or set authentication`,
      );
    }
    if (origin === undefined || READING.includes(method) || known.has(nameIn(origin.replace(/^https?:\/\//, ''))))
      return;
    throw new ForbiddenError(
      `cannot take this from a page of ${JSON.stringify(origin.slice(0, 100))}: add its host to allowedHosts in the settings, or set authentication`,
    );
  };
}

/** The name in `name:port` or `[::1]:port`. */
function nameIn(host: string): string {
  const [, bracketed, plain] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(host) ?? [];
  return (bracketed ?? plain ?? '').toLowerCase();
}
