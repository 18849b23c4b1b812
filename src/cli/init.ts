import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';

/** `foresail init`: writes a settings file with every default and what it means. */
export function initCommand(program: Command): void {
  program
    .command('init')
    .description('Write a commented settings file with every setting at its default')
    .option('-o, --output <file>', 'where to write it; - is standard output', 'foresail.yaml')
    .option('--force', 'replace a file that is there', false)
    .addHelpText(
      'after',
      '\nExample:\n  $ foresail init --output foresail.yaml && foresail serve --config foresail.yaml',
    )
    .action(async ({ output, force }: { output: string; force: boolean }) => {
      const { commentedSettings } = await import('../config/commented-file.ts');
      process.exitCode = writeSettings(commentedSettings(), output, force);
    });
}

/** @returns The exit code. */
function writeSettings(text: string, output: string, force: boolean): number {
  if (output === '-') {
    process.stdout.write(text);
    return 0;
  }
  try {
    writeFileSync(output, text, { flag: force ? 'w' : 'wx' });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'EEXIST' ? 'it is there already: use --force to replace it' : (code ?? String(error));
    console.error(`cannot write ${output}: ${why}`);
    return code === 'EEXIST' ? 1 : 2;
  }
  console.log(`wrote ${output}: edit it, then foresail serve --config ${output}`);
  return 0;
}
