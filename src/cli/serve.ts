import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import type { ServerDeps } from './run-server.ts';

const SETTINGS_FILE = 'foresail.yaml';

interface ServeFlags {
  readonly config?: string;
  readonly data?: string;
  readonly listen?: string;
  readonly logLevel?: string;
}

/** `foresail serve`: the program for real. */
export function serveCommand(program: Command, deps: ServerDeps): void {
  program
    .command('serve')
    .description(`Run the server: with ${SETTINGS_FILE} where it is here, else with the defaults and no policies`)
    .option('--config <file>', `the settings (default: ${SETTINGS_FILE} where it is here)`)
    .option('--data <folder>', 'where the store is kept; wins over the settings')
    .option('--listen <host:port>', 'where to serve; port 0 takes a free one; wins over the settings')
    .option('--log-level <level>', 'debug, info, warn, error or silent; wins over the settings')
    .addHelpText('after', '\nExample:\n  $ foresail init && foresail serve --config foresail.yaml')
    .action(async ({ config, ...flags }: ServeFlags) => {
      const file = config ?? (existsSync(SETTINGS_FILE) ? SETTINGS_FILE : undefined);
      const { serve } = await import('./run-server.ts');
      await serve({ ...(file !== undefined && { file }), flags }, deps);
    });
}
