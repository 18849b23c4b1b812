import { parentPort, workerData } from 'node:worker_threads';
import type { Outcome } from '../external-metrics/answer.ts';
import type { ExternalMetricsTelemetry } from '../external-metrics/open-external-metrics.ts';
import { systemClock } from '../system-clock.ts';
import { cpuSeconds, waitSeconds } from '../workers/cpu-seconds.ts';
import { type FromServer, startFailure, type ToServer } from './external-metrics-messages.ts';
import { type ServerOptions, startServer } from './external-metrics-server.ts';

/** Answers are told of together: one message each would cost as much as the answer. */
const TOLD_AFTER_MS = 250;

const port = parentPort!;
const say = (message: FromServer) => port.postMessage(message);

let outcomes: Outcome[] = [];
let seconds: number[] = [];
let timer: NodeJS.Timeout | undefined;

function tellAnswers(): void {
  clearTimeout(timer);
  timer = undefined;
  say({ kind: 'answers', outcomes, seconds, cpuSeconds: cpuSeconds(), waitSeconds: waitSeconds() });
  outcomes = [];
  seconds = [];
}

const telemetry: ExternalMetricsTelemetry = {
  onAnswer(outcome, took) {
    outcomes.push(outcome);
    seconds.push(took);
    timer ??= setTimeout(tellAnswers, TOLD_AFTER_MS);
  },
  onError: (error) => say({ kind: 'error', error: error instanceof Error ? error : new Error(String(error)) }),
  onProblem: (what, problem) => say({ kind: 'problem', what, problem }),
  onFailure: (what) => say({ kind: 'failure', what }),
  onCertificate: (expiresAt) => say({ kind: 'certificate', expiresAt }),
};

try {
  const { now } = systemClock;
  const server = await startServer(workerData as ServerOptions, { now, telemetry });
  port.on('message', (message: ToServer) => {
    switch (message.kind) {
      case 'changes':
        server.apply(message.changes);
        return;
      case 'refresh':
        say({ kind: 'alive' });
        void server.refresh().then(() => {
          tellAnswers();
          say({ kind: 'refreshed' });
        });
        return;
      case 'close':
        void server.close().then(() => {
          tellAnswers();
          port.close();
        });
        return;
    }
  });
  say({ kind: 'serving', url: server.url, port: server.port });
} catch (error) {
  say({ kind: 'cannot-start', failure: startFailure(error) });
}
