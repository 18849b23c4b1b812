import type { Command } from 'commander';

/** `foresail check FILE…`: says what is wrong with settings and policies, and where. Exit code 1 if anything is. */
export function checkCommand(program: Command): void {
  program
    .command('check')
    .description('Check settings and scaling policies: line, column, what was expected, and the nearest right word')
    .argument('<file...>', 'YAML or JSON files')
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExample:\n  $ foresail check foresail.yaml scaling-policies/*.yaml')
    .action(async (files: readonly string[], { json }: { json: boolean }) => {
      const { checkFiles } = await import('./check-files.ts');
      const { output, exitCode } = checkFiles(files, json);
      console.log(output);
      process.exitCode = exitCode;
    });
}
