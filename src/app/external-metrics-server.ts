import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KubernetesAccess, Settings } from '../config/load.ts';
import type { BoardChange } from '../external-metrics/board-values.ts';
import { openMetricsBoard } from '../external-metrics/metrics-board.ts';
import { type ExternalMetricsTelemetry, openExternalMetrics } from '../external-metrics/open-external-metrics.ts';
import { selfMadeCertificates } from '../external-metrics/self-made.ts';
import { certificateFiles } from '../external-metrics/serving-certificate.ts';
import { openUpstream, type Upstream } from '../external-metrics/upstream.ts';
import { ListenError } from '../http/errors.ts';
import { openKubeApi } from '../kube/api.ts';
import { CodedError } from '../model/errors.ts';
import type { Millis } from '../model/time.ts';
import { kubeAccess } from './kube-access.ts';

/** All that the server needs to know, in values that can be told to another thread. */
export interface ServerOptions {
  readonly settings: NonNullable<Settings['externalMetrics']>;
  readonly kubernetes: Exclude<KubernetesAccess, { kind: 'off' }>;
  readonly dataFolder: string;
  readonly passIntervalMs: number;
}

/** The server of external metrics, with a board and a way to the Kubernetes API of its own. */
export interface RunningServer {
  /** `https://127.0.0.1:8443` */
  readonly url: string;
  readonly port: number;
  apply(changes: readonly BoardChange[]): void;
  refresh(): Promise<void>;
  close(): Promise<void>;
}

/** @throws {CodedError} If there is no certificate, no cluster, or the address cannot be taken. */
export async function startServer(
  { settings, kubernetes, dataFolder, passIntervalMs }: ServerOptions,
  { now, telemetry }: { readonly now: () => Millis; readonly telemetry: ExternalMetricsTelemetry },
): Promise<RunningServer> {
  const { listen, service, apiService } = settings;
  const board = openMetricsBoard({ now, passIntervalMs });
  const api = await openKubeApi(kubeAccess(kubernetes));
  const upstream = upstreamOf(settings);
  try {
    const server = await openExternalMetrics({
      ...listen,
      ...{ now, board, upstream, telemetry },
      ask: api.request,
      certificates: certificatesOf(settings, dataFolder),
      apiService: apiService === 'keep' ? service : undefined,
    });
    return {
      url: server.url,
      port: server.port,
      apply(changes) {
        for (const change of changes) board.apply(change);
      },
      refresh: server.refresh,
      async close() {
        await server[Symbol.asyncDispose]();
        await api[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    upstream?.close();
    await api[Symbol.asyncDispose]();
    if (error instanceof CodedError) throw error;
    throw new ListenError(`${listen.host}:${listen.port}`, error as NodeJS.ErrnoException);
  }
}

function certificatesOf({ certificates, service }: ServerOptions['settings'], dataFolder: string) {
  if (certificates !== 'selfMade') return certificateFiles(certificates);
  const host = `${service.name}.${service.namespace}.svc`;
  return selfMadeCertificates({
    folder: join(dataFolder, 'external-metrics'),
    dnsNames: [host, `${host}.cluster.local`],
  });
}

function upstreamOf({ upstream }: ServerOptions['settings']): Upstream | undefined {
  if (upstream === undefined) return undefined;
  const { url, ca, token, skipVerify } = upstream;
  return openUpstream({
    url,
    credentials: () => ({
      ca: ca === undefined ? undefined : readFileSync(ca, 'utf8'),
      token: existsSync(token) ? readFileSync(token, 'utf8').trim() : undefined,
      skipVerify,
    }),
  });
}
