import { setMaxListeners } from 'node:events';
import { openAlerting } from './app/alerting.ts';
import { openAnnouncing } from './app/announcing.ts';
import { openCosts } from './app/costs.ts';
import { openExternalMetricsPart } from './app/external-metrics.ts';
import { openHandlers } from './app/handlers.ts';
import { openKedaScaler } from './app/keda-scaler.ts';
import { openLoops } from './app/loops.ts';
import { openParts, type Target } from './app/parts.ts';
import { openRules } from './app/rules.ts';
import { openScraping } from './app/scraping.ts';
import { openWatching } from './app/watching.ts';
import { openWorkloadPasses } from './app/workload-passes.ts';
import type { Settings } from './config/load.ts';
import type { ReplayTable } from './http/deps.ts';
import { type Listening, listen } from './http/listen.ts';
import type { Clock } from './model/clock.ts';
import type { Logger } from './telemetry/logger.ts';

export interface AppOptions {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Logger;
  /** In place of the cluster that the settings name: the demo's stand-in. */
  readonly cluster?: Target;
  /** The what-if table of the page, where there is one. */
  readonly replay?: (() => ReplayTable | undefined) | undefined;
}

export interface App extends AsyncDisposable {
  /** `http://127.0.0.1:7070` */
  readonly url: string;
  /** Resolves when the loops have ended, which is after `signal` was aborted. */
  run(signal: AbortSignal): Promise<void>;
}

/** Opens the store, the cluster and the HTTP server, and ties every part to the others. Nothing moves before `run`. */
export async function startApp({ replay, ...options }: AppOptions): Promise<App> {
  const parts = await openParts(options);
  const passes = openWorkloadPasses(parts.policies.list);
  const closeParts = async (error: unknown) => {
    await parts.close();
    throw error;
  };
  const external = await openExternalMetricsPart(parts).catch(closeParts);
  const loops = openLoops(parts, passes, external.board);
  const scraping = openScraping(parts);
  const alerting = await openAlerting(parts).catch(async (error: unknown) => {
    await external.close();
    return await closeParts(error);
  });
  const rules = openRules(parts, alerting.tell);
  const watching = openWatching(parts, alerting.tell, loops);
  const costs = openCosts(parts, alerting.tell);
  const announcing = openAnnouncing(parts, passes, alerting.post);
  const watchers = [alerting, rules, watching, costs, announcing];
  const { handler, rawHandlers } = openHandlers(parts, {
    passes,
    historyChanged(tenant) {
      loops.historyChanged(tenant);
      watching.historyChanged(tenant);
    },
    replay,
    problems: (tenant) => [...external.problems(), ...rules.problems(tenant)],
    scraping,
    routes: watchers.flatMap(({ routes }) => routes),
  });
  const server: Listening = await listen({
    ...options.settings.listen,
    rawHandlers,
    handler,
  }).catch(async (error: unknown) => {
    await external.close();
    return await closeParts(error);
  });
  const scaler = await openKedaScaler(parts).catch(async (error: unknown) => {
    await server.close();
    await external.close();
    return await closeParts(error);
  });
  return {
    url: server.url,
    async run(signal) {
      await costs.restore();
      // Each loop listens to it for as long as it sleeps: there are more of them than Node takes for granted.
      setMaxListeners(0, signal);
      await Promise.all([
        loops.run(signal),
        external.run(signal),
        scaler.run(signal),
        scraping.run(signal),
        ...watchers.map((part) => part.run(signal)),
      ]);
    },
    async [Symbol.asyncDispose]() {
      await scaler[Symbol.asyncDispose]();
      await server.close();
      await external.close();
      await loops.close();
      await parts.close();
    },
  };
}
