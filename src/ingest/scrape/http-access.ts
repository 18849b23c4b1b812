import { readFile } from 'node:fs/promises';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { HttpAccess, Secret, TlsAccess } from '../../model/scrape-job.ts';
import type { Millis } from '../../model/time.ts';
import { ScrapeError } from './errors.ts';

/** What a request is sent with. */
export interface Credentials {
  readonly agents: { readonly http: HttpAgent; readonly https: HttpsAgent };
  readonly headers: Readonly<Record<string, string | string[]>>;
}

/** Keeps connections open, and reads files of secrets anew when they may have changed. */
export interface OpenAccess extends Disposable {
  /** @throws {ScrapeError} If a file cannot be read. */
  credentials(): Promise<Credentials>;
}

/** A file of secrets is read again after this time: tokens and certificates rotate. */
const REREAD_MS = 5_000;
/** Connections that nobody uses are closed after this time. */
const IDLE_MS = 300_000;

/** @param monotonic Milliseconds of a clock that nobody sets. */
export function openAccess(access: HttpAccess, monotonic: () => Millis = () => performance.now()): OpenAccess {
  const http = new HttpAgent({ keepAlive: true, timeout: IDLE_MS });
  let https = new HttpsAgent({ keepAlive: true, timeout: IDLE_MS });
  let made = '';
  let headers: Credentials['headers'] = {};
  let readAt = Number.NEGATIVE_INFINITY;

  async function read(): Promise<void> {
    headers = await headersOf(access);
    const tls = await tlsOptions(access.tls);
    const key = JSON.stringify(tls);
    if (key !== made) {
      https.destroy();
      https = new HttpsAgent({ keepAlive: true, timeout: IDLE_MS, ...tls });
      made = key;
    }
    readAt = monotonic();
  }

  return {
    async credentials() {
      if (monotonic() - readAt >= REREAD_MS) await read();
      return { agents: { http, https }, headers };
    },
    [Symbol.dispose]() {
      http.destroy();
      https.destroy();
    },
  };
}

async function headersOf({ basicAuth, authorization, headers }: HttpAccess): Promise<Credentials['headers']> {
  const sent: Record<string, string | string[]> = {};
  for (const { name, values } of headers) sent[name.toLowerCase()] = await Promise.all(values.map(secretText));
  if (basicAuth !== undefined) {
    const [username, password] = await Promise.all([secretText(basicAuth.username), secretText(basicAuth.password)]);
    sent['authorization'] = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  }
  if (authorization !== undefined) {
    sent['authorization'] = `${authorization.type} ${await secretText(authorization.credentials)}`;
  }
  return sent;
}

async function tlsOptions({ ca, cert, key, serverName, skipVerify, minVersion, maxVersion }: TlsAccess) {
  const text = async (secret: Secret | undefined) => (secret === undefined ? undefined : await secretText(secret));
  const [caText, certText, keyText] = await Promise.all([text(ca), text(cert), text(key)]);
  return {
    ...(caText !== undefined && { ca: caText }),
    ...(certText !== undefined && { cert: certText }),
    ...(keyText !== undefined && { key: keyText }),
    ...(serverName !== undefined && { servername: serverName }),
    ...(skipVerify && { rejectUnauthorized: false }),
    ...(minVersion !== undefined && { minVersion }),
    ...(maxVersion !== undefined && { maxVersion }),
  };
}

async function secretText(secret: Secret): Promise<string> {
  if (secret.kind === 'text') return secret.text;
  try {
    return (await readFile(secret.path, 'utf8')).trim();
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new ScrapeError('credentials', `cannot read ${secret.path}: ${why}`, { cause });
  }
}
