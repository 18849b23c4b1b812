import { type App, type AppOptions, startApp } from '../app.ts';
import { type LoadOptions, loadSettings } from '../config/load.ts';
import type { Clock } from '../model/clock.ts';
import { createLogger } from '../telemetry/logger.ts';
import type { DemoAppOptions, RunningApp } from './demo.ts';

export interface ServerDeps {
  readonly version: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Serves until it is told to stop. Ending changes nothing in the cluster. */
export async function runServer(options: LoadOptions, { version, clock, signal }: ServerDeps): Promise<void> {
  const settings = loadSettings(options);
  const log = createLogger(settings.logLevel);
  await using app = await startApp({ settings, clock, log });
  console.log(`foresail ${version} answers at ${app.url}/ (data in ${settings.dataFolder})`);
  await app.run(signal);
}

/** The demo's server: the same program on a cluster stand-in, running until it is disposed of. */
export async function startDemoApp(demo: DemoAppOptions, { clock, signal }: ServerDeps): Promise<RunningApp> {
  const { settings, cluster, clusterName, replayTable } = demo;
  const log = createLogger(settings.logLevel);
  const options: AppOptions = {
    settings,
    clock,
    log,
    cluster: { name: clusterName, cluster, close: async () => {} },
    replay: replayTable,
  };
  const app: App = await startApp(options);
  const stop = new AbortController();
  const running = app.run(AbortSignal.any([signal, stop.signal]));
  return {
    url: app.url,
    async [Symbol.asyncDispose]() {
      stop.abort(new Error('the demo ended'));
      await running;
      await app[Symbol.asyncDispose]();
    },
  };
}
