import { type Agent, Agent as HttpsAgent, request } from 'node:https';
import { GROUP_VERSION } from './discovery.ts';
import { type Answer, failure } from './status.ts';

/** Another adapter of external metrics, behind this one. */
export interface Upstream {
  /** What it said last that it has. */
  metrics(): readonly string[];
  /** Its answer, whatever it is; 503 where there is none. */
  forward(url: string): Promise<Answer>;
  /** Takes up credentials that changed, and asks what it has. @throws {Error} If it does not say. */
  refresh(): Promise<void>;
  close(): void;
}

export interface UpstreamOptions {
  /** `https://prometheus-adapter.monitoring.svc` */
  readonly url: string;
  /** Read anew at each refresh, since tokens and authorities rotate. */
  readonly credentials: () => UpstreamCredentials;
  /** Default 10 s. */
  readonly timeoutMs?: number;
}

export interface UpstreamCredentials {
  readonly token: string | undefined;
  /** PEM. Undefined: those of Node. */
  readonly ca: string | undefined;
  readonly skipVerify: boolean;
}

/** An answer that is larger than this is none. */
const MOST_BYTES = 4 * 1024 * 1024;

/**
 * Speaks to another adapter as the program's own account: who asked was authenticated and allowed here, and that account
 * must be allowed `list` of the metrics there.
 */
export function openUpstream({ url, credentials, timeoutMs = 10_000 }: UpstreamOptions): Upstream {
  const base = new URL(url);
  const prefix = base.pathname.replace(/\/$/, '');
  let known: readonly string[] = [];
  let inUse = credentials();
  let agent = agentOf(inUse);

  async function get(path: string): Promise<{ status: number; contentType: string; body: Buffer }> {
    return await new Promise((resolve, reject) => {
      const call = request(
        {
          agent,
          host: base.hostname.replace(/^\[|\]$/g, ''),
          port: base.port === '' ? 443 : base.port,
          path: `${prefix}${path}`,
          signal: AbortSignal.timeout(timeoutMs),
          headers: {
            accept: 'application/json',
            ...(inUse.token !== undefined && { authorization: `Bearer ${inUse.token}` }),
          },
        },
        (response) => {
          const parts: Buffer[] = [];
          let bytes = 0;
          response.on('data', (part: Buffer) => {
            bytes += part.length;
            if (bytes > MOST_BYTES) call.destroy(new Error(`its answer is larger than ${MOST_BYTES} bytes`));
            parts.push(part);
          });
          response.on('error', reject);
          response.on('end', () => {
            const contentType = response.headers['content-type'] ?? 'application/json';
            resolve({ status: response.statusCode ?? 0, contentType, body: Buffer.concat(parts) });
          });
        },
      );
      call.on('error', reject);
      call.end();
    });
  }

  return {
    metrics: () => known,
    async forward(path) {
      try {
        return await get(path);
      } catch (error) {
        return failure(
          'ServiceUnavailable',
          `the adapter at ${base.host} does not answer: ${(error as Error).message}`,
        );
      }
    },
    async refresh() {
      const now = credentials();
      if (now.ca !== inUse.ca || now.skipVerify !== inUse.skipVerify) {
        agent.destroy();
        agent = agentOf(now);
      }
      inUse = now;
      const { status, body } = await get(`/apis/${GROUP_VERSION}`);
      if (status !== 200) throw new Error(`the adapter at ${base.host} answered ${status} when asked what it has`);
      const { resources = [] } = JSON.parse(body.toString('utf8')) as { resources?: readonly { name?: unknown }[] };
      known = resources.flatMap(({ name }) => (typeof name === 'string' ? [name] : []));
    },
    close: () => agent.destroy(),
  };
}

function agentOf({ ca, skipVerify }: UpstreamCredentials): Agent {
  return new HttpsAgent({
    keepAlive: true,
    maxSockets: 32,
    rejectUnauthorized: !skipVerify,
    ...(ca !== undefined && { ca }),
  });
}
