import { type BoardFeed, openBoardFeed } from '../external-metrics/board-feed.ts';
import type { BoardChange } from '../external-metrics/board-values.ts';
import { ExternalMetricsWithoutClusterError } from '../external-metrics/errors.ts';
import type { ExternalMetricsTelemetry } from '../external-metrics/open-external-metrics.ts';
import { runLoop } from '../loops/run-loop.ts';
import { SECOND } from '../model/time.ts';
import { startInThread } from './external-metrics-remote.ts';
import { type RunningServer, type ServerOptions, startServer } from './external-metrics-server.ts';
import type { Parts } from './parts.ts';

/** The server of external metrics, where the settings ask for one. */
export interface ExternalMetrics {
  /** Is told what the passes see. */
  readonly board: Pick<BoardFeed, 'planned' | 'plannedElsewhere' | 'watching'>;
  /** What is wrong with it now, a sentence each. */
  problems(): readonly string[];
  /** Looks at what changes by itself, until aborted. */
  run(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** How soon an authority, a certificate or an APIService that changed is seen. */
const REFRESH_MS = 10 * SECOND;
const NO_THREAD = 'the main thread answers for external metrics, and late while it is busy';

const OFF: ExternalMetrics = {
  board: { planned: () => {}, plannedElsewhere: () => {}, watching: (_, forecasts) => forecasts },
  problems: () => [],
  run: async () => {},
  close: async () => {},
};

/** @throws {CodedError} If there is no cluster or no certificate, or the address cannot be taken. */
export async function openExternalMetricsPart(parts: Parts): Promise<ExternalMetrics> {
  const { settings, clock, log, policies, telemetry } = parts;
  const { externalMetrics, kubernetes, loops, dataFolder } = settings;
  if (externalMetrics === undefined) return OFF;
  if (kubernetes.kind === 'off') throw new ExternalMetricsWithoutClusterError();
  const problems = new Map<string, string>();
  let server: RunningServer | undefined;
  const feed = openBoardFeed((change) => server?.apply([change]));
  const options = { settings: externalMetrics, kubernetes, dataFolder, passIntervalMs: loops.scaleMs };
  server = await start(options, parts, { problems, everything: feed.all });
  const { namespace, name } = externalMetrics.service;
  log.info({ address: server.url, service: `${namespace}/${name}` }, 'external metrics are served');

  const { refresh, close } = server;
  const pass = async () => {
    await refresh();
    feed.keepOnly(await policies.list());
  };
  return {
    board: feed,
    problems: () => [...problems.values()],
    run: (signal) => runLoop({ name: 'external-metrics', intervalMs: REFRESH_MS, clock, telemetry }, pass, signal),
    close,
  };
}

interface Told {
  /** Filled by what is told of the server. */
  readonly problems: Map<string, string>;
  readonly everything: () => readonly BoardChange[];
}

/** In a thread of its own; here where the program runs uncompiled, since a thread could not read TypeScript, or where no thread can be started. */
async function start(options: ServerOptions, parts: Parts, { problems, everything }: Told): Promise<RunningServer> {
  const { clock, log, metrics } = parts;
  const telemetry = telemetryOf(parts, problems);
  const here = () => startServer(options, { now: clock.now, telemetry });
  if (import.meta.url.endsWith('.ts')) return await here();
  const found = await startInThread(options, {
    ...{ clock, telemetry, everything },
    onEnd(reason, error) {
      metrics.externalMetricsThreadEnds.inc({ reason });
      const problem = `nobody answers for external metrics: their thread ended (${error?.message ?? reason}) and is started again`;
      // The next thread says anew what is wrong.
      for (const what of problems.keys()) metrics.externalMetricsProblem.set({ what }, 0);
      problems.clear();
      problems.set('thread', problem);
      metrics.externalMetricsProblem.set({ what: 'thread' }, 1);
      log.error({ reason, err: error }, 'the thread of the external metrics ended: it is started again');
    },
    onRestart() {
      problems.delete('thread');
      metrics.externalMetricsProblem.set({ what: 'thread' }, 0);
      log.info({}, 'the thread of the external metrics serves again');
    },
    onCpu(cpuSeconds, waitSeconds) {
      metrics.externalMetricsThreadCpu.inc(Math.max(0, cpuSeconds));
      metrics.externalMetricsThreadWait.inc(Math.max(0, waitSeconds));
    },
  });
  if (!('kind' in found)) return found;
  metrics.externalMetricsThreadEnds.inc({ reason: found.reason });
  log.error(
    { reason: found.reason, err: found.error },
    `no thread of the external metrics can be started: ${NO_THREAD}`,
  );
  return await here();
}

function telemetryOf(
  { metrics, log }: Pick<Parts, 'metrics' | 'log'>,
  problems: Map<string, string>,
): ExternalMetricsTelemetry {
  return {
    onAnswer(outcome, seconds) {
      metrics.externalMetricsRequests.inc({ outcome });
      metrics.externalMetricsSeconds.observe({ outcome }, seconds);
    },
    onError: (error) => log.error({ err: error }, 'cannot answer a request for an external metric'),
    onProblem(what, problem) {
      metrics.externalMetricsProblem.set({ what }, problem === undefined ? 0 : 1);
      if (problem === undefined) {
        problems.delete(what);
        log.info({ what }, `external metrics: ${what} is in order again`);
        return;
      }
      problems.set(what, problem);
      log.warn({ what }, `external metrics: ${problem}`);
    },
    onFailure: (what) => metrics.externalMetricsFailures.inc({ what }),
    onCertificate: (expiresAt) => metrics.externalMetricsCertificateExpiry.set(expiresAt / SECOND),
  };
}
