import { startApp } from '../app.ts';
import { type LoadOptions, loadSettings } from '../config/load.ts';
import type { Clock } from '../model/clock.ts';
import { createLogger } from '../telemetry/logger.ts';
import { VERSION } from '../version.ts';

export interface ServerDeps {
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Serves until it is told to stop. Ending changes nothing in the cluster. */
export async function serve(options: LoadOptions, { clock, signal }: ServerDeps): Promise<void> {
  const settings = loadSettings(options);
  const log = createLogger(settings.logLevel);
  await using app = await startApp({ settings, clock, log });
  console.log(`foresail ${VERSION} answers at ${app.url}/ (data in ${settings.dataFolder})`);
  await app.run(signal);
}
