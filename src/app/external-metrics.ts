import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Settings } from '../config/load.ts';
import { ExternalMetricsWithoutClusterError } from '../external-metrics/errors.ts';
import { type MetricsBoard, openMetricsBoard } from '../external-metrics/metrics-board.ts';
import {
  type ExternalMetricsServer,
  type ExternalMetricsTelemetry,
  openExternalMetrics,
} from '../external-metrics/open-external-metrics.ts';
import { selfMadeCertificates } from '../external-metrics/self-made.ts';
import { certificateFiles } from '../external-metrics/serving-certificate.ts';
import { openUpstream, type Upstream } from '../external-metrics/upstream.ts';
import { ListenError } from '../http/errors.ts';
import { openKubeApi } from '../kube/api.ts';
import { runLoop } from '../loops/run-loop.ts';
import { CodedError } from '../model/errors.ts';
import { SECOND } from '../model/time.ts';
import type { Parts } from './parts.ts';

/** The server of external metrics, where the settings ask for one. */
export interface ExternalMetrics {
  /** Remembers what the passes see. */
  readonly board: Pick<MetricsBoard, 'planned' | 'watching'>;
  /** What is wrong with it now, a sentence each. */
  problems(): readonly string[];
  /** Looks at what changes by itself, until aborted. */
  run(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

type Settled = NonNullable<Settings['externalMetrics']>;

/** How soon an authority, a certificate or an APIService that changed is seen. */
const REFRESH_MS = 10 * SECOND;

const OFF: ExternalMetrics = {
  board: { planned: () => {}, watching: (_, forecasts) => forecasts },
  problems: () => [],
  run: async () => {},
  close: async () => {},
};

export async function openExternalMetricsPart(parts: Parts): Promise<ExternalMetrics> {
  const { settings, clock, log, policies, telemetry } = parts;
  const { externalMetrics, kubernetes, loops } = settings;
  if (externalMetrics === undefined) return OFF;
  if (kubernetes.kind === 'off') throw new ExternalMetricsWithoutClusterError();
  const { listen, service } = externalMetrics;
  const board = openMetricsBoard({ now: clock.now, passIntervalMs: loops.scaleMs });
  const api = await openKubeApi(
    kubernetes.kind === 'kubeconfig'
      ? { kubeconfig: kubernetes.path, ...(kubernetes.context !== undefined && { context: kubernetes.context }) }
      : {},
  );
  const upstream = upstreamOf(externalMetrics);
  let server: ExternalMetricsServer;
  try {
    server = await openExternalMetrics({
      ...listen,
      now: clock.now,
      ask: api.request,
      board,
      certificates: certificatesOf(externalMetrics, settings.dataFolder),
      apiService: externalMetrics.apiService === 'keep' ? service : undefined,
      upstream,
      telemetry: telemetryOf(parts),
    });
  } catch (error) {
    upstream?.close();
    await api[Symbol.asyncDispose]();
    if (error instanceof CodedError) throw error;
    throw new ListenError(`${listen.host}:${listen.port}`, error as NodeJS.ErrnoException);
  }
  log.info({ address: server.url, service: `${service.namespace}/${service.name}` }, 'external metrics are served');

  const pass = async () => {
    await server.refresh();
    board.keepOnly(await policies.list());
  };
  return {
    board,
    problems: server.problems,
    run: (signal) => runLoop({ name: 'external-metrics', intervalMs: REFRESH_MS, clock, telemetry }, pass, signal),
    async close() {
      await server[Symbol.asyncDispose]();
      await api[Symbol.asyncDispose]();
    },
  };
}

function certificatesOf({ certificates, service }: Settled, dataFolder: string) {
  if (certificates !== 'selfMade') return certificateFiles(certificates);
  const host = `${service.name}.${service.namespace}.svc`;
  return selfMadeCertificates({
    folder: join(dataFolder, 'external-metrics'),
    dnsNames: [host, `${host}.cluster.local`],
  });
}

function upstreamOf({ upstream }: Settled): Upstream | undefined {
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

function telemetryOf({ metrics, log }: Pick<Parts, 'metrics' | 'log'>): ExternalMetricsTelemetry {
  return {
    onAnswer(outcome, seconds) {
      metrics.externalMetricsRequests.inc({ outcome });
      metrics.externalMetricsSeconds.observe({ outcome }, seconds);
    },
    onError: (error) => log.error({ err: error }, 'cannot answer a request for an external metric'),
    onProblem(what, problem) {
      metrics.externalMetricsProblem.set({ what }, problem === undefined ? 0 : 1);
      if (problem === undefined) log.info({ what }, `external metrics: ${what} is in order again`);
      else log.warn({ what }, `external metrics: ${problem}`);
    },
    onFailure: (what) => metrics.externalMetricsFailures.inc({ what }),
    onCertificate: (expiresAt) => metrics.externalMetricsCertificateExpiry.set(expiresAt / SECOND),
  };
}
