import { type Command, InvalidArgumentError } from 'commander';
import { parseReportFile } from './report/write-report.ts';
import type { TuneFlags } from './run-tune.ts';
import { parseTime, worldOptions } from './simulate.ts';
import { traceOptions } from './trace-source.ts';

const EXAMPLES = `
Examples:
  $ foresail tune --trace demand.csv --policy checkout.yaml --report tune.html
  $ foresail tune --server http://127.0.0.1:7070 --policy shop/checkout --over-capacity 0.05%

The settings are chosen on one part of the trace and reported on the part after it.`;

/** `foresail tune`: a policy's quantile, ramps and hold-down, searched on one part of a trace, reported on the rest. */
export function tuneCommand(program: Command): void {
  const command = program
    .command('tune')
    .description("Search a policy's quantile, ramps and hold-down on one part of a trace, and report on the rest.");
  traceOptions(command)
    .option('--from <time>', 'report on what comes from here on (default: the last quarter, at most 7d)', parseTime)
    .option(
      '--over-capacity <percent>',
      "the most of the time that may be over capacity (default: the policy's objective, or 0.1%)",
      parsePercent,
    );
  worldOptions(command)
    .option('--report <file>', 'draw cost and risk: a page where it ends in .html, an image in .svg', parseReportFile)
    .option('--progress', 'say how far it is, though standard error is no terminal')
    .option('--no-progress', 'say nothing on the way')
    .option('--json', 'print JSON instead of tables')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: TuneFlags) => {
      const { runTune } = await import('./run-tune.ts');
      await runTune(flags);
    });
}

/** `0.1%` as a ratio. */
function parsePercent(text: string): number {
  const ratio = /^\d+(\.\d+)?%$/.test(text) ? Number(text.slice(0, -1)) / 100 : Number.NaN;
  if (!(ratio <= 1)) throw new InvalidArgumentError('expected a percentage such as 0.1%');
  return ratio;
}
