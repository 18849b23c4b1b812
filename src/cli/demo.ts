import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import type { DemoFlags } from './play-demo.ts';
import type { ServerDeps } from './run-server.ts';

const SETTINGS_FILE = 'foresail.yaml';

/** `foresail demo`, which is what `npm start` runs: the real program on workloads that are made up. */
export function demoCommand(program: Command, deps: ServerDeps): void {
  program
    .command('demo')
    .description(
      `Play three made-up workloads against the real program; with a ${SETTINGS_FILE} here, serve that instead`,
    )
    .option('--data <folder>', 'where the store is kept; a second start continues', './data')
    .option('--listen <host:port>', 'where to serve; port 0 takes a free one', '127.0.0.1:7070')
    .addHelpText('after', '\nExample:\n  $ foresail demo --data ./data --listen 127.0.0.1:7070')
    .action(async (flags: DemoFlags) => {
      if (existsSync(SETTINGS_FILE)) {
        console.log(`serving ${SETTINGS_FILE}, which is here, instead of the demo`);
        const { serve } = await import('./run-server.ts');
        await serve({ file: SETTINGS_FILE }, deps);
        return;
      }
      const { playDemo } = await import('./play-demo.ts');
      await playDemo(flags, deps);
    });
}
