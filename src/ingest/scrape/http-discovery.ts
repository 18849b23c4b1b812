import type { Discovery } from '../../model/scrape-job.ts';
import type { DiscoveryDeps } from './discovery-deps.ts';
import { DiscoveryError } from './errors.ts';
import { openAccess } from './http-access.ts';
import { httpGet } from './http-get.ts';
import { parseGroups } from './target-groups.ts';

const TIMEOUT_MS = 30_000;
const MAX_BYTES = 64 << 20;

/** Asks a server for targets at every interval. While it does not answer, those that it listed last stay. */
export async function runHttpDiscovery(
  { url, refreshMs, access }: Extract<Discovery, { kind: 'http' }>,
  { clock, userAgent, onGroups, onFailure }: DiscoveryDeps,
  signal: AbortSignal,
): Promise<void> {
  using open = openAccess(access);
  const headers = {
    accept: 'application/json',
    'accept-encoding': 'gzip',
    'user-agent': userAgent,
    'x-prometheus-refresh-interval-seconds': String(refreshMs / 1000),
  };
  const { followRedirects } = access;
  const options = { access: open, headers, followRedirects, timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES };
  while (!signal.aborted) {
    try {
      const { body, contentType } = await httpGet(url, options, signal);
      if (!/^application\/json(?:;|$)/i.test(contentType ?? '')) {
        throw new RangeError(`expected application/json, got ${contentType ?? 'no Content-Type'}`);
      }
      const groups = parseGroups(JSON.parse(body.toString('utf8')), (i) => `${url}:${i}`, { __meta_url: url });
      onGroups(groups);
    } catch (error) {
      if (signal.aborted) return;
      onFailure(new DiscoveryError(`cannot use the targets of ${url}: ${(error as Error).message}`, { cause: error }));
    }
    await clock.sleep(refreshMs, signal).catch(() => {});
  }
}
