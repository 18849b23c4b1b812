import { type Command, Option } from 'commander';
import type { CheckRulesOptions } from './check-rules.ts';

/** `foresail check FILE…` and `foresail check rules FILE…`: says what is wrong, and where. */
export function checkCommand(program: Command): void {
  const command = program
    .command('check')
    .description('Check settings and scaling policies: line, column, what was expected, and the nearest right word')
    .argument('<file...>', 'YAML or JSON files')
    .option('--json', 'print JSON', false)
    .helpCommand(false)
    .addHelpText('after', '\nExample:\n  $ foresail check foresail.yaml scaling-policies/*.yaml')
    .action(async (files: readonly string[], { json }: { json: boolean }) => {
      const { checkFiles } = await import('./check-files.ts');
      const { output, exitCode } = checkFiles(files, json);
      console.log(output);
      process.exitCode = exitCode;
    });
  command
    .command('rules')
    .description("Check recording and alerting rules in Prometheus's format: PromQL, templates, durations, duplicates")
    .argument('[file...]', 'YAML files; without any, or for -, standard input')
    .addOption(
      new Option('--lint <checks>', 'what to look for beside mistakes')
        .choices(['all', 'duplicate-rules', 'none'])
        .default('duplicate-rules'),
    )
    .option('--lint-fatal', 'end with 3 where that finds something', false)
    .option('--ignore-unknown-fields', 'pass over fields that Prometheus does not know', false)
    .option('--json', 'print JSON', false)
    .addHelpText(
      'after',
      '\nExit codes as promtool has them: 0 right, 1 wrong, 3 duplicates with --lint-fatal.' +
        '\n\nExample:\n  $ foresail check rules --lint-fatal alerts/*.yaml',
    )
    .action(async (files: readonly string[], own: CheckRulesOptions, { parent }: Command) => {
      const { checkRuleFiles } = await import('./check-rules.ts');
      // A flag that `check` has too is taken by it wherever it stands.
      const json = own.json || parent?.opts()['json'] === true;
      const { output, exitCode } = checkRuleFiles(files.length === 0 ? ['-'] : files, { ...own, json });
      console.log(output);
      process.exitCode = exitCode;
    });
}
