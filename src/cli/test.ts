import type { Command } from 'commander';
import { UsageError } from './usage-error.ts';

interface TestRulesOptions {
  readonly run: readonly string[];
  readonly ignoreUnknownFields: boolean;
  readonly junit?: string;
  readonly json: boolean;
}

/** `foresail test rules FILE…`: unit tests of recording and alerting rules. Exit code 1 if any fails. */
export function testCommand(program: Command): void {
  program
    .command('test')
    .description("Unit tests of recording and alerting rules, in promtool's format")
    .addHelpText('after', '\nExample:\n  $ foresail test rules alerts/foresail.test.yaml')
    .command('rules')
    .description("Run unit tests of recording and alerting rules, in promtool's format")
    .argument('<file...>', 'YAML files of tests, which name the files of rules')
    .option('--run <regex>', 'only tests whose name matches; may be given several times', collect, [])
    .option('--ignore-unknown-fields', 'pass over fields of rules that Prometheus does not know', false)
    .option('--junit <file>', 'write the results as JUnit XML too')
    .option('--json', 'print JSON', false)
    .addHelpText('after', '\nExample:\n  $ foresail test rules --run "loop|lease" alerts/foresail.test.yaml')
    .action(async (files: readonly string[], { junit, ...options }: TestRulesOptions) => {
      const { testRuleFiles } = await import('./test-rules.ts');
      const { output, notes, exitCode, results } = await testRuleFiles(files, options);
      for (const note of notes) console.error(note);
      console.log(output);
      process.exitCode = exitCode;
      if (junit === undefined) return;
      const { formatJunit } = await import('./junit.ts');
      const { writeFileSync } = await import('node:fs');
      try {
        writeFileSync(junit, formatJunit(results));
      } catch (cause) {
        throw new UsageError(`cannot write ${junit}: ${(cause as Error).message}`, { cause });
      }
    });
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
